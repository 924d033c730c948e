// Two namespaces of the test's own, "host" and "box"; the test runs inside "host".
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "tests/unit/base/temporary.h"
#include "userspace/base/netns.h"
#include "userspace/netlink/kernel_rtnl.h"

namespace cnet::test {

inline IpPrefix prefix(const char* text) {
    return *IpPrefix::parse(text);
}

inline IpAddress address(const char* text) {
    return *IpAddress::parse(text);
}

class NetnsTest : public testing::Test {
protected:
    void SetUp() override {
        if (const auto why = why_no_netns(); !why.empty()) GTEST_SKIP() << why;
        for (const auto& path : {host_path(), box_path()}) {
            auto created = create_named_netns(path);
            ASSERT_TRUE(created) << created.error().message();
        }
        open_in(box_path(), box_);
        open_in(host_path(), rtnl_);
    }

    void TearDown() override {
        rtnl_.reset();
        box_.reset();
        inside_.reset();
        for (const auto& path : {host_path(), box_path()}) {
            auto deleted = delete_named_netns(path);
            EXPECT_TRUE(deleted) << deleted.error().message();
        }
    }

    netlink::VethSpec spec() const {
        netlink::VethSpec spec;
        spec.name = "cnet1";
        spec.mac = *MacAddress::parse("02:00:00:00:00:01");
        spec.alias = "cnet-bpf endpoint web";
        spec.peer_name = "eth0";
        spec.peer_mac = *MacAddress::parse("02:00:00:00:00:02");
        spec.peer_netns = box_path();
        spec.mtu = 1400;
        return spec;
    }

    std::string host_path() const { return directory_ / "netns" / "host"; }
    std::string box_path() const { return directory_ / "netns" / "box"; }

    TemporaryDirectory directory_;
    std::optional<NetnsGuard> inside_;
    std::unique_ptr<netlink::KernelRtnl> rtnl_; // of "host"
    std::unique_ptr<netlink::KernelRtnl> box_;

private:
    // The test goes on in that namespace.
    void open_in(const std::string& netns, std::unique_ptr<netlink::KernelRtnl>& rtnl) {
        inside_.reset();
        auto entered = NetnsGuard::enter(netns);
        ASSERT_TRUE(entered) << entered.error().message();
        inside_.emplace(std::move(*entered));
        auto opened = netlink::KernelRtnl::open();
        ASSERT_TRUE(opened) << opened.error().message();
        rtnl = std::move(*opened);
    }
};

// EXPECT_TRUE(ok(rtnl_->set_up("lo", true))) prints the error.
template <typename T> testing::AssertionResult ok(const Result<T>& result) {
    if (result) return testing::AssertionSuccess();
    return testing::AssertionFailure() << result.error().message();
}

} // namespace cnet::test
