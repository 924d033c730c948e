#include "userspace/client/http_body.h"

#include <algorithm>
#include <charconv>

namespace cnet::client {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr size_t kLineLimit = 1024;
constexpr size_t kChunkLimit = size_t{1} << 32;

} // namespace

bool HttpBody::is_whole() const {
    if (head_.chunked) return next_ == Next::kNothing;
    return head_.content_length && body_.size() == *head_.content_length;
}

bool HttpBody::add(std::string_view bytes) {
    if (head_.chunked) return add_chunks(bytes);
    body_ += bytes;
    return !head_.content_length || body_.size() <= *head_.content_length;
}

bool HttpBody::add_chunks(std::string_view bytes) {
    const std::string joined = rest_.empty() ? std::string() : rest_.append(bytes);
    std::string_view text = rest_.empty() ? bytes : std::string_view(joined);
    while (!text.empty()) {
        if (next_ == Next::kNothing) return false;
        const size_t taken = next_ == Next::kData ? take_data(text) : take_size(text);
        if (wrong_) return false;
        if (taken == 0) break;
        text.remove_prefix(taken);
    }
    rest_ = std::string(text);
    return rest_.size() <= kLineLimit;
}

size_t HttpBody::take_size(std::string_view bytes) {
    const size_t end = bytes.find(kLineEnd);
    if (end == bytes.npos) return 0;
    if (next_ == Next::kTrailer) {
        if (end == 0) next_ = Next::kNothing;
        return end + kLineEnd.size();
    }
    // An extension may follow the number.
    size_t size = 0;
    const auto [stop, error] = std::from_chars(bytes.data(), bytes.data() + end, size, 16);
    const bool ends = stop == bytes.data() + end || *stop == ';' || *stop == ' ';
    wrong_ = error != std::errc() || !ends || size > kChunkLimit;
    next_ = size == 0 ? Next::kTrailer : Next::kData;
    left_ = size + kLineEnd.size();
    return end + kLineEnd.size();
}

size_t HttpBody::take_data(std::string_view bytes) {
    if (left_ > kLineEnd.size()) {
        const size_t taken = std::min(bytes.size(), left_ - kLineEnd.size());
        body_ += bytes.substr(0, taken);
        left_ -= taken;
        return taken;
    }
    if (bytes.size() < kLineEnd.size()) return 0;
    wrong_ = !bytes.starts_with(kLineEnd);
    next_ = Next::kSize;
    return kLineEnd.size();
}

} // namespace cnet::client
