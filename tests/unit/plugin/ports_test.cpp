#include "userspace/plugin/ports.h"

#include <gtest/gtest.h>

namespace cnet::plugin {
namespace {

std::vector<std::string> specs(const std::vector<PortMapping>& mappings) {
    auto specs = port_specs(mappings);
    EXPECT_TRUE(specs);
    return specs ? *specs : std::vector<std::string>{};
}

using Specs = std::vector<std::string>;

TEST(Ports, RunsBecomeRanges) {
    EXPECT_EQ(specs({{8080, 80, "tcp", ""}, {8081, 81, "tcp", ""}, {8082, 82, "tcp", ""}}),
              Specs{"8080-8082:80-82/tcp"});
    EXPECT_EQ(specs({}), Specs{});
}

TEST(Ports, WhateverDiffersEndsARun) {
    EXPECT_EQ(specs({{8080, 80, "tcp", ""}, {8081, 81, "udp", ""}}),
              (Specs{"8080:80/tcp", "8081:81/udp"}));
    EXPECT_EQ(specs({{8080, 80, "tcp", ""}, {8081, 81, "tcp", "127.0.0.1"}}),
              (Specs{"8080:80/tcp", "127.0.0.1:8081:81/tcp"}));
    EXPECT_EQ(specs({{8080, 80, "tcp", ""}, {8082, 82, "tcp", ""}, {8083, 84, "tcp", ""}}),
              (Specs{"8080:80/tcp", "8082:82/tcp", "8083:84/tcp"}));
    EXPECT_EQ(specs({{8080, 80, "tcp", ""}, {8080, 80, "tcp", ""}}),
              (Specs{"8080:80/tcp", "8080:80/tcp"}));
}

TEST(Ports, HostAddresses) {
    EXPECT_EQ(specs({{1, 2, "tcp", "0.0.0.0"}}), Specs{"1:2/tcp"});
    EXPECT_EQ(specs({{1, 2, "tcp", "::"}}), Specs{"[::]:1:2/tcp"});
    EXPECT_EQ(specs({{1, 2, "tcp", "2001:db8:0::1"}}), Specs{"[2001:db8::1]:1:2/tcp"});
    EXPECT_FALSE(port_specs({{1, 2, "tcp", "everywhere"}}));
}

} // namespace
} // namespace cnet::plugin
