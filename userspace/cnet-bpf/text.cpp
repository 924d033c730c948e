#include "userspace/cnet-bpf/text.h"

#include <charconv>
#include <cstdio>

namespace cnet::cli {
namespace {

struct CodePoint {
    uint32_t value = 0;
    size_t bytes = 0; // 0: no valid UTF-8 here
};

size_t sequence_length(unsigned char first) {
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first < 0xe0) return 2;
    if (first >= 0xe0 && first < 0xf0) return 3;
    if (first >= 0xf0 && first < 0xf5) return 4;
    return 0;
}

CodePoint decode(std::string_view text) {
    auto first = static_cast<unsigned char>(text[0]);
    size_t length = sequence_length(first);
    if (length == 0 || length > text.size()) return {};
    if (length == 1) return {first, 1};
    uint32_t value = first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        auto next = static_cast<unsigned char>(text[i]);
        if ((next & 0xc0) != 0x80) return {};
        value = value << 6 | (next & 0x3fu);
    }
    bool overlong = (length == 3 && value < 0x800) || (length == 4 && value < 0x10000);
    bool surrogate = value >= 0xd800 && value < 0xe000;
    if (overlong || surrogate || value > 0x10ffff) return {};
    return {value, length};
}

// What changes more than the cell it stands in: C0 and C1 controls, line separators, text
// direction.
bool steers_terminal(uint32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

std::string escape(const char* format, unsigned value) {
    char buffer[16];
    std::snprintf(buffer, sizeof buffer, format, value);
    return buffer;
}

} // namespace

std::string printable(std::string_view text) {
    std::string result;
    while (!text.empty()) {
        CodePoint c = decode(text);
        if (c.bytes == 0) {
            result += escape("\\x%02x", static_cast<unsigned char>(text[0]));
            text.remove_prefix(1);
            continue;
        }
        if (!steers_terminal(c.value)) {
            result += text.substr(0, c.bytes);
        } else {
            result += escape(c.value < 0x80 ? "\\x%02x" : "\\u%04x", c.value);
        }
        text.remove_prefix(c.bytes);
    }
    return result;
}

size_t display_width(std::string_view text) {
    size_t width = 0;
    for (char c : text) {
        if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) width++;
    }
    return width;
}

std::string clip(std::string_view text, size_t width) {
    if (display_width(text) <= width) return std::string(text);
    if (width == 0) return {};
    size_t columns = 0;
    size_t end = 0;
    while (end < text.size()) {
        if ((static_cast<unsigned char>(text[end]) & 0xc0) != 0x80 && columns++ == width - 1) break;
        end++;
    }
    return std::string(text.substr(0, end)) + "…";
}

std::string human_seconds(uint64_t seconds) {
    constexpr uint64_t kMinute = 60, kHour = 60 * kMinute, kDay = 24 * kHour;
    auto two = [](uint64_t large, const char* unit, uint64_t small, const char* small_unit) {
        std::string text = std::to_string(large) + unit;
        return small ? text + std::to_string(small) + small_unit : text;
    };
    if (seconds >= kDay) return two(seconds / kDay, "d", seconds % kDay / kHour, "h");
    if (seconds >= kHour) return two(seconds / kHour, "h", seconds % kHour / kMinute, "m");
    if (seconds >= kMinute) return two(seconds / kMinute, "m", seconds % kMinute, "s");
    return std::to_string(seconds) + "s";
}

std::string human_bytes(uint64_t bytes) {
    if (bytes < 1024) return std::to_string(bytes) + "B";
    static constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    auto value = static_cast<double>(bytes) / 1024;
    size_t unit = 0;
    while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
        value /= 1024;
        unit++;
    }
    char buffer[32];
    std::snprintf(buffer, sizeof buffer, value < 9.95 ? "%.1f%s" : "%.0f%s", value, kUnits[unit]);
    return buffer;
}

std::optional<uint64_t> parse_number(std::string_view text) {
    uint64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return {};
    return value;
}

std::string url_encode(std::string_view text) {
    std::string result;
    for (char c : text) {
        bool unreserved = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                          (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == '~';
        if (unreserved) {
            result += c;
        } else {
            result += escape("%%%02X", static_cast<unsigned char>(c));
        }
    }
    return result;
}

} // namespace cnet::cli
