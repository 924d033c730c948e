#include "userspace/base/netns.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <fstream>

#include "tests/unit/base/temporary.h"

namespace cnet {
namespace {

class NamedNetnsTest : public testing::Test {
protected:
    void SetUp() override {
        if (const auto why = test::why_no_netns(); !why.empty()) GTEST_SKIP() << why;
    }

    void TearDown() override {
        for (const auto* name : {"one", "two"}) {
            auto deleted = delete_named_netns(directory() / name);
            EXPECT_TRUE(deleted) << deleted.error().message();
        }
    }

    std::filesystem::path directory() const { return root_ / "netns"; }
    std::string one() const { return directory() / "one"; }

    static bool loopback_is_up() {
        const UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq request{};
        request.ifr_name[0] = 'l';
        request.ifr_name[1] = 'o';
        return ioctl(fd.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
    }

    static bool is_mounted(const std::string& path) {
        std::ifstream mounts("/proc/self/mounts");
        for (std::string line; std::getline(mounts, line);)
            if (line.find(" " + path + " ") != std::string::npos) return true;
        return false;
    }

    test::TemporaryDirectory root_;
};

TEST_F(NamedNetnsTest, IsAnotherNamespaceWithLoopbackUp) {
    const auto own = netns_cookie();
    ASSERT_TRUE(own);
    auto created = create_named_netns(one());
    ASSERT_TRUE(created) << created.error().message();
    EXPECT_EQ(*netns_cookie(), *own) << "the thread is back";
    auto other = netns_cookie(one());
    ASSERT_TRUE(other);
    EXPECT_NE(*other, *own);
    auto guard = NetnsGuard::enter(one());
    ASSERT_TRUE(guard);
    EXPECT_EQ(*netns_cookie(), *other);
    EXPECT_TRUE(loopback_is_up());
}

TEST_F(NamedNetnsTest, GuardsNestAndReturnInOrder) {
    ASSERT_TRUE(create_named_netns(one()));
    const auto own = *netns_cookie();
    {
        auto first = NetnsGuard::enter(one());
        ASSERT_TRUE(first);
        const auto inside = *netns_cookie();
        {
            auto second = NetnsGuard::enter_new();
            ASSERT_TRUE(second);
            EXPECT_NE(*netns_cookie(), inside);
            EXPECT_NE(*netns_cookie(), own);
        }
        EXPECT_EQ(*netns_cookie(), inside);
    }
    EXPECT_EQ(*netns_cookie(), own);
}

TEST_F(NamedNetnsTest, DeletingLeavesNothing) {
    ASSERT_TRUE(create_named_netns(one()));
    ASSERT_TRUE(create_named_netns(directory() / "two"));
    EXPECT_TRUE(is_mounted(directory()));
    ASSERT_TRUE(delete_named_netns(one()));
    EXPECT_FALSE(std::filesystem::exists(one()));
    EXPECT_FALSE(is_mounted(one()));
    EXPECT_TRUE(is_mounted(directory())) << "one is left";
    ASSERT_TRUE(delete_named_netns(directory() / "two"));
    EXPECT_FALSE(is_mounted(directory()));
    EXPECT_TRUE(delete_named_netns(one())) << "absent is success";
    ASSERT_TRUE(create_named_netns(one())) << "and again";
}

TEST_F(NamedNetnsTest, ExistingNameIsAConflictAndUnharmed) {
    ASSERT_TRUE(create_named_netns(one()));
    const auto before = *netns_cookie(one());
    auto again = create_named_netns(one());
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(*netns_cookie(one()), before);
}

TEST_F(NamedNetnsTest, EmptyFileOfACrashIsTakenOverOrRemoved) {
    std::filesystem::create_directories(directory());
    std::ofstream(one()).flush();
    EXPECT_EQ(open_netns(one()).error().kind(), ErrorKind::kNotFound);
    ASSERT_TRUE(create_named_netns(one()));
    EXPECT_TRUE(open_netns(one()));
    ASSERT_TRUE(delete_named_netns(one()));
    std::ofstream(one()).flush();
    ASSERT_TRUE(delete_named_netns(one()));
    EXPECT_FALSE(std::filesystem::exists(one()));
}

TEST_F(NamedNetnsTest, SomebodysFileIsLeftAlone) {
    std::filesystem::create_directories(directory());
    std::ofstream(one()) << "precious";
    EXPECT_EQ(create_named_netns(one()).error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(delete_named_netns(one()).error().kind(), ErrorKind::kConflict);
    EXPECT_EQ(std::filesystem::file_size(one()), 8u);
    std::filesystem::remove(one());
}

TEST_F(NamedNetnsTest, ListKnowsNamespacesFromFiles) {
    EXPECT_TRUE(list_named_netns(directory())->empty()) << "the directory is absent";
    ASSERT_TRUE(create_named_netns(directory() / "two"));
    ASSERT_TRUE(create_named_netns(one()));
    std::ofstream(directory() / "file").flush();
    EXPECT_EQ(*list_named_netns(directory()), (std::vector<std::string>{"one", "two"}));
    std::filesystem::remove(directory() / "file");
}

TEST_F(NamedNetnsTest, OpenRefusesWhatIsNoNetworkNamespace) {
    const std::string fifo = root_ / "fifo";
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    for (const std::string& path : {std::string("/proc/self/ns/mnt"), std::string("/etc/passwd"),
                                    std::string("/proc"), fifo, one(), one() + "/below"})
        EXPECT_EQ(open_netns(path).error().kind(), ErrorKind::kNotFound) << path;
    EXPECT_FALSE(NetnsGuard::enter("/proc/self/ns/mnt"));
    EXPECT_TRUE(open_netns("/proc/self/ns/net"));
}

} // namespace
} // namespace cnet
