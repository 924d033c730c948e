// The two streams of a DNS connection on TCP: messages with their length in front.
#pragma once

#include <optional>

#include "userspace/names/message.h"

namespace cnet::names {

class Frames {
public:
    void add(std::span<const uint8_t> bytes);
    // The next whole message.
    std::optional<Bytes> next();
    static Bytes framed(const Bytes& message);

private:
    Bytes bytes_;
};

} // namespace cnet::names
