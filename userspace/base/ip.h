// Addresses as the data path keeps them: 16 bytes, IPv4 as ::ffff:a.b.c.d.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "maps/abi.h"
#include "userspace/base/result.h"

namespace cnet {

class IpAddress {
public:
    IpAddress() = default; // ::
    // "10.0.0.1" or "fe80::1"; no brackets, no prefix length, no zone.
    static Result<IpAddress> parse(std::string_view text);
    static IpAddress from_v4(uint32_t host_order);
    static IpAddress from_abi(const cnet_addr& addr);
    // `size` bytes in network order: 4 or 16.
    static Result<IpAddress> from_bytes(const void* bytes, size_t size);

    bool is_v4() const;
    bool is_unspecified() const; // 0.0.0.0 or ::
    bool is_loopback() const;    // 127.0.0.0/8 or ::1
    bool is_multicast() const;
    uint32_t v4_host_order() const; // is_v4() must hold
    cnet_addr to_abi() const;
    std::string to_string() const;
    const std::array<uint8_t, 16>& bytes() const { return bytes_; }

    auto operator<=>(const IpAddress&) const = default;

private:
    std::array<uint8_t, 16> bytes_{};
};

// An address with a prefix length: "10.0.0.2/24". The host bits are kept.
class IpPrefix {
public:
    IpPrefix() = default;
    IpPrefix(IpAddress address, unsigned length) : address_(address), length_(length) {}
    // Needs a length, at most 32 or 128.
    static Result<IpPrefix> parse(std::string_view text);

    const IpAddress& address() const { return address_; }
    unsigned length() const { return length_; } // of the family: 24 for an IPv4 /24
    bool is_v4() const { return address_.is_v4(); }
    IpAddress network() const; // host bits zero
    IpAddress last() const;    // host bits one (IPv4: the broadcast address)
    bool contains(const IpAddress& address) const;
    bool contains(const IpPrefix& other) const;
    bool overlaps(const IpPrefix& other) const;
    std::string to_string() const;

    auto operator<=>(const IpPrefix&) const = default;

private:
    IpAddress address_;
    unsigned length_ = 0;
};

class MacAddress {
public:
    MacAddress() = default;
    explicit MacAddress(const std::array<uint8_t, CNET_MAC_LEN>& bytes) : bytes_(bytes) {}
    static Result<MacAddress> parse(std::string_view text);

    bool is_multicast() const { return bytes_[0] & 1; }
    bool is_zero() const;
    std::string to_string() const;
    const std::array<uint8_t, CNET_MAC_LEN>& bytes() const { return bytes_; }

    auto operator<=>(const MacAddress&) const = default;

private:
    std::array<uint8_t, CNET_MAC_LEN> bytes_{};
};

} // namespace cnet
