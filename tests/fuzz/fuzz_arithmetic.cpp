// What the data path computes, against the same done the slow and simple way.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "maps/abi.h"
#include "tests/fuzz/arithmetic.h"
#include "tests/fuzz/headers.h"
#include "tests/fuzz/input.h"

namespace cnet {
namespace {

// Takes numbers off the input; 0 once it is empty.
class Numbers {
public:
    Numbers(const uint8_t* data, size_t size) : data_(data), size_(size) {}

    template <typename T> T next() {
        T value = 0;
        const size_t bytes = std::min(sizeof(T), size_);
        if (bytes) std::memcpy(&value, data_, bytes);
        data_ += bytes;
        size_ -= bytes;
        return value;
    }
    bool empty() const { return size_ == 0; }

private:
    const uint8_t* data_;
    size_t size_;
};

// RFC 1071, as it is told there.
uint16_t slow_fold(uint64_t sum) {
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<uint16_t>(sum);
}

uint16_t sum_of(const uint8_t* bytes, size_t size) {
    uint64_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2)
        sum += static_cast<uint64_t>(bytes[i] << 8 | bytes[i + 1]);
    return slow_fold(sum);
}

uint16_t sum_of(const std::vector<uint32_t>& words) {
    return sum_of(reinterpret_cast<const uint8_t*>(words.data()), words.size() * 4);
}

uint16_t swapped(uint16_t number) {
    return static_cast<uint16_t>(number << 8 | number >> 8);
}

// Words of a header change, some of them several times: whoever adds up the header and its checksum
// finds it right.
void check_checksum(Numbers numbers) {
    const auto any = numbers.next<uint64_t>();
    CNET_CHECK(checksum_fold(any) == slow_fold(any));
    std::vector<uint32_t> words = {0x45}; // never all zero, as no header is
    for (size_t count = numbers.next<uint8_t>() % 16; count > 0; count--)
        words.push_back(numbers.next<uint32_t>());
    uint16_t check_be = swapped(static_cast<uint16_t>(~sum_of(words)));
    uint64_t difference = 0;
    while (!numbers.empty() && words.size() > 1) {
        uint32_t& word = words[1 + numbers.next<uint8_t>() % (words.size() - 1)];
        const auto becomes = numbers.next<uint32_t>();
        difference += checksum_replace(word, becomes);
        word = becomes;
        if (becomes % 2) continue; // the next one goes into the same sum
        check_be = checksum_update(check_be, difference);
        difference = 0;
        CNET_CHECK(slow_fold(uint64_t{sum_of(words)} + swapped(check_be)) == 0xffff);
    }
}

constexpr std::array<uint32_t, 256> crc_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t byte = 0; byte < 256; byte++) {
        table[byte] = byte;
        for (int bit = 0; bit < 8; bit++)
            table[byte] = table[byte] >> 1 ^ (table[byte] & 1 ? 0x82f63b78u : 0);
    }
    return table;
}

// Byte by byte, without the inversions at its beginning and end.
uint32_t slow_crc(uint32_t state, const uint8_t* bytes, size_t size) {
    static constexpr std::array<uint32_t, 256> kTable = crc_table();
    for (size_t i = 0; i < size; i++)
        state = state >> 8 ^ kTable[(state ^ bytes[i]) & 0xff];
    return state;
}

// Four bytes of a message change: by as much does its CRC32c, whatever else is in it, and however
// long it is.
void check_crc(Numbers numbers) {
    const auto zeroes = numbers.next<uint16_t>();
    const auto changes = numbers.next<uint32_t>();
    std::vector<uint8_t> message;
    while (!numbers.empty())
        message.push_back(numbers.next<uint8_t>());
    if (message.size() >= 4) {
        const uint32_t before = ~slow_crc(~0u, message.data(), message.size());
        uint32_t first = 0;
        std::memcpy(&first, message.data(), sizeof(first));
        first ^= changes;
        std::memcpy(message.data(), &first, sizeof(first));
        const uint32_t after = ~slow_crc(~0u, message.data(), message.size());
        const auto rest = static_cast<uint32_t>(message.size() - 4);
        CNET_CHECK((before ^ after) == crc_difference(changes, rest));
    }
    std::vector<uint8_t> sparse(4 + size_t{zeroes});
    std::memcpy(sparse.data(), &changes, sizeof(changes));
    CNET_CHECK(slow_crc(0, sparse.data(), sparse.size()) == crc_difference(changes, zeroes));
}

// A bucket that is filled drop by drop.
struct SlowBucket {
    uint64_t credit_ns, filled_at_ns;

    bool take(const bucket& real, uint64_t now_ns) {
        credit_ns = std::min(real.capacity_ns, credit_ns + (now_ns - filled_at_ns));
        filled_at_ns = now_ns;
        if (credit_ns < real.interval_ns) return false;
        credit_ns -= real.interval_ns;
        return true;
    }
};

void check_bucket(Numbers numbers) {
    const uint64_t interval_ns = uint64_t{numbers.next<uint32_t>()} + 1;
    const uint64_t burst = numbers.next<uint8_t>();
    uint64_t now_ns = numbers.next<uint32_t>();
    bucket real = {0, interval_ns, interval_ns * burst};
    SlowBucket slow = {real.capacity_ns, now_ns};
    while (!numbers.empty()) {
        // Now and then at the same moment, or about when a token comes back.
        const auto step = numbers.next<uint16_t>();
        const uint64_t passes = step % 4 == 0 ? 0 : interval_ns * (step >> 2 & 7) / 4 + (step >> 5);
        const bool was_there = bucket_has_token(&real, now_ns);
        now_ns += passes;
        CNET_CHECK(!was_there || bucket_has_token(&real, now_ns)); // it does not go by waiting
        const bool there = bucket_has_token(&real, now_ns);
        const uint64_t before = real.full_at_ns;
        const bool taken = bucket_take(&real, now_ns);
        CNET_CHECK(taken == there && taken == slow.take(real, now_ns));
        CNET_CHECK(taken || real.full_at_ns == before);
    }
}

void make_address(Numbers& numbers, bool v6, uint8_t* to) {
    for (size_t i = 0; i < 16; i++)
        to[i] = v6 || i > 11 ? numbers.next<uint8_t>() : i > 9 ? 0xff : 0;
    if (v6) to[0] = 0xfd; // no IPv4 address in other words
}

// The outer headers as the data path itself reads them at the other end.
void check_tunnel(Numbers numbers) {
    tunnel made = {};
    made.v6 = numbers.next<uint8_t>() % 2;
    make_address(numbers, made.v6, made.src);
    make_address(numbers, made.v6, made.dst);
    const auto hash = numbers.next<uint32_t>();
    made.src_port = tunnel_source_port(hash);
    made.dst_port = numbers.next<uint16_t>();
    made.vni = numbers.next<uint32_t>() & 0xffffff;
    made.ecn = numbers.next<uint8_t>() & 3;
    const size_t inner_bytes = 14 + numbers.next<uint16_t>() % 2000;
    const uint64_t share = hash ^ hash << 16; // of the whole range of ports
    CNET_CHECK(made.src_port ==
               CNET_VXLAN_PORT_MIN + static_cast<uint32_t>(share) *
                                         (CNET_VXLAN_PORT_MAX - uint64_t{CNET_VXLAN_PORT_MIN}) /
                                         0x100000000);

    std::vector<uint8_t> frame(14 + 128 + inner_bytes);
    frame[12] = made.v6 ? 0x86 : 0x08;
    frame[13] = made.v6 ? 0xdd : 0x00;
    const size_t head_bytes = tunnel_head(&made, inner_bytes, frame.data() + 14);
    frame.resize(14 + head_bytes + inner_bytes);
    const parsed seen = parse_headers(frame.data(), frame.size(), true);
    CNET_CHECK(seen.ok && seen.v6 == made.v6 && seen.has_tuple && seen.l4_proto == 17);
    CNET_CHECK(std::equal(made.src, made.src + 16, seen.src));
    CNET_CHECK(std::equal(made.dst, made.dst + 16, seen.dst));
    CNET_CHECK(seen.ip_bytes == head_bytes + inner_bytes);

    const uint8_t* ip = frame.data() + 14;
    const uint8_t* udp = frame.data() + seen.l4_off;
    CNET_CHECK((traffic_class(ip) & 3) == made.ecn);
    CNET_CHECK(made.v6 || sum_of(ip, 20) == 0xffff);
    CNET_CHECK((udp[0] << 8 | udp[1]) == made.src_port && (udp[2] << 8 | udp[3]) == made.dst_port);
    CNET_CHECK(static_cast<size_t>(udp[4] << 8 | udp[5]) == 16 + inner_bytes);
    uint32_t vni = 0;
    CNET_CHECK(read_vxlan(udp + 8, &vni) && vni == made.vni);
}

void check_vxlan(Numbers numbers) {
    std::array<uint8_t, 8> header{};
    for (uint8_t& byte : header)
        byte = numbers.next<uint8_t>();
    const bool plain = header[0] == 8 && !header[1] && !header[2] && !header[3] && !header[7];
    uint32_t vni = 0;
    CNET_CHECK(read_vxlan(header.data(), &vni) == plain);
    CNET_CHECK(!plain ||
               vni == static_cast<uint32_t>(header[4] << 16 | header[5] << 8 | header[6]));
    const uint16_t word = static_cast<uint16_t>(header[0] << 8 | header[1]);
    const bool v4 = word >> 12 == 4;
    CNET_CHECK(traffic_class(header.data()) == (v4 ? header[1] : (word >> 4 & 0xff)));
}

} // namespace
} // namespace cnet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size == 0) return 0;
    const cnet::Numbers numbers(data + 1, size - 1);
    if (data[0] % 5 == 0) cnet::check_checksum(numbers);
    if (data[0] % 5 == 1) cnet::check_crc(numbers);
    if (data[0] % 5 == 2) cnet::check_bucket(numbers);
    if (data[0] % 5 == 3) cnet::check_tunnel(numbers);
    if (data[0] % 5 == 4) cnet::check_vxlan(numbers);
    return 0;
}
