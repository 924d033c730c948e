// What is asked of the kernel before anything is loaded.
#include "loader/probe.h"

#include <linux/bpf.h>

#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

using ProbeTest = LoaderTest;

// A probe that always said no, or always yes, would say so of these too.
TEST_F(ProbeTest, TheHelperIsAskedAndNotGuessed) {
    EXPECT_TRUE(removes_headers_with(BPF_F_ADJ_ROOM_FIXED_GSO | BPF_F_ADJ_ROOM_NO_CSUM_RESET));
    EXPECT_FALSE(removes_headers_with(1ull << 63)) << "no kernel has this flag";
    EXPECT_FALSE(removes_headers_with(1ull << 62));
}

// Of each line the last without and the first with it, and those that do not say.
TEST_F(ProbeTest, ScrubbingIsToldByTheRelease) {
    for (const char* release :
         {"6.1.139", "6.1.140-android14", "6.6.91", "6.12.29", "6.12.38+deb13-amd64", "6.14.7",
          "6.15.1", "6.16.0-rc1", "6.18.44-fc-v669", "7.0.3-1-default"})
        EXPECT_TRUE(scrubs_for_peer(release, "#1 SMP")) << release;
    for (const char* release :
         {"6.1.138", "6.6.90", "6.12.28", "6.14.6", "6.15.0-rc5", "5.15.200", "6.2.160", "6.13.99",
          "6.8.0-60-generic", "6.12.0-55.9.1.el10_0.x86_64", "6.1.0-37-amd64", "mainline", ""})
        EXPECT_FALSE(scrubs_for_peer(release, "#1 SMP")) << release;
}

TEST_F(ProbeTest, DebianNamesTheReleaseElsewhere) {
    EXPECT_TRUE(
        scrubs_for_peer("6.1.0-37-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.140-1 (2025-05-22)"));
    EXPECT_FALSE(
        scrubs_for_peer("6.1.0-35-amd64", "#1 SMP PREEMPT_DYNAMIC Debian 6.1.137-1 (2025-05-07)"));
}

} // namespace

} // namespace cnet::loader
