#include "userspace/etcd/client.h"

#include <algorithm>

#include "userspace/etcd/session.h"

namespace cnet::etcd {
namespace {

constexpr int64_t kPageKeys = 500;
// A page can be compacted away while the pages before it are read.
constexpr int kReadingsOfRange = 5;

} // namespace

Client::Client(std::unique_ptr<Session> session) : session_(std::move(session)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<Client> Client::open(ClientConfig config, std::stop_token stop) {
    if (config.endpoints.empty())
        return Error(ErrorKind::kInvalid, "etcd needs one endpoint or more");
    for (const std::string& endpoint : config.endpoints)
        if (auto status = check_endpoint(endpoint); !status) return status.error();
    if (config.tls.cert.empty() != config.tls.key.empty())
        return Error(ErrorKind::kInvalid,
                     "a certificate for etcd needs its key, and a key its certificate");
    // Members that cannot be reached must leave time for the last one.
    const auto members = static_cast<int>(config.endpoints.size());
    config.connect_timeout = std::min(config.connect_timeout, config.request_timeout / members);
    auto transport = Transport::open(config.tls, config.connect_timeout);
    if (!transport) return transport.error();
    return Client(
        std::make_unique<Session>(std::move(config), std::move(*transport), std::move(stop)));
}

Result<TxnResult> Client::txn(const std::vector<Compare>& conditions,
                              const std::vector<Operation>& then,
                              const std::vector<Operation>& otherwise) {
    auto answer = session_->call("/v3/kv/txn", txn_request(conditions, then, otherwise),
                                 Session::Repeat::kNo);
    if (!answer) return answer.error();
    auto result = read_txn(*answer);
    if (!result) return session_->about(ErrorKind::kUnknown, result.error().message());
    return result;
}

Result<Range> Client::range(const std::string& prefix, int64_t at_revision) {
    for (int readings = 1;; readings++) {
        auto range = read_pages(prefix, at_revision);
        bool compacted = !range && range.error().kind() == ErrorKind::kNotFound;
        if (!compacted || at_revision != 0 || readings == kReadingsOfRange) return range;
    }
}

Result<Range> Client::read_pages(const std::string& prefix, int64_t at_revision) {
    Range range{at_revision, {}};
    std::string from = prefix;
    for (;;) {
        Json request = range_request(from, prefix_end(prefix), kPageKeys, range.revision);
        auto answer = session_->call("/v3/kv/range", request, Session::Repeat::kYes);
        if (!answer) return answer.error();
        auto page = read_page(*answer);
        if (!page) return session_->about(ErrorKind::kSystem, page.error().message());
        if (range.revision == 0) range.revision = page->revision;
        std::move(page->kvs.begin(), page->kvs.end(), std::back_inserter(range.kvs));
        if (!page->more) return range;
        if (page->kvs.empty())
            return session_->about(ErrorKind::kSystem, "an empty page of a range that goes on");
        from = range.kvs.back().key + '\0';
    }
}

Result<int64_t> Client::grant_lease(int64_t ttl_s) {
    // One that was granted unheard ends by itself.
    auto answer =
        session_->call("/v3/lease/grant", {{"TTL", std::to_string(ttl_s)}}, Session::Repeat::kYes);
    if (!answer) return answer.error();
    auto lease = read_int64(*answer, "ID");
    if (!lease || *lease == 0)
        return session_->about(ErrorKind::kSystem, "an answer without the lease");
    return lease;
}

Result<int64_t> Client::keep_alive(int64_t lease) {
    auto answer = session_->call("/v3/lease/keepalive", {{"ID", std::to_string(lease)}},
                                 Session::Repeat::kYes);
    if (!answer) return answer.error();
    auto ttl = read_int64(answer->value("result", Json::object()), "TTL");
    if (!ttl) return session_->about(ErrorKind::kSystem, ttl.error().message());
    return ttl;
}

Status Client::revoke_lease(int64_t lease) {
    auto answer =
        session_->call("/v3/lease/revoke", {{"ID", std::to_string(lease)}}, Session::Repeat::kYes);
    if (!answer && answer.error().kind() != ErrorKind::kNotFound) return answer.error();
    return {};
}

} // namespace cnet::etcd
