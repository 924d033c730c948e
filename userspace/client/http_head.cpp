#include "userspace/client/http_head.h"

#include <strings.h>

#include <charconv>

namespace cnet::client {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

bool same_word(std::string_view one, std::string_view other) {
    return one.size() == other.size() && strncasecmp(one.data(), other.data(), one.size()) == 0;
}

template <typename T> std::optional<T> parse_number(std::string_view text) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

std::string_view take_line(std::string_view& text) {
    const size_t end = text.find(kLineEnd);
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.npos ? text.size() : end + kLineEnd.size());
    return line;
}

std::string_view without_blanks(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
        text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t'))
        text.remove_suffix(1);
    return text;
}

// "HTTP/1.1 200 OK"
std::optional<long> parse_status(std::string_view line) {
    constexpr std::string_view kVersion = "HTTP/1.";
    constexpr size_t kStatusAt = 9;
    constexpr size_t kStatusDigits = 3;
    if (!line.starts_with(kVersion) || line.size() < kStatusAt + kStatusDigits) return std::nullopt;
    return parse_number<long>(line.substr(kStatusAt, kStatusDigits));
}

} // namespace

std::optional<HttpHead> parse_head(std::string_view text) {
    HttpHead head;
    const auto status = parse_status(take_line(text));
    if (!status) return std::nullopt;
    head.status = *status;
    while (!text.empty()) {
        const std::string_view line = take_line(text);
        const size_t colon = line.find(':');
        if (colon == line.npos) return std::nullopt;
        const std::string_view name = line.substr(0, colon);
        const std::string_view value = without_blanks(line.substr(colon + 1));
        if (same_word(name, "Transfer-Encoding")) {
            if (!same_word(value, "chunked")) return std::nullopt;
            head.chunked = true;
        }
        if (same_word(name, "Connection")) head.keeps_connection = !same_word(value, "close");
        if (!same_word(name, "Content-Length")) continue;
        head.content_length = parse_number<size_t>(value);
        if (!head.content_length) return std::nullopt;
    }
    if (head.ends_with_connection()) head.keeps_connection = false;
    return head;
}

} // namespace cnet::client
