#include "userspace/etcd/transport.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace cnet::etcd {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// A member that vanished without a word is noticed when it has not answered for 11 s.
constexpr long kKeepaliveIdle = 5;
constexpr long kKeepaliveInterval = 2;
constexpr int kKeepaliveProbes = 3;
constexpr unsigned int kUnansweredMs = 11'000;
// As long as nothing moves, libcurl's own timers and ours are looked at this often.
constexpr milliseconds kLongestPoll{60'000};

struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, FreeList>;

Headers headers_of(const Exchange& exchange) {
    Headers headers;
    auto add = [&](const std::string& line) {
        curl_slist* longer = curl_slist_append(headers.get(), line.c_str());
        CNET_CHECK(longer != nullptr);
        static_cast<void>(headers.release());
        headers.reset(longer);
    };
    add("Content-Type: application/json");
    // Without this curl waits for "100 Continue" before it sends a long body.
    add("Expect:");
    // A member that has lost its leader refuses, and ends watches, where it would stay silent.
    add("Grpc-Metadata-hasleader: true");
    if (!exchange.token.empty()) add("Authorization: " + exchange.token);
    return headers;
}

size_t receive(char* data, size_t size, size_t count, void* exchange) {
    std::string_view bytes(data, size * count);
    return static_cast<Exchange*>(exchange)->on_data(bytes) ? bytes.size() : CURL_WRITEFUNC_ERROR;
}

size_t send_more(char* buffer, size_t size, size_t count, void* rest_of_body) {
    auto& rest = *static_cast<std::string_view*>(rest_of_body);
    size_t length = std::min(size * count, rest.size());
    std::memcpy(buffer, rest.data(), length);
    rest.remove_prefix(length);
    return length;
}

int never_rewind(void*, curl_off_t, int) {
    return CURL_SEEKFUNC_FAIL;
}

int watch_for_dead_peer(void*, curl_socket_t socket, curlsocktype) {
    int probes = kKeepaliveProbes;
    unsigned int unanswered = kUnansweredMs;
    bool set =
        setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes) == 0 &&
        setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &unanswered, sizeof unanswered) == 0;
    return set ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR;
}

// One transfer's place in the multi handle: removal closes a connection in mid-transfer.
class Added {
public:
    Added(CURLM* multi, CURL* easy) : multi_(multi), easy_(easy) {
        CNET_CHECK(curl_multi_add_handle(multi, easy) == CURLM_OK);
    }
    Added(const Added&) = delete;
    Added& operator=(const Added&) = delete;
    ~Added() { curl_multi_remove_handle(multi_, easy_); }

private:
    CURLM* multi_;
    CURL* easy_;
};

int milliseconds_until(steady_clock::time_point deadline) {
    auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    return static_cast<int>(std::clamp(left, milliseconds(0), kLongestPoll).count());
}

} // namespace

Status check_endpoint(const std::string& endpoint) {
    struct Free {
        void operator()(CURLU* url) const { curl_url_cleanup(url); }
    };
    std::unique_ptr<CURLU, Free> url(curl_url());
    auto part = [&](CURLUPart which) {
        char* text = nullptr;
        bool found = curl_url_get(url.get(), which, &text, 0) == CURLUE_OK;
        std::string copy = found ? text : "";
        curl_free(text);
        return copy;
    };
    bool parsed = curl_url_set(url.get(), CURLUPART_URL, endpoint.c_str(), 0) == CURLUE_OK;
    // Put together again it is the same: no path, no user, no query.
    std::string scheme = part(CURLUPART_SCHEME);
    bool plain = endpoint == scheme + "://" + part(CURLUPART_HOST) + ':' + part(CURLUPART_PORT);
    if (parsed && plain && (scheme == "http" || scheme == "https")) return {};
    return Error(ErrorKind::kInvalid, '"' + endpoint +
                                          "\" is no endpoint of etcd: http://HOST:PORT or "
                                          "https://HOST:PORT");
}

void Transport::CloseMulti::operator()(void* multi) const {
    curl_multi_cleanup(multi);
}

void Transport::CloseEasy::operator()(void* easy) const {
    curl_easy_cleanup(easy);
}

Result<Transport> Transport::open(TlsFiles tls, milliseconds connect_timeout) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return Error(ErrorKind::kSystem, "libcurl does not start");
    Transport transport(std::move(tls), connect_timeout);
    transport.multi_.reset(curl_multi_init());
    transport.easy_.reset(curl_easy_init());
    if (!transport.multi_ || !transport.easy_)
        return Error(ErrorKind::kSystem, "libcurl does not start");
    if (!transport.set_up_connection() || !transport.set_up_tls())
        return Error(ErrorKind::kSystem, "libcurl lacks HTTP with TLS");
    return transport;
}

bool Transport::set_up_connection() {
    CURL* curl = easy_.get();
    auto set = [curl](CURLoption option, auto value) {
        return curl_easy_setopt(curl, option, value) == CURLE_OK;
    };
    return set(CURLOPT_PROTOCOLS_STR, "http,https") &&
           // A proxy from the environment has no business between us and etcd.
           set(CURLOPT_PROXY, "") && set(CURLOPT_NOPROXY, "*") &&
           set(CURLOPT_HTTP_VERSION, long{CURL_HTTP_VERSION_1_1}) && set(CURLOPT_NOSIGNAL, 1L) &&
           // A name server that does not answer must not hold up the end of a transfer.
           set(CURLOPT_QUICK_EXIT, 1L) &&
           set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(connect_timeout_.count())) &&
           set(CURLOPT_TCP_KEEPALIVE, 1L) && set(CURLOPT_TCP_KEEPIDLE, kKeepaliveIdle) &&
           set(CURLOPT_TCP_KEEPINTVL, kKeepaliveInterval) &&
           set(CURLOPT_SOCKOPTFUNCTION, watch_for_dead_peer) && set(CURLOPT_POST, 1L) &&
           set(CURLOPT_WRITEFUNCTION, receive) && set(CURLOPT_READFUNCTION, send_more) &&
           set(CURLOPT_SEEKFUNCTION, never_rewind);
}

bool Transport::set_up_tls() {
    CURL* curl = easy_.get();
    auto set_file = [curl](CURLoption option, const std::string& file) {
        return file.empty() || curl_easy_setopt(curl, option, file.c_str()) == CURLE_OK;
    };
    bool verified = curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
                    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
    // The system's directory of authorities would be trusted beside the file.
    if (!tls_.ca.empty()) curl_easy_setopt(curl, CURLOPT_CAPATH, nullptr);
    return verified && set_file(CURLOPT_CAINFO, tls_.ca) && set_file(CURLOPT_SSLCERT, tls_.cert) &&
           set_file(CURLOPT_SSLKEY, tls_.key);
}

Outcome Transport::post(Exchange& exchange, const std::stop_token& stop) {
    CURL* curl = easy_.get();
    Headers headers = headers_of(exchange);
    std::string_view rest_of_body = exchange.body;
    std::array<char, CURL_ERROR_SIZE> reason{};
    curl_easy_setopt(curl, CURLOPT_URL, exchange.url.c_str());
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &exchange);
    curl_easy_setopt(curl, CURLOPT_READDATA, &rest_of_body);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(exchange.body.size()));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason.data());

    Outcome outcome;
    int code = drive(exchange, stop);
    long sent_bytes = 0;
    curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent_bytes);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &outcome.status);
    outcome.sent = sent_bytes > 0;
    if (code == CURLE_OK)
        outcome.end = Outcome::End::kAnswered;
    else if (code < 0)
        outcome.end = stop.stop_requested() ? Outcome::End::kStopped : Outcome::End::kTimedOut;
    else
        outcome.reason =
            reason[0] != '\0' ? reason.data() : curl_easy_strerror(static_cast<CURLcode>(code));
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
    return outcome;
}

int Transport::drive(const Exchange& exchange, const std::stop_token& stop) {
    CURLM* multi = multi_.get();
    Added added(multi, easy_.get());
    std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
    for (;;) {
        int running = 0;
        CNET_CHECK(curl_multi_perform(multi, &running) == CURLM_OK);
        int left = 0;
        if (CURLMsg* message = curl_multi_info_read(multi, &left)) return message->data.result;
        int wait = milliseconds_until(exchange.deadline);
        if (stop.stop_requested() || wait == 0) return -1;
        CNET_CHECK(curl_multi_poll(multi, nullptr, 0, wait, nullptr) == CURLM_OK);
    }
}

void Transport::pause(milliseconds time, const std::stop_token& stop) {
    CURLM* multi = multi_.get();
    std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
    auto end = steady_clock::now() + time;
    // A wake-up that an earlier transfer left behind ends one poll, not the pause.
    while (!stop.stop_requested() && milliseconds_until(end) > 0)
        curl_multi_poll(multi, nullptr, 0, milliseconds_until(end), nullptr);
}

} // namespace cnet::etcd
