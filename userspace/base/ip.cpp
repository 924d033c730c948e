#include "userspace/base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace cnet {
namespace {

constexpr std::array<uint8_t, 12> kV4Prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kV4Bits = 96; // what an IPv4 prefix length lacks to that of the 16-byte form

// User input may hold anything; an error message must not.
std::string quoted(std::string_view text) {
    constexpr size_t kLongest = 64;
    std::string out = "\"";
    for (const char c : text.substr(0, kLongest))
        out += c >= ' ' && c <= '~' ? c : '?';
    if (text.size() > kLongest) out += "...";
    return out + '"';
}

Error invalid(std::string_view text, std::string_view why) {
    return {ErrorKind::kInvalid, quoted(text) + " " + std::string(why)};
}

// Decimal digits alone, no sign, no leading zero.
std::optional<unsigned> parse_length(std::string_view text) {
    if (text.empty() || text.size() > 3 || (text.size() > 1 && text[0] == '0')) return std::nullopt;
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return value;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// `address` with every bit after the first `bits` of the 16-byte form cleared, or set.
IpAddress fill_after(const IpAddress& address, unsigned bits, bool ones) {
    CNET_CHECK(bits <= 128);
    auto bytes = address.bytes();
    for (unsigned i = bits / 8; i < bytes.size(); ++i) {
        const unsigned kept = i == bits / 8 ? bits % 8 : 0;
        const auto host_mask = static_cast<uint8_t>(0xffu >> kept);
        bytes[i] = static_cast<uint8_t>(ones ? bytes[i] | host_mask : bytes[i] & ~host_mask);
    }
    auto filled = IpAddress::from_bytes(bytes.data(), bytes.size());
    CNET_CHECK(filled);
    return *filled;
}

unsigned bits_of(const IpPrefix& prefix) {
    return prefix.is_v4() ? kV4Bits + prefix.length() : prefix.length();
}

} // namespace

Result<IpAddress> IpAddress::parse(std::string_view text) {
    // inet_pton() stops at a NUL: "10.0.0.1\0junk" would pass.
    if (text.find('\0') != std::string_view::npos) return invalid(text, "is not an IP address");
    const std::string terminated(text);
    std::array<uint8_t, 16> bytes{};
    if (inet_pton(AF_INET, terminated.c_str(), bytes.data()) == 1)
        return from_bytes(bytes.data(), 4);
    if (inet_pton(AF_INET6, terminated.c_str(), bytes.data()) != 1)
        return invalid(text, "is not an IP address");
    auto address = *from_bytes(bytes.data(), bytes.size());
    // It would become an IPv4 address here, with another meaning of a prefix length behind it.
    if (address.is_v4())
        return invalid(text, "is an IPv4-mapped address: write " + address.to_string());
    return address;
}

IpAddress IpAddress::from_v4(uint32_t host_order) {
    const uint32_t network_order = htonl(host_order);
    return *from_bytes(&network_order, sizeof(network_order));
}

IpAddress IpAddress::from_abi(const cnet_addr& addr) {
    return *from_bytes(addr.bytes, sizeof(addr.bytes));
}

Result<IpAddress> IpAddress::from_bytes(const void* bytes, size_t size) {
    IpAddress address;
    if (size == 16) {
        std::memcpy(address.bytes_.data(), bytes, 16);
    } else if (size == 4) {
        std::ranges::copy(kV4Prefix, address.bytes_.begin());
        std::memcpy(address.bytes_.data() + kV4Prefix.size(), bytes, 4);
    } else {
        return Error(ErrorKind::kInvalid,
                     "an IP address has 4 or 16 bytes, not " + std::to_string(size));
    }
    return address;
}

bool IpAddress::is_v4() const {
    return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes_.begin());
}

bool IpAddress::is_unspecified() const {
    return is_v4() ? v4_host_order() == 0 : *this == IpAddress();
}

bool IpAddress::is_loopback() const {
    if (is_v4()) return bytes_[12] == 127;
    return std::all_of(bytes_.begin(), bytes_.end() - 1, [](uint8_t byte) { return byte == 0; }) &&
           bytes_.back() == 1;
}

bool IpAddress::is_multicast() const {
    return is_v4() ? (bytes_[12] & 0xf0) == 0xe0 : bytes_[0] == 0xff;
}

uint32_t IpAddress::v4_host_order() const {
    CNET_CHECK(is_v4());
    uint32_t network_order = 0;
    std::memcpy(&network_order, bytes_.data() + kV4Prefix.size(), sizeof(network_order));
    return ntohl(network_order);
}

cnet_addr IpAddress::to_abi() const {
    cnet_addr addr{};
    std::memcpy(addr.bytes, bytes_.data(), sizeof(addr.bytes));
    return addr;
}

std::string IpAddress::to_string() const {
    char text[INET6_ADDRSTRLEN];
    const char* written =
        is_v4() ? inet_ntop(AF_INET, bytes_.data() + kV4Prefix.size(), text, sizeof(text))
                : inet_ntop(AF_INET6, bytes_.data(), text, sizeof(text));
    CNET_CHECK(written);
    return written;
}

Result<IpPrefix> IpPrefix::parse(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos)
        return invalid(text, "has no prefix length: write ADDRESS/LENGTH");
    auto address = IpAddress::parse(text.substr(0, slash));
    if (!address) return address.error();
    const auto length = parse_length(text.substr(slash + 1));
    const unsigned longest = address->is_v4() ? 32 : 128;
    if (!length || *length > longest)
        return invalid(text, "has no prefix length from 0 to " + std::to_string(longest));
    return IpPrefix(*address, *length);
}

IpAddress IpPrefix::network() const {
    return fill_after(address_, bits_of(*this), false);
}

IpAddress IpPrefix::last() const {
    return fill_after(address_, bits_of(*this), true);
}

bool IpPrefix::contains(const IpAddress& address) const {
    return address.is_v4() == is_v4() && fill_after(address, bits_of(*this), false) == network();
}

bool IpPrefix::contains(const IpPrefix& other) const {
    return other.length() >= length() && contains(other.address());
}

bool IpPrefix::overlaps(const IpPrefix& other) const {
    return contains(other) || other.contains(*this);
}

std::string IpPrefix::to_string() const {
    return address_.to_string() + "/" + std::to_string(length_);
}

Result<MacAddress> MacAddress::parse(std::string_view text) {
    std::array<uint8_t, CNET_MAC_LEN> bytes{};
    bool good = text.size() == CNET_MAC_LEN * 3 - 1;
    for (size_t i = 0; good && i < bytes.size(); ++i) {
        const int high = hex_digit(text[3 * i]);
        const int low = hex_digit(text[3 * i + 1]);
        good = high >= 0 && low >= 0 && (i + 1 == bytes.size() || text[3 * i + 2] == ':');
        bytes[i] = static_cast<uint8_t>(high << 4 | low);
    }
    if (!good) return invalid(text, "is not a MAC address: write six pairs like 02:00:00:00:00:01");
    return MacAddress(bytes);
}

bool MacAddress::is_zero() const {
    return *this == MacAddress();
}

std::string MacAddress::to_string() const {
    char text[CNET_MAC_LEN * 3];
    std::snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", bytes_[0], bytes_[1],
                  bytes_[2], bytes_[3], bytes_[4], bytes_[5]);
    return text;
}

} // namespace cnet
