// These tests bind ports, so they run in a network namespace of their own, with lo up.
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/control/own_netns.h"

namespace cnet::test {

bool in_own_netns = false;

} // namespace cnet::test

namespace {

bool enter_own_netns() {
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    ifreq lo{.ifr_ifrn = {"lo"}, .ifr_ifru = {}};
    lo.ifr_flags = IFF_UP;
    const bool up = ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
    close(fd);
    return up;
}

} // namespace

int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    cnet::test::in_own_netns = enter_own_netns();
    return RUN_ALL_TESTS();
}
