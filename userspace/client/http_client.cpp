#include "userspace/client/http_client.h"

#include <curl/curl.h>
#include <sys/un.h>

namespace cnet::client {
namespace {

size_t append(char* data, size_t size, size_t count, void* body) {
    static_cast<std::string*>(body)->append(data, size * count);
    return size * count;
}

struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, FreeList>;

Headers json_headers() {
    Headers headers(curl_slist_append(nullptr, "Content-Type: application/json"));
    // Without this curl waits for "100 Continue" before it sends a long body.
    if (headers) curl_slist_append(headers.get(), "Expect:");
    return headers;
}

} // namespace

void HttpClient::Close::operator()(void* handle) const {
    curl_easy_cleanup(handle);
}

Result<HttpClient> HttpClient::open(const std::filesystem::path& socket) {
    if (socket.native().size() >= sizeof(sockaddr_un{}.sun_path)) {
        return Error(ErrorKind::kInvalid, "the socket's path " + socket.native() +
                                              " is longer than a path of a unix "
                                              "socket may be");
    }
    // No TLS on a unix socket: making it ready takes longer than most requests.
    curl_global_init(CURL_GLOBAL_NOTHING);
    std::unique_ptr<void, Close> handle(curl_easy_init());
    if (!handle) return Error(ErrorKind::kSystem, "libcurl does not start");
    HttpClient client(std::move(handle), socket);
    if (auto status = client.set_up(); !status) return status.error();
    return client;
}

Status HttpClient::set_up() {
    CURL* curl = handle_.get();
    bool ok = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket_.c_str()) == CURLE_OK &&
              // A proxy from the environment has no business here.
              curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http") == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_TIMEOUT, kTimeoutSeconds) == CURLE_OK &&
              // Names such as ".." are the daemon's to judge, not libcurl's to resolve.
              curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
              curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append) == CURLE_OK;
    if (!ok) return Error(ErrorKind::kSystem, "libcurl lacks HTTP on unix sockets");
    return {};
}

Result<HttpResponse> HttpClient::request(const std::string& method, const std::string& target,
                                         const std::string& body) {
    CURL* curl = handle_.get();
    HttpResponse response;
    std::string url = "http://localhost" + target;
    Headers headers = json_headers();
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &response.body);
    if (body.empty()) {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);
    } else {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.c_str());
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
    }
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, method.c_str());

    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) return no_answer(code);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &response.status);
    return response;
}

Error HttpClient::no_answer(int curl_code) const {
    auto code = static_cast<CURLcode>(curl_code);
    long os_error = 0;
    curl_easy_getinfo(handle_.get(), CURLINFO_OS_ERRNO, &os_error);
    std::string socket = socket_.native();
    if (code == CURLE_COULDNT_CONNECT && os_error != 0) {
        return Error::system("cannot connect to " + socket, static_cast<int>(os_error));
    }
    if (code == CURLE_OPERATION_TIMEDOUT) {
        return {ErrorKind::kSystem,
                "no answer on " + socket + " within " + std::to_string(kTimeoutSeconds) + " s",
                ETIMEDOUT};
    }
    return {ErrorKind::kSystem, "no whole answer on " + socket + ": " + curl_easy_strerror(code)};
}

} // namespace cnet::client
