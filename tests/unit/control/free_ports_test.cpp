#include <gtest/gtest.h>

#include "userspace/control/free_ports.h"

namespace cnet::control {

namespace {

using Ports = std::vector<uint16_t>;

TEST(FreePorts, ReservedOnesAsTheKernelListsThem) {
    const auto ranges = parse_port_list("8080,9148-9160\n");
    ASSERT_EQ(ranges.size(), 2u);
    EXPECT_EQ(ranges[0].first, 8080u);
    EXPECT_EQ(ranges[0].last, 8080u);
    EXPECT_EQ(ranges[1].first, 9148u);
    EXPECT_EQ(ranges[1].last, 9160u);
    EXPECT_TRUE(parse_port_list("\n").empty());
}

TEST(FreePorts, GoesRoundAndSkipsWhatIsTaken) {
    EXPECT_EQ(free_ports({100, 103}, {}, 1, 0), (Ports{100, 101, 102, 103}));
    EXPECT_EQ(free_ports({100, 103}, {}, 1, 101), (Ports{102, 103, 100, 101}));
    EXPECT_EQ(free_ports({100, 103}, {}, 1, 103), (Ports{100, 101, 102, 103}));
    EXPECT_EQ(free_ports({100, 103}, {{101, 102}}, 1, 0), (Ports{100, 103}));
    EXPECT_EQ(free_ports({100, 103}, {{0, 70000}}, 1, 0), Ports{});
}

TEST(FreePorts, ARangeNeedsThemInARow) {
    EXPECT_EQ(free_ports({100, 105}, {{102, 102}}, 3, 0), Ports{103});
    EXPECT_EQ(free_ports({100, 105}, {}, 7, 0), Ports{});
    EXPECT_EQ(free_ports({100, 105}, {}, 6, 0), Ports{100});
    EXPECT_EQ(free_ports({65535, 65535}, {}, 1, 0), Ports{65535});
}

} // namespace

} // namespace cnet::control
