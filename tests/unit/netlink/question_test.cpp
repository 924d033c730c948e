// Lists that the kernel gives, which change while they are read.
#include "userspace/netlink/question.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <set>

#include "tests/unit/netlink/netns_fixture.h"
#include "userspace/netlink/nftables.h"
#include "userspace/netlink/read.h"
#include "userspace/netlink/socket.h"

namespace cnet::netlink {
namespace {

using test::NetnsTest;
using test::ok;

class DeviceListTest : public NetnsTest {
protected:
    static constexpr size_t kPairs = 60; // do not fit into one answer of the kernel's

    void SetUp() override {
        NetnsTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        for (size_t number = 0; number < kPairs; ++number)
            ASSERT_TRUE(ok(rtnl_->create_veth(pair(number))));
        auto socket = open_socket();
        ASSERT_TRUE(ok(socket));
        socket_ = std::move(*socket);
    }

    static VethSpec pair(size_t number) {
        VethSpec pair;
        pair.name = "a" + std::to_string(number);
        pair.peer_name = "b" + std::to_string(number);
        return pair;
    }

    // `change` is called at the beginning of each reading.
    Status list(const std::function<void()>& change) {
        const auto begin = [&] {
            readings_++;
            seen_.clear();
            return make_question(RTM_GETLINK, NLM_F_DUMP, ifinfomsg{});
        };
        return ask_for_list(socket_.get(), begin, "list the devices", [&](nlmsghdr* message) {
            if (seen_.empty()) change();
            const auto* header = header_of<ifinfomsg>(message);
            ASSERT_TRUE(header);
            EXPECT_TRUE(seen_.insert(header->ifi_index).second);
        });
    }

    Socket socket_;
    int readings_ = 0;
    std::set<int> seen_;
};

TEST_F(DeviceListTest, IsReadOnceWhileNothingChanges) {
    ASSERT_TRUE(ok(list([] {})));
    EXPECT_EQ(readings_, 1);
    EXPECT_EQ(seen_.size(), 2 * kPairs + 1);
}

TEST_F(DeviceListTest, IsReadOnceMoreWhenItChanged) {
    const auto change = [&] {
        if (readings_ > 1) return;
        EXPECT_TRUE(ok(rtnl_->delete_link("a0")));
    };
    ASSERT_TRUE(ok(list(change)));
    EXPECT_EQ(readings_, 2);
    EXPECT_EQ(seen_.size(), 2 * kPairs - 1);
}

TEST_F(DeviceListTest, ThatIsNeverTheSameIsAnError) {
    const auto status = list([&] {
        EXPECT_TRUE(ok(rtnl_->create_veth(pair(kPairs))));
        EXPECT_TRUE(ok(rtnl_->delete_link(pair(kPairs).name)));
    });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message(),
              "list the devices: the list changes faster than it can be read");
    EXPECT_GT(readings_, 1);
}

TEST_F(NetnsTest, HasTablesOfTheFamilyThatIsAskedFor) {
    EXPECT_FALSE(*has_tables(NFPROTO_BRIDGE));
    ASSERT_EQ(std::system("nft add table ip other"), 0);
    EXPECT_FALSE(*has_tables(NFPROTO_BRIDGE));
    ASSERT_EQ(std::system("nft add table bridge mine"), 0);
    EXPECT_TRUE(*has_tables(NFPROTO_BRIDGE));
}

TEST_F(NetnsTest, TablesThatCannotBeListedAreNotNone) {
    rlimit before{};
    ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit no_socket{0, before.rlim_max};
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &no_socket), 0);
    const auto tables = has_tables(NFPROTO_BRIDGE);
    ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_FALSE(tables);
}

struct PipeDeleter {
    void operator()(FILE* pipe) const { EXPECT_EQ(pclose(pipe), 0); }
};
using Nft = std::unique_ptr<FILE, PipeDeleter>;

class ChainListTest : public NetnsTest {
protected:
    // The kernel has two answers ready, of 32 KB at most, before the first is looked at.
    static constexpr int kKept = 800;
    static constexpr int kDeleted = 50; // before the others in the list

    void SetUp() override {
        NetnsTest::SetUp();
        if (IsSkipped() || HasFatalFailure()) return;
        const Nft nft(popen("nft -f -", "w"));
        ASSERT_TRUE(nft);
        add_chains(nft.get(), "deleted", kDeleted);
        add_chains(nft.get(), "kept", kKept);
    }

    static void add_chains(FILE* nft, const char* table, int count) {
        std::fprintf(nft, "add table ip %s\n", table);
        for (int number = 0; number < count; ++number)
            std::fprintf(nft,
                         "add chain ip %s c%d { type filter hook forward priority 0; policy "
                         "accept; }\n",
                         table, number);
    }
};

TEST_F(ChainListTest, IsReadOnceMoreWhenItChanged) {
    int readings = 0, seen = 0;
    const auto forget = [&] { readings++, seen = 0; };
    const auto visit = [&](nlmsghdr*) {
        if (seen++ > 0 || readings > 1) return;
        EXPECT_EQ(std::system("nft delete chain ip deleted c0"), 0);
    };
    ASSERT_TRUE(ok(ask_netfilter({NFNL_SUBSYS_NFTABLES, NFT_MSG_GETCHAIN, NFPROTO_IPV4},
                                 "list the chains", forget, visit)));
    EXPECT_EQ(readings, 2);
    EXPECT_EQ(seen, kDeleted + kKept - 1);
}

TEST_F(ChainListTest, HasEveryChainWhileOthersGo) {
    const Nft nft(popen("nft -i >/dev/null", "w")); // a transaction for each line
    ASSERT_TRUE(nft);
    for (int number = 0; number < kDeleted; ++number)
        std::fprintf(nft.get(), "delete chain ip deleted c%d\n", number);
    std::fprintf(nft.get(), "quit\n");
    std::fflush(nft.get());
    for (bool others_left = true; others_left;) {
        auto chains = read_hooked_chains();
        ASSERT_TRUE(ok(chains));
        const auto kept = std::ranges::count(*chains, "kept", &HookedChain::table);
        ASSERT_EQ(kept, kKept);
        others_left = chains->size() > kKept;
    }
}

} // namespace
} // namespace cnet::netlink
