#include <gtest/gtest.h>

#include "userspace/control/port_spec.h"

namespace cnet::control {

namespace {

TEST(PortSpec, EveryForm) {
    auto spec = parse_port_spec("80");
    ASSERT_TRUE(spec) << spec.error().message();
    EXPECT_EQ(spec->port, 80);
    EXPECT_FALSE(spec->host_port);
    EXPECT_FALSE(spec->host_ip);
    EXPECT_EQ(spec->l4, CNET_L4_TCP);

    spec = parse_port_spec("192.0.2.1:8000-8009:80-89/udp");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->host_ip, *IpAddress::parse("192.0.2.1"));
    EXPECT_EQ(spec->host_port, 8000);
    EXPECT_EQ(spec->port, 80);
    EXPECT_EQ(spec->count, 10);
    EXPECT_EQ(spec->l4, CNET_L4_UDP);

    spec = parse_port_spec("[::1]:8080:80/tcp");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->host_ip, *IpAddress::parse("::1"));

    spec = parse_port_spec("127.0.0.1::80");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->host_ip, *IpAddress::parse("127.0.0.1"));
    EXPECT_FALSE(spec->host_port);

    EXPECT_EQ(parse_port_spec("1-65535:1-65535")->count, 65535);

    spec = parse_port_spec(":80");
    ASSERT_TRUE(spec);
    EXPECT_FALSE(spec->host_port);
    EXPECT_FALSE(spec->host_ip);

    spec = parse_port_spec("8000-8009:80/sctp");
    ASSERT_TRUE(spec);
    EXPECT_EQ(spec->host_port, 8000);
    EXPECT_EQ(spec->host_choice, 10);
    EXPECT_EQ(spec->count, 1);
    EXPECT_EQ(spec->l4, CNET_L4_SCTP);
}

TEST(PortSpec, MalformedOnesAreRefused) {
    for (const char* text : {"", ":", "0", "65536", "80-79", "x", "80/", "8080:", "8000-8001:80-82",
                             "::1:8080:80", "[::1:8080:80", "1.2.3:8080:80", "1.2.3.4:8080:80:90",
                             "80 ", "-80", "80-", "+80", "0-5:0-5"}) {
        auto spec = parse_port_spec(text);
        ASSERT_FALSE(spec) << text;
        EXPECT_EQ(spec.error().kind(), ErrorKind::kInvalid) << text;
    }
}

TEST(PortSpec, TextIsDockers) {
    PublishedPort port{1, 1, std::nullopt, 8080, 80, 1, CNET_L4_TCP};
    EXPECT_EQ(to_string(port), "0.0.0.0:8080->80/tcp");
    port = {1, 1, *IpAddress::parse("::1"), 8000, 80, 10, CNET_L4_UDP};
    EXPECT_EQ(to_string(port), "[::1]:8000-8009->80-89/udp");
}

} // namespace

} // namespace cnet::control
