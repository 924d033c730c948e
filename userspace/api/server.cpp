#include "userspace/api/server.h"

#include <fcntl.h>
#include <microhttpd.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cstdarg>
#include <cstdlib>

#include "userspace/base/log.h"

namespace cnet::api {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBacklog = 128;
// A body that is too large is read to its end up to here, so that simple clients, which send all
// before they listen, see the 413 instead of a broken pipe.
constexpr size_t kDrainLimit = 16u << 20;

struct PendingRequest {
    std::string body;
    size_t received = 0;
};

uid_t peer_uid_of(int fd) {
    ucred credentials{};
    socklen_t size = sizeof(credentials);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return kNobody;
    return credentials.uid;
}

MHD_Result add_query(void* cls, MHD_ValueKind, const char* key, const char* value) {
    auto& request = *static_cast<Request*>(cls);
    request.query[key] = value ? value : "";
    return MHD_YES;
}

// A body that is made while it is sent, as the library reads it.
struct PieceReader {
    Pieces pieces;
    std::function<void()> on_progress;
    std::string piece;
    size_t given = 0; // of `piece`

    static ssize_t read(void* cls, uint64_t, char* buffer, size_t size) {
        auto& reader = *static_cast<PieceReader*>(cls);
        if (reader.given == reader.piece.size()) {
            auto next = reader.pieces();
            if (!next) {
                log_error("an answer broke off: " + next.error().message());
                return MHD_CONTENT_READER_END_WITH_ERROR;
            }
            if (next->empty()) return MHD_CONTENT_READER_END_OF_STREAM;
            reader.piece = *std::move(next);
            reader.given = 0;
        }
        reader.on_progress();
        const size_t count = reader.piece.copy(buffer, size, reader.given);
        reader.given += count;
        return static_cast<ssize_t>(count);
    }
};

constexpr size_t kBlockBytes = 32u << 10;

MHD_Response* piecewise_body(Pieces pieces, std::function<void()> on_progress) {
    auto* reader = new PieceReader{std::move(pieces), std::move(on_progress), {}, 0};
    MHD_Response* reply =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, kBlockBytes, &PieceReader::read, reader,
                                          [](void* cls) { delete static_cast<PieceReader*>(cls); });
    if (!reply) delete reader;
    return reply;
}

MHD_Response* whole_body(std::string text) {
    auto* body = new std::string(std::move(text));
    MHD_Response* reply = MHD_create_response_from_buffer_with_free_callback_cls(
        body->size(), body->data(), [](void* cls) { delete static_cast<std::string*>(cls); }, body);
    if (!reply) delete body;
    return reply;
}

// `on_progress` is called for each part of a body that is sent in pieces.
MHD_Result send_response(MHD_Connection* connection, Response response,
                         std::function<void()> on_progress = {}) {
    MHD_Response* reply = response.pieces
                              ? piecewise_body(std::move(response.pieces), std::move(on_progress))
                              : whole_body(std::move(response.body));
    if (!reply) return MHD_NO;
    MHD_add_response_header(reply, "Content-Type", response.content_type.c_str());
    if (!response.allow.empty()) MHD_add_response_header(reply, "Allow", response.allow.c_str());
    MHD_Result queued =
        MHD_queue_response(connection, static_cast<unsigned>(response.status), reply);
    MHD_destroy_response(reply);
    return queued;
}

Response too_large() {
    return error_response(413, "too_large", "the request's body is larger than 1 MiB");
}

// The length that the client announces, when it does.
std::optional<unsigned long long> announced_length(MHD_Connection* connection) {
    const char* text =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (!text) return {};
    return std::strtoull(text, nullptr, 10);
}

bool expects_continue(MHD_Connection* connection) {
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_EXPECT);
}

void log_library_message(void*, const char* format, va_list arguments) {
    char line[512];
    std::vsnprintf(line, sizeof(line), format, arguments);
    std::string message = line;
    while (!message.empty() && message.back() == '\n')
        message.pop_back();
    log_debug("libmicrohttpd: " + message);
}

// Percent-encoding is decoded by the routes, strictly: the library would turn %00 into the end of a
// name.
size_t keep_encoded(void*, MHD_Connection*, char* text) {
    return std::strlen(text);
}

} // namespace

struct Server::Callbacks {
    static MHD_Result on_request(void* cls, MHD_Connection* connection, const char* url,
                                 const char* method, const char*, const char* data, size_t* size,
                                 void** state) {
        auto& server = *static_cast<Server*>(cls);
        if (!*state) {
            *state = new PendingRequest;
            server.note_progress(connection, false);
            auto length = announced_length(connection);
            bool hopeless = length && *length > kBodyLimit &&
                            (expects_continue(connection) || *length > kDrainLimit);
            return hopeless ? send_response(connection, too_large()) : MHD_YES;
        }
        auto& pending = *static_cast<PendingRequest*>(*state);
        if (*size != 0) {
            pending.received += *size;
            if (pending.received > kDrainLimit) return MHD_NO;
            if (pending.received <= kBodyLimit) pending.body.append(data, *size);
            *size = 0;
            return MHD_YES;
        }
        if (pending.received > kBodyLimit) return send_response(connection, too_large());

        Request request{method, url, {}, std::move(pending.body), kNobody};
        MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &add_query, &request);
        auto known = server.connections_.find(connection);
        if (known != server.connections_.end()) request.peer_uid = known->second.peer_uid;
        return send_response(connection, server.handler_(request),
                             [&server, connection] { server.note_progress(connection, false); });
    }

    static void on_completed(void* cls, MHD_Connection* connection, void** state,
                             MHD_RequestTerminationCode) {
        delete static_cast<PendingRequest*>(*state);
        *state = nullptr;
        static_cast<Server*>(cls)->note_progress(connection, true);
    }

    static void on_connection(void* cls, MHD_Connection* connection, void**,
                              MHD_ConnectionNotificationCode code) {
        auto& server = *static_cast<Server*>(cls);
        if (code == MHD_CONNECTION_NOTIFY_STARTED)
            server.add_connection(connection);
        else
            server.connections_.erase(connection);
    }
};

Result<UniqueFd> listen_unix(const std::filesystem::path& path, const SocketMode& access) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& name = path.native();
    if (name.size() >= sizeof(address.sun_path))
        return Error(ErrorKind::kInvalid, "the socket's path " + name + " is longer than " +
                                              std::to_string(sizeof(address.sun_path) - 1) +
                                              " bytes");
    name.copy(address.sun_path, name.size());

    UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return Error::system("make a unix socket");
    struct stat old {};
    if (lstat(name.c_str(), &old) == 0) {
        if (!S_ISSOCK(old.st_mode))
            return Error(ErrorKind::kConflict, name + " exists and is not a socket");
        if (unlink(name.c_str()) != 0) return Error::system("remove the old socket " + name);
    }
    if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0)
        return Error::system("bind the socket " + name);
    // Nobody can connect before listen(), so the file never serves under a mode that is too wide.
    if (access.group && chown(name.c_str(), static_cast<uid_t>(-1), *access.group) != 0)
        return Error::system("change the group of " + name);
    if (chmod(name.c_str(), access.mode) != 0) return Error::system("change the mode of " + name);
    if (listen(fd.get(), kBacklog) != 0) return Error::system("listen on " + name);
    return fd;
}

Result<std::unique_ptr<Server>> Server::open(UniqueFd listener, Handler handler,
                                             const ServerOptions& options) {
    int flags = fcntl(listener.get(), F_GETFL);
    if (flags < 0 || fcntl(listener.get(), F_SETFL, flags | O_NONBLOCK) != 0)
        return Error::system("make the API's socket non-blocking");

    std::unique_ptr<Server> server(new Server(std::move(handler), options));
    server->daemon_ = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_ERROR_LOG, 0, nullptr, nullptr, &Callbacks::on_request,
        server.get(), MHD_OPTION_EXTERNAL_LOGGER, &log_library_message, nullptr,
        MHD_OPTION_LISTEN_SOCKET, listener.get(), MHD_OPTION_STRICT_FOR_CLIENT, 0,
        MHD_OPTION_CONNECTION_LIMIT, options.max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
        static_cast<unsigned>(options.idle_timeout.count()), MHD_OPTION_UNESCAPE_CALLBACK,
        &keep_encoded, nullptr, MHD_OPTION_NOTIFY_COMPLETED, &Callbacks::on_completed, server.get(),
        MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::on_connection, server.get(), MHD_OPTION_END);
    if (!server->daemon_) return Error(ErrorKind::kSystem, "libmicrohttpd cannot start");
    (void)listener.release(); // the library closes it

    const MHD_DaemonInfo* info = MHD_get_daemon_info(server->daemon_, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info) return Error(ErrorKind::kSystem, "libmicrohttpd has no epoll descriptor");
    server->poll_fd_ = info->epoll_fd;
    return server;
}

Server::~Server() {
    if (daemon_) MHD_stop_daemon(daemon_);
}

std::optional<std::chrono::milliseconds> Server::timeout() const {
    std::optional<std::chrono::milliseconds> due;
    MHD_UNSIGNED_LONG_LONG library_ms = 0;
    if (MHD_get_timeout(daemon_, &library_ms) == MHD_YES)
        due = std::chrono::milliseconds(library_ms);
    auto now = Clock::now();
    for (const auto& [handle, connection] : connections_) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(connection.deadline - now);
        left = std::max(left, std::chrono::milliseconds(0));
        if (!due || left < *due) due = left;
    }
    return due;
}

void Server::run() {
    // At its limit the library stops listening, and listens again in the first run after a place
    // became free; no descriptor would wake us for that one.
    size_t before = 0;
    do {
        before = connections_.size();
        MHD_run(daemon_);
    } while (connections_.size() < before);
    cut_off_late_connections();
}

void Server::finish(std::chrono::milliseconds limit) {
    const UniqueFd listener(MHD_quiesce_daemon(daemon_));
    const auto end = Clock::now() + limit;
    auto waits = [](const auto& entry) { return !entry.second.answered; };
    while (std::ranges::any_of(connections_, waits)) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        if (left.count() <= 0) return;
        pollfd news{poll_fd_, POLLIN, 0};
        (void)poll(&news, 1, static_cast<int>(std::min(left, timeout().value_or(left)).count()));
        run();
    }
}

void Server::add_connection(MHD_Connection* connection) {
    const MHD_ConnectionInfo* info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info) return;
    int fd = info->connect_fd;
    uid_t uid = peer_uid_of(fd);
    // Half of the places are root's alone, or readers could keep root out.
    auto others = std::count_if(connections_.begin(), connections_.end(),
                                [](const auto& entry) { return entry.second.peer_uid != 0; });
    if (uid != 0 && static_cast<unsigned>(others) >= options_.max_connections / 2)
        shutdown(fd, SHUT_RDWR);
    connections_[connection] = {fd, uid, Clock::now() + options_.request_timeout};
}

void Server::note_progress(MHD_Connection* connection, bool answered) {
    auto found = connections_.find(connection);
    if (found == connections_.end()) return;
    found->second.deadline = Clock::now() + options_.request_timeout;
    found->second.answered = answered;
}

void Server::cut_off_late_connections() {
    auto now = Clock::now();
    for (auto& [handle, connection] : connections_) {
        if (connection.deadline > now) continue;
        // The library sees the end of the stream, closes, and tells on_connection().
        shutdown(connection.fd, SHUT_RDWR);
        connection.deadline = Clock::time_point::max();
    }
}

} // namespace cnet::api
