#include "userspace/cnet-bpf/packet_words.h"

#include <gtest/gtest.h>

#include <sstream>

namespace cnet::cli {
namespace {

std::string parsed(const std::string& text, bool place_only = false) {
    std::istringstream stream(text);
    std::vector<std::string> words;
    for (std::string word; stream >> word;)
        words.push_back(word);
    auto body = parse_packet(words, place_only);
    return body ? body->dump() : "error: " + body.error().message();
}

TEST(PacketWords, From) {
    EXPECT_EQ(parsed("from web tcp 192.0.2.1:443"),
              R"({"from":"web","protocol":"tcp","dst":"192.0.2.1","dst_port":443})");
    EXPECT_EQ(parsed("from web icmp fd00::1 ttl 1 size 100"),
              R"({"from":"web","protocol":"icmp","dst":"fd00::1","ttl":1,"size":100})");
    EXPECT_EQ(
        parsed("from tap0 udp 10.0.0.9:1 to [fd00::1]:2"),
        R"({"from":"tap0","protocol":"udp","src":"10.0.0.9","src_port":1,"dst":"fd00::1","dst_port":2})");
    EXPECT_EQ(
        parsed("from web tcp 10.0.0.1:1 flags syn,ack sport 7 src 10.0.0.2 mac 02:00:00:00:00:01"),
        R"({"from":"web","protocol":"tcp","dst":"10.0.0.1","dst_port":1,"flags":"syn,ack","src_port":7,"src":"10.0.0.2","dst_mac":"02:00:00:00:00:01"})");
}

TEST(PacketWords, In) {
    EXPECT_EQ(parsed("in eth0 tcp 10.0.0.9:5555 to :8080"),
              R"({"in":"eth0","protocol":"tcp","src":"10.0.0.9","src_port":5555,"dst_port":8080})");
    EXPECT_EQ(parsed("in eth0", true), R"({"in":"eth0"})");
}

TEST(PacketWords, Refused) {
    for (const char* words :
         {"", "web tcp 1.2.3.4:5", "from web", "from web tcp", "from web tcp nowhere",
          "from web tcp 1.2.3.4:99999", "from web tcp 1.2.3.4:", "from web tcp [fd00::1",
          "from web tcp []:5", "from web tcp :", "in eth0 tcp 1.2.3.4:5 to",
          "from web tcp 1.2.3.4 x y", "from web tcp 1.2.3.4 ttl", "from web tcp 1.2.3.4 ttl many"})
        EXPECT_TRUE(parsed(words).starts_with("error: ")) << words;
    EXPECT_TRUE(parsed("from web tcp 1.2.3.4:5", true).starts_with("error: "));
}

} // namespace
} // namespace cnet::cli
