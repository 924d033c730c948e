#include "userspace/cluster/keys.h"

#include <gtest/gtest.h>

namespace cnet::cluster {
namespace {

const Keys kKeys("/cnet/");

TEST(Keys, EachKindComesBackFromItsText) {
    const std::string texts[] = {
        "/cnet/v1/networks/web",
        "/cnet/v1/vnis/4096",
        "/cnet/v1/hosts/a",
        "/cnet/v1/alive/a",
        "/cnet/v1/addresses/4096/10.0.0.2",
        "/cnet/v1/addresses/4096/fd00::2",
        "/cnet/v1/macs/4096/02:00:00:00:00:01",
        "/cnet/v1/subnets/4096/10.244.1.0-24",
        "/cnet/v1/endpoints/4096/a/web",
        "/cnet/v1/endpoints/4096/a/@eth1.7",
    };
    for (const std::string& text : texts) {
        const auto key = kKeys.parse(text);
        ASSERT_TRUE(key) << text;
        EXPECT_EQ(kKeys.of(*key), text);
    }
}

TEST(Keys, WhatIsNotOursIsNothing) {
    for (const char* text :
         {"", "/cnet/v1/", "/cnet/v2/networks/web", "/cnet/v1/networks/", "/cnet/v1/networks/a/b",
          "/cnet/v1/vnis/0", "/cnet/v1/vnis/16777216", "/cnet/v1/vnis/x", "/cnet/v1/vnis/4096x",
          "/cnet/v1/addresses/4096/x", "/cnet/v1/addresses/4096/", "/cnet/v1/macs/1/10.0.0.2",
          "/cnet/v1/subnets/1/10.244.1.0", "/cnet/v1/subnets/1/10.244.1.1-24",
          "/cnet/v1/endpoints/4096/a", "/cnet/v1/endpoints/4096/a/b/c", "/cnet/v1/policies/a",
          "/other/v1/networks/web"})
        EXPECT_FALSE(kKeys.parse(text)) << text;
}

} // namespace
} // namespace cnet::cluster
