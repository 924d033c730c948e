#include "userspace/etcd/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace cnet::etcd {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr uint32_t kNone = 64;

constexpr std::array<uint8_t, 256> kValues = [] {
    std::array<uint8_t, 256> values{};
    values.fill(kNone);
    for (size_t i = 0; i < kAlphabet.size(); i++)
        values[static_cast<uint8_t>(kAlphabet[i])] = static_cast<uint8_t>(i);
    return values;
}();

uint32_t value_of(char c) {
    return kValues[static_cast<uint8_t>(c)];
}

Error not_base64() {
    return {ErrorKind::kInvalid, "not base64"};
}

} // namespace

std::string base64_encode(std::string_view bytes) {
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (size_t i = 0; i < bytes.size(); i += 3) {
        size_t length = std::min<size_t>(3, bytes.size() - i);
        uint32_t group = 0;
        for (size_t j = 0; j < 3; j++)
            group = group << 8 | (j < length ? static_cast<uint8_t>(bytes[i + j]) : 0u);
        for (size_t j = 0; j < 4; j++)
            text += j <= length ? kAlphabet[group >> (18 - 6 * j) & 63] : '=';
    }
    return text;
}

Result<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return not_base64();
    std::string bytes;
    bytes.reserve(text.size() / 4 * 3);
    for (size_t i = 0; i < text.size(); i += 4) {
        bool last = i + 4 == text.size();
        size_t padding = last && text[i + 3] == '=' ? (text[i + 2] == '=' ? 2 : 1) : 0;
        uint32_t group = 0;
        for (size_t j = 0; j < 4; j++) {
            uint32_t value = j < 4 - padding ? value_of(text[i + j]) : 0;
            if (value == kNone) return not_base64();
            group = group << 6 | value;
        }
        if ((group & ((1u << 8 * padding) - 1)) != 0) return not_base64();
        for (size_t j = 0; j < 3 - padding; j++)
            bytes += static_cast<char>(group >> (16 - 8 * j) & 0xff);
    }
    return bytes;
}

} // namespace cnet::etcd
