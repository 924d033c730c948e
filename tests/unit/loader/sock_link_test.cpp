// The `sock` programs on a cgroup: one link a program, updated, moved and taken away.
#include "loader/sock_link.h"

#include <algorithm>

#include "loader/cgroup.h"
#include "loader/inspect.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

class SockLinkTest : public LoaderTest {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        auto root = find_cgroup2();
        if (!root) GTEST_SKIP() << root.error().message();
        for (const char* name : {"a", "b"}) {
            cgroups_.push_back(*root / ("cnet-loader-" + std::to_string(getpid()) + "-" + name));
            std::filesystem::create_directory(cgroups_.back());
        }
        auto opened = DataPath::open(paths_, {});
        ASSERT_OK(opened);
        path_ = std::move(*opened);
    }
    void TearDown() override {
        path_.reset();
        std::error_code ignored;
        for (const auto& cgroup : cgroups_)
            std::filesystem::remove(cgroup, ignored);
        LoaderTest::TearDown();
    }

    // Attached programs, by the cgroup that they are on.
    size_t on(const std::filesystem::path& cgroup) {
        auto attached = sock_attached(paths_.pins);
        auto id = cgroup_id(cgroup);
        if (!attached || !id) return 0;
        return static_cast<size_t>(
            std::count_if(attached->begin(), attached->end(),
                          [&](const SockAttached& one) { return one.cgroup_id == *id; }));
    }
    static unsigned made(const Result<unsigned>& attached) {
        EXPECT_TRUE(attached) << attached.error().message();
        return attached ? *attached : ~0u;
    }

    std::vector<std::filesystem::path> cgroups_;
    std::unique_ptr<DataPath> path_;
};

TEST_F(SockLinkTest, SecondProcessUpdatesTheLinks) {
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 8u);
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 0u);
    auto before = sock_attached(paths_.pins);
    ASSERT_OK(before);
    auto opened = DataPath::open(paths_, {});
    ASSERT_OK(opened);
    path_ = std::move(*opened);
    EXPECT_EQ(on(cgroups_[0]), 8u) << "nothing is detached in between";
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 0u);
    auto after = sock_attached(paths_.pins);
    ASSERT_OK(after);
    for (size_t i = 0; i < before->size(); i++)
        EXPECT_NE((*before)[i].prog_id, (*after)[i].prog_id);
}

TEST_F(SockLinkTest, MovesToAnotherCgroup) {
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 8u);
    EXPECT_EQ(made(path_->attach_sock(cgroups_[1])), 8u);
    EXPECT_EQ(on(cgroups_[0]), 0u);
    EXPECT_EQ(on(cgroups_[1]), 8u);
}

TEST_F(SockLinkTest, WhatACrashLeftIsCompleted) {
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 8u);
    std::filesystem::remove(maps::link_dir(paths_.pins) / "sock-connect4");
    std::filesystem::remove(maps::link_dir(paths_.pins) / "sock-sendmsg6");
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 2u);
    EXPECT_EQ(on(cgroups_[0]), 8u);
}

TEST_F(SockLinkTest, CgroupThatGoesTakesThemAlong) {
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 8u);
    ASSERT_TRUE(std::filesystem::remove(cgroups_[0]));
    auto gone = path_->attach_sock(cgroups_[0]);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().kind(), ErrorKind::kNotFound);
    EXPECT_EQ(gone.error().message(), "there is no cgroup " + cgroups_[0].string());
    ASSERT_TRUE(std::filesystem::create_directory(cgroups_[0]));
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 8u);
}

TEST_F(SockLinkTest, ADirectoryThatIsNoCgroupIsRefused) {
    auto refused = path_->attach_sock(root_);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kInvalid);
    EXPECT_EQ(refused.error().message(), root_ + " is not a cgroup of cgroup2");
}

TEST_F(SockLinkTest, KernelWithoutSuchPrograms) {
    path_ = open(first_image());
    ASSERT_NE(path_, nullptr);
    auto refused = path_->attach_sock(cgroups_[0]);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().message(),
              "this kernel runs no programs on cgroups (CONFIG_CGROUP_BPF)");
}

TEST_F(SockLinkTest, DetachedAndReleased) {
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 8u);
    ASSERT_OK(path_->detach_sock());
    ASSERT_OK(path_->detach_sock());
    EXPECT_EQ(on(cgroups_[0]), 0u);
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 8u);
    ASSERT_OK(path_->release());
    EXPECT_EQ(on(cgroups_[0]), 0u);
}

TEST_F(SockLinkTest, ProgramsAreListedWithTheirCgroup) {
    EXPECT_EQ(made(path_->attach_sock(cgroups_[0])), 8u);
    auto programs = list_programs(paths_.pins);
    ASSERT_OK(programs);
    size_t found = 0;
    for (const LoadedProgram& program : *programs) {
        for (uint64_t id : program.cgroups) {
            EXPECT_EQ(cgroup_path(id), cgroups_[0].string()) << program.name;
            found++;
        }
    }
    EXPECT_EQ(found, 8u);
}

} // namespace

} // namespace cnet::loader
