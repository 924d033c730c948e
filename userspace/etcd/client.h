// A client of etcd 3.4 and its successors, by the JSON gateway (/v3/...) on the members' client
// ports. Calls block; one object is for one thread.
//
// A call has one deadline, request_timeout, and is taken from member to member until then: a member
// that cannot be reached or has no leader is put behind the others. A call that can reach nobody
// ends early, one that finds members without a leader waits for an election. Errors name the
// endpoint:
//   kUnavailable  nothing was done
//   kUnknown      the request was sent, and whether it was carried out is not known: read again
//   kConflict     the endpoint belongs to another cluster than the first that answered this object
//   others        etcd's own refusal; nothing was done
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/etcd/kv.h"
#include "userspace/etcd/transport.h"

namespace cnet::etcd {

struct ClientConfig {
    std::vector<std::string> endpoints; // "https://10.0.0.1:2379"
    TlsFiles tls;
    std::string user; // empty: without authentication
    std::string password;
    std::chrono::milliseconds connect_timeout{2000}; // at most; all members together stay within
    std::chrono::milliseconds request_timeout{10000};
    // A watch that hears nothing for this long goes on at another member: the one can be stuck with
    // its connections open.
    std::chrono::milliseconds watch_silence{20000};
};

// Events in order of their revisions. All up to and with `revision` have been delivered with this
// batch, which may be empty; it may begin a later revision too, whose events come again after a
// break.
struct WatchBatch {
    std::vector<Event> events;
    int64_t revision = 0;
};
using OnEvents = std::function<void(const WatchBatch&)>;

struct WatchEnd {
    enum class Reason {
        kStopped,
        kBroken,    // connection lost, member without leader, refused: `error` says
        kCompacted, // the events are gone: read the range anew and go on from there
    };

    Reason reason = Reason::kStopped;
    int64_t revision = 0;         // all was delivered up to here: go on with revision + 1
    int64_t compact_revision = 0; // kCompacted: nothing older than this is left
    Error error{ErrorKind::kUnavailable, "the watch was stopped"};
};

class Session;

class Client {
public:
    // Connects to nobody yet. `stop` ends whatever call is waiting, with kUnavailable or kUnknown.
    static Result<Client> open(ClientConfig config, std::stop_token stop = {});

    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;
    ~Client();

    Result<TxnResult> txn(const std::vector<Compare>& conditions,
                          const std::vector<Operation>& then,
                          const std::vector<Operation>& otherwise = {});

    // All keys with the prefix, read in pages but at one revision: `at_revision`, or the newest for
    // 0. kNotFound when etcd has compacted that revision.
    Result<Range> range(const std::string& prefix, int64_t at_revision = 0);

    Result<int64_t> grant_lease(int64_t ttl_s);
    // The seconds that it has again; 0: there is no such lease.
    Result<int64_t> keep_alive(int64_t lease);
    // The keys that have it go with it. One that is gone already is a success.
    Status revoke_lease(int64_t lease);

    // Reports every change of keys with the prefix from `from_revision` (1 or more) on, until
    // something ends it; and first, with an empty batch, that it has begun.
    WatchEnd watch(const std::string& prefix, int64_t from_revision, const OnEvents& on_events,
                   const std::stop_token& stop);

private:
    explicit Client(std::unique_ptr<Session> session);

    Result<Range> read_pages(const std::string& prefix, int64_t at_revision);

    std::unique_ptr<Session> session_;
};

} // namespace cnet::etcd
