// HTTP/1.1 on a unix socket. It has no loop of its own: whoever owns it waits for poll_fd() and
// timeout(), then calls run(), which never blocks. Handlers run inside run(). A body over 1 MiB is
// answered with 413. Idle connections, and clients that take too long over one request (or over a
// part of an answer that is sent in pieces), are cut off; clients other than root cannot take up
// all places.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "userspace/api/http.h"
#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

struct MHD_Daemon;
struct MHD_Connection;

namespace cnet::api {

inline constexpr size_t kBodyLimit = 1u << 20;

struct SocketMode {
    mode_t mode = 0600;
    std::optional<gid_t> group;
};

// A bound and listening socket. A socket file that is there already is replaced: hold the daemon's
// lock. The directory must exist.
Result<UniqueFd> listen_unix(const std::filesystem::path& path, const SocketMode& access);

struct ServerOptions {
    unsigned max_connections = 128;
    std::chrono::seconds idle_timeout{10};
    std::chrono::seconds request_timeout{30}; // from the first byte expected to the last one sent
};

class Server {
public:
    // Takes over a listening stream socket.
    static Result<std::unique_ptr<Server>> open(UniqueFd listener, Handler handler,
                                                const ServerOptions& options = {});

    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    // Readable when run() has work to do.
    int poll_fd() const { return poll_fd_; }
    // run() is due after this long at the latest; nothing when only poll_fd() matters.
    std::optional<std::chrono::milliseconds> timeout() const;
    void run();

    // Answers who is connected and has no answer yet, for so long at most, and takes nobody new: a
    // socket that somebody else holds too keeps them for the next server. Then comes the end.
    void finish(std::chrono::milliseconds limit);

private:
    struct Callbacks; // what libmicrohttpd calls

    struct Connection {
        int fd;
        uid_t peer_uid;
        std::chrono::steady_clock::time_point deadline;
        bool answered = false; // nothing more has been asked since
    };

    Server(Handler handler, const ServerOptions& options)
        : handler_(std::move(handler)), options_(options) {}

    void add_connection(MHD_Connection* connection);
    void note_progress(MHD_Connection* connection, bool answered);
    void cut_off_late_connections();

    Handler handler_;
    ServerOptions options_;
    std::map<MHD_Connection*, Connection> connections_;
    MHD_Daemon* daemon_ = nullptr;
    int poll_fd_ = -1;
};

} // namespace cnet::api
