// Writing pcapng, the file format of Wireshark and tcpdump: unlike pcap it says of each packet the
// device and the direction, and has room for a comment. Of the format,
// draft-ietf-opsawg-pcapng, the section header, interface description and enhanced packet blocks.
#pragma once

#include <cstdint>
#include <map>
#include <ostream>
#include <span>
#include <string>
#include <string_view>

namespace cnet::cli {

enum class Direction : uint32_t { kInbound = 1, kOutbound = 2 }; // into the host, out of it
enum class LinkType : uint16_t { kEthernet = 1, kRawIp = 101 };

struct CapturedPacket {
    std::string device;
    std::string about; // the device, for people; taken from its first packet
    LinkType link_type = LinkType::kEthernet;
    Direction direction = Direction::kInbound;
    uint64_t wall_ns = 0;     // since 1970
    uint32_t frame_bytes = 0; // as long as it was
    std::span<const uint8_t> bytes;
    std::string comment;
};

class PcapngWriter {
public:
    // `out` outlives the writer; its state says whether writing went well.
    explicit PcapngWriter(std::ostream& out);

    void write(const CapturedPacket& packet);

private:
    uint32_t interface_of(const CapturedPacket& packet);
    void write_block(uint32_t type, std::string_view body);

    std::ostream& out_;
    std::map<std::pair<std::string, LinkType>, uint32_t> interfaces_;
};

} // namespace cnet::cli
