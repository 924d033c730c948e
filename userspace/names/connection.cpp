#include "userspace/names/connection.h"

namespace cnet::names {
namespace {

constexpr size_t kLengthSize = 2;

} // namespace

void Frames::add(std::span<const uint8_t> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
}

std::optional<Bytes> Frames::next() {
    if (bytes_.size() < kLengthSize) return std::nullopt;
    const size_t end = kLengthSize + (size_t{bytes_[0]} << 8 | bytes_[1]);
    if (bytes_.size() < end) return std::nullopt;
    const auto stop = bytes_.begin() + static_cast<ptrdiff_t>(end);
    Bytes message(bytes_.begin() + kLengthSize, stop);
    bytes_.erase(bytes_.begin(), stop);
    return message;
}

Bytes Frames::framed(const Bytes& message) {
    Bytes out = {static_cast<uint8_t>(message.size() >> 8), static_cast<uint8_t>(message.size())};
    out.insert(out.end(), message.begin(), message.end());
    return out;
}

} // namespace cnet::names
