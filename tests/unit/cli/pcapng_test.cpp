#include "userspace/cnet-bpf/pcapng.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <memory>
#include <sstream>
#include <vector>

namespace cnet::cli {
namespace {

const std::vector<uint8_t> kFrame = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 6, 0xaa};

CapturedPacket packet(const std::string& device) {
    CapturedPacket packet;
    packet.device = device;
    packet.wall_ns = 1795308545'232994354;
    packet.frame_bytes = 1514;
    packet.bytes = kFrame;
    packet.comment = "endpoint  drop";
    return packet;
}

uint32_t number_at(const std::string& file, size_t at) {
    uint32_t number = 0;
    file.copy(reinterpret_cast<char*>(&number), sizeof(number), at);
    return number;
}

// Types of the blocks, by a walk from length to length.
std::vector<uint32_t> blocks(const std::string& file) {
    std::vector<uint32_t> types;
    for (size_t at = 0; at < file.size();) {
        types.push_back(number_at(file, at));
        const uint32_t length = number_at(file, at + 4);
        EXPECT_EQ(length % 4, 0u);
        if (length < 12 || at + length > file.size()) {
            ADD_FAILURE() << "a block of " << length << " bytes at " << at;
            break;
        }
        EXPECT_EQ(number_at(file, at + length - 4), length);
        at += length;
    }
    return types;
}

TEST(Pcapng, OneInterfaceForEachDevice) {
    std::ostringstream out;
    PcapngWriter writer(out);
    writer.write(packet("cnet1"));
    writer.write(packet("cnet2"));
    writer.write(packet("cnet1"));
    EXPECT_EQ(blocks(out.str()), (std::vector<uint32_t>{0x0a0d0d0a, 1, 6, 1, 6, 6}));
    EXPECT_NE(out.str().find("cnet2"), std::string::npos);
}

TEST(Pcapng, LibpcapReadsIt) {
    std::ostringstream out;
    PcapngWriter(out).write(packet("cnet1"));
    const std::string bytes = out.str();
    FILE* file = fmemopen(const_cast<char*>(bytes.data()), bytes.size(), "rb");
    ASSERT_TRUE(file);
    char fault[PCAP_ERRBUF_SIZE] = "";
    const std::unique_ptr<pcap_t, void (*)(pcap_t*)> reader(
        pcap_fopen_offline_with_tstamp_precision(file, PCAP_TSTAMP_PRECISION_NANO, fault),
        pcap_close);
    ASSERT_TRUE(reader) << fault;
    EXPECT_EQ(pcap_datalink(reader.get()), DLT_EN10MB);
    pcap_pkthdr* header = nullptr;
    const u_char* frame = nullptr;
    ASSERT_EQ(pcap_next_ex(reader.get(), &header, &frame), 1) << pcap_geterr(reader.get());
    EXPECT_EQ(std::vector<uint8_t>(frame, frame + header->caplen), kFrame);
    EXPECT_EQ(header->len, 1514u);
    EXPECT_EQ(header->ts.tv_sec, 1795308545);
    EXPECT_EQ(header->ts.tv_usec, 232994354);
    EXPECT_EQ(pcap_next_ex(reader.get(), &header, &frame), PCAP_ERROR_BREAK);
}

} // namespace
} // namespace cnet::cli
