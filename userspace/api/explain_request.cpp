#include "userspace/api/explain_request.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "userspace/api/json.h"

namespace cnet::api {
namespace {

constexpr size_t kFrameMin = 14, kFrameMax = 9216;

} // namespace

Result<ExplainRequest> parse_explain_request(std::string_view body) {
    auto object = parse_object(body);
    if (!object) return object.error();
    ObjectReader reader(*object);
    ExplainRequest request;
    uint16_t ttl = request.spec.ttl;
    reader.read("from", request.from);
    reader.read("in", request.in);
    reader.read("frame", request.frame);
    reader.read("protocol", request.spec.protocol);
    reader.read_optional("src", request.src);
    reader.read_optional("dst", request.dst);
    reader.read_optional("dst_mac", request.dst_mac);
    request.spec.src_port = 40000;
    reader.read("src_port", request.spec.src_port);
    reader.read("dst_port", request.spec.dst_port);
    reader.read("flags", request.spec.flags);
    reader.read("size", request.spec.size);
    reader.read("ttl", ttl);
    if (Status status = reader.finish(); !status) return status.error();
    if (request.from.empty() == request.in.empty())
        return Error(ErrorKind::kInvalid, "give either from or in");
    if (request.frame.empty() && request.spec.protocol.empty())
        return Error(ErrorKind::kInvalid, "protocol is missing");
    if (ttl > 255) return Error(ErrorKind::kInvalid, "ttl must be at most 255");
    if (request.spec.size > kFrameMax - 100)
        return Error(ErrorKind::kInvalid, "size must be at most 9116");
    request.spec.ttl = static_cast<uint8_t>(ttl);
    return request;
}

Result<std::vector<uint8_t>> parse_hex(std::string_view text) {
    std::vector<uint8_t> bytes(text.size() / 2);
    if (text.size() % 2 || bytes.size() < kFrameMin || bytes.size() > kFrameMax)
        return Error(ErrorKind::kInvalid, "frame must be 14 to 9216 bytes in hexadecimal");
    for (size_t i = 0; i < bytes.size(); i++) {
        const char* at = text.data() + i * 2;
        auto [end, fault] = std::from_chars(at, at + 2, bytes[i], 16);
        if (fault != std::errc() || end != at + 2)
            return Error(ErrorKind::kInvalid, "frame must be 14 to 9216 bytes in hexadecimal");
    }
    return bytes;
}

} // namespace cnet::api
