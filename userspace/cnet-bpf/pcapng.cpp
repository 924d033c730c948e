#include "userspace/cnet-bpf/pcapng.h"

#include <algorithm>
#include <limits>

namespace cnet::cli {
namespace {

enum Block : uint32_t { kSection = 0x0a0d0d0a, kInterface = 1, kEnhancedPacket = 6 };
// An option's number means something else in each block, but for the first two.
enum Option : uint16_t {
    kEnd = 0,
    kComment = 1,
    kInterfaceName = 2,
    kInterfaceAbout = 3,
    kInterfaceTimeUnit = 9,
    kPacketFlags = 2,
    kSectionApplication = 4,
};
constexpr uint32_t kByteOrder = 0x1a2b3c4d; // numbers are in the writer's own
constexpr uint8_t kNanoseconds = 9;         // the time unit as a negative power of ten

template <typename Number> void put(std::string& body, Number number) {
    body.append(reinterpret_cast<const char*>(&number), sizeof(number));
}

// Everything begins at a multiple of four.
void put_padded(std::string& body, std::string_view bytes) {
    body.append(bytes).append((4 - bytes.size() % 4) % 4, '\0');
}

void put_option(std::string& body, Option option, std::string_view value) {
    value = value.substr(0, std::numeric_limits<uint16_t>::max());
    put(body, uint16_t{option});
    put(body, static_cast<uint16_t>(value.size()));
    put_padded(body, value);
}

template <typename Number> void put_option_number(std::string& body, Option option, Number number) {
    put_option(body, option, {reinterpret_cast<const char*>(&number), sizeof(number)});
}

void end_options(std::string& body) {
    put_option(body, kEnd, {});
}

} // namespace

PcapngWriter::PcapngWriter(std::ostream& out) : out_(out) {
    std::string body;
    put(body, kByteOrder);
    put(body, uint16_t{1}); // version 1.0
    put(body, uint16_t{0});
    put(body, std::numeric_limits<uint64_t>::max()); // of a length that nobody knows yet
    put_option(body, kSectionApplication, "cnet-bpf");
    end_options(body);
    write_block(kSection, body);
}

void PcapngWriter::write_block(uint32_t type, std::string_view body) {
    const auto length = static_cast<uint32_t>(body.size() + 3 * sizeof(uint32_t));
    std::string block;
    put(block, type);
    put(block, length);
    block.append(body);
    put(block, length);
    out_.write(block.data(), static_cast<std::streamsize>(block.size()));
}

uint32_t PcapngWriter::interface_of(const CapturedPacket& packet) {
    const auto next = static_cast<uint32_t>(interfaces_.size());
    auto [known, is_new] = interfaces_.try_emplace({packet.device, packet.link_type}, next);
    if (!is_new) return known->second;
    std::string body;
    put(body, static_cast<uint16_t>(packet.link_type));
    put(body, uint16_t{0}); // reserved
    put(body, uint32_t{0}); // cut at no certain length
    put_option(body, kInterfaceName, packet.device);
    if (!packet.about.empty()) put_option(body, kInterfaceAbout, packet.about);
    put_option_number(body, kInterfaceTimeUnit, kNanoseconds);
    end_options(body);
    write_block(kInterface, body);
    return next;
}

void PcapngWriter::write(const CapturedPacket& packet) {
    const auto captured = static_cast<uint32_t>(packet.bytes.size());
    std::string body;
    put(body, interface_of(packet));
    put(body, static_cast<uint32_t>(packet.wall_ns >> 32));
    put(body, static_cast<uint32_t>(packet.wall_ns));
    put(body, captured);
    put(body, std::max(packet.frame_bytes, captured));
    put_padded(body, {reinterpret_cast<const char*>(packet.bytes.data()), captured});
    put_option(body, kComment, packet.comment);
    put_option_number(body, kPacketFlags, static_cast<uint32_t>(packet.direction));
    end_options(body);
    write_block(kEnhancedPacket, body);
}

} // namespace cnet::cli
