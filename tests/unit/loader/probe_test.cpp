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

} // namespace

} // namespace cnet::loader
