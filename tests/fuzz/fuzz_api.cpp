// Requests to the API: bodies, queries, what is encoded in a URL. What is refused can be told in an
// answer, whatever the client put into it.
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <optional>

#include "tests/fuzz/input.h"
#include "userspace/api/explain_request.h"
#include "userspace/api/http.h"
#include "userspace/api/requests.h"

namespace cnet::api {
namespace {

template <typename T> void check(const Result<T>& result) {
    if (result) return;
    CNET_CHECK(!error_response(result.error()).body.empty());
}

std::string percent_encode(std::string_view text) {
    std::string encoded;
    for (const char byte : text) {
        char digits[4];
        std::snprintf(digits, sizeof(digits), "%%%02x", static_cast<unsigned char>(byte));
        encoded += digits;
    }
    return encoded;
}

void check_decoding(std::string_view text) {
    const auto decoded = percent_decode(text);
    if (!decoded) return;
    CNET_CHECK(decoded->find('\0') == decoded->npos && decoded->size() <= text.size());
    CNET_CHECK(percent_decode(percent_encode(*decoded)) == decoded);
    CNET_CHECK(text.find('%') != text.npos || *decoded == text);
}

// "proto=tcp&dport=80", as the routes have it.
void check_query(std::string_view text) {
    std::map<std::string, std::string> query;
    while (!text.empty()) {
        const std::string_view part = text.substr(0, text.find('&'));
        text.remove_prefix(std::min(part.size() + 1, text.size()));
        const size_t equals = std::min(part.find('='), part.size());
        const auto value = percent_decode(part.substr(std::min(equals + 1, part.size())));
        if (value) query[std::string(part.substr(0, equals))] = *value;
    }
    check(parse_ct_filter(query));
}

void check_hex(std::string_view text) {
    const auto bytes = parse_hex(text);
    if (!bytes) return check(bytes);
    std::string again;
    for (const uint8_t byte : *bytes) {
        char digits[3];
        std::snprintf(digits, sizeof(digits), "%02x", byte);
        again += digits;
    }
    CNET_CHECK(
        std::ranges::equal(again, text, {}, {}, [](unsigned char c) { return std::tolower(c); }));
}

void check_explain(std::string_view text) {
    const auto request = parse_explain_request(text);
    if (!request) return check(request);
    CNET_CHECK(request->from.empty() != request->in.empty());
    if (!request->frame.empty()) return check_hex(request->frame);
    if (!request->src || !request->dst) return;
    FrameSpec spec = request->spec;
    spec.src = *request->src;
    spec.dst = *request->dst;
    const auto frame = make_frame(spec);
    if (!frame) return check(frame);
    CNET_CHECK(frame->size() >= 14u + spec.size || spec.protocol == "arp");
}

void check_nothing(std::string_view text) {
    const Status status = parse_nothing(text);
    check(status);
    CNET_CHECK(!status || text.find_first_not_of(" \t\r\n{}") == text.npos);
}

using Check = void (*)(std::string_view);

constexpr Check kChecks[] = {
    [](std::string_view body) { check(parse_network_spec(body)); },
    [](std::string_view body) { check(parse_network_patch(body)); },
    [](std::string_view body) { check(parse_endpoint_spec(body)); },
    [](std::string_view body) { check(parse_port_request(body)); },
    [](std::string_view body) { check(parse_port_publication(body)); },
    [](std::string_view body) { check(parse_port_patch(body)); },
    [](std::string_view body) { check(parse_fdb_addition(body)); },
    [](std::string_view body) { check(parse_fdb_deletion(body)); },
    [](std::string_view body) { check(parse_peer_request(body)); },
    [](std::string_view body) { check(parse_adopt_spec(body)); },
    [](std::string_view body) { check(parse_ct_filter(body)); },
    [](std::string_view body) { check(parse_uplink_patch(body)); },
    [](std::string_view body) { check(parse_single(body, "name")); },
    check_nothing,
    check_query,
    check_decoding,
    check_explain,
    check_hex,
};

} // namespace
} // namespace cnet::api

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const cnet::fuzz::Input input(data, size, std::size(cnet::api::kChecks));
    cnet::api::kChecks[input.way](input.text);
    return 0;
}
