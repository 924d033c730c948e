// The port maps of `docker run`, as what cnetd publishes.
#include <gtest/gtest.h>

#include "userspace/docker/ports.h"

namespace {

using namespace cnet;
using docker::Json;

std::string specs(const std::string& portmap, const std::optional<IpAddress>& bind = {}) {
    const Json options = Json::parse(R"({"com.docker.network.portmap": )" + portmap + "}");
    auto wishes = docker::read_ports(docker::Reader(options), bind);
    if (!wishes) return wishes.error().message();
    std::string text;
    for (const docker::PortWish& wish : *wishes)
        text += (text.empty() ? "" : " ") + wish.spec();
    return text;
}

TEST(Ports, EachKind) {
    EXPECT_EQ(specs(R"([{"Proto":6,"Port":80,"HostIP":"","HostPort":8080,"HostPortEnd":8080}])"),
              "8080:80/tcp");
    EXPECT_EQ(specs(R"([{"Proto":17,"Port":53,"HostIP":"192.0.2.1","HostPort":53}])"),
              "192.0.2.1:53:53/udp");
    EXPECT_EQ(specs(R"([{"Proto":132,"Port":7,"HostIP":"::1","HostPort":0}])"), "[::1]::7/sctp");
    EXPECT_EQ(specs(R"([{"Proto":6,"Port":80,"HostPort":0}])"), "80/tcp");
    // One of several.
    EXPECT_EQ(specs(R"([{"Proto":6,"Port":80,"HostPort":8000,"HostPortEnd":8009}])"),
              "8000-8009:80/tcp");
    EXPECT_EQ(specs("[]"), "");
    EXPECT_EQ(specs("null"), "");
    EXPECT_EQ(specs(R"([{"Proto":6,"Port":80,"HostPort":8080}])", *IpAddress::parse("127.0.0.1")),
              "127.0.0.1:8080:80/tcp");
}

TEST(Ports, ARangeIsOneBindingInWhateverOrderItComes) {
    EXPECT_EQ(specs(R"([{"Proto":6,"Port":82,"HostPort":9002,"HostPortEnd":9002},
                        {"Proto":6,"Port":80,"HostPort":9000,"HostPortEnd":9000},
                        {"Proto":6,"Port":81,"HostPort":9001,"HostPortEnd":9001},
                        {"Proto":6,"Port":84,"HostPort":9003,"HostPortEnd":9003},
                        {"Proto":17,"Port":83,"HostPort":9003,"HostPortEnd":9003},
                        {"Proto":6,"Port":80,"HostPort":9000,"HostPortEnd":9000}])"),
              "9000-9002:80-82/tcp 9003:84/tcp 9003:83/udp");
}

TEST(Ports, WhatCannotBeIsRefused) {
    EXPECT_EQ(specs(R"([{"Proto":1,"Port":80}])"), "protocol 1 has no ports");
    EXPECT_EQ(specs(R"([{"Proto":6,"Port":0}])"), "a port of 0:0 is none");
    EXPECT_EQ(specs(R"([{"Proto":6,"Port":80,"HostPort":65536}])"), "a port of 65536:80 is none");
    EXPECT_EQ(specs(R"([{"Proto":6,"Port":"80"}])"),
              "com.docker.network.portmap.Port must be a whole number, not below 0");
    EXPECT_EQ(specs(R"([{"Proto":6,"Port":-1}])"),
              "com.docker.network.portmap.Port must be a whole number, not below 0");
    EXPECT_EQ(specs(R"([7])"), "com.docker.network.portmap must be an object");
    EXPECT_EQ(specs(R"({})"), "com.docker.network.portmap must be a list");
    EXPECT_TRUE(specs(R"([{"Proto":6,"Port":80,"HostIP":"nowhere"}])")
                    .starts_with("com.docker.network.portmap.HostIP: "));
}

} // namespace
