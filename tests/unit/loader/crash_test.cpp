// A kill -9 in the moment of any system call that changes something: what is found afterwards must
// be taken over.
#include <csignal>
#include <functional>
#include <linux/bpf.h>
#include <set>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader/pin.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

// Whether this system call may change what is pinned or attached.
bool is_change(const __ptrace_syscall_info& call) {
    static const std::set<uint64_t> kCalls = {
        SYS_mount,    SYS_umount2,   SYS_mkdirat, SYS_renameat,
        SYS_unlinkat, SYS_renameat2, SYS_sendto,  SYS_sendmsg,
#ifdef SYS_unlink // not on architectures that came later
        SYS_mkdir,    SYS_rename,    SYS_unlink,  SYS_rmdir,
#endif
    };
    static const std::set<uint64_t> kBpfCommands = {
        BPF_MAP_CREATE, BPF_MAP_UPDATE_ELEM, BPF_PROG_ATTACH, BPF_PROG_DETACH,
        BPF_OBJ_PIN,    BPF_LINK_CREATE,     BPF_LINK_UPDATE, BPF_LINK_DETACH};
    if (call.op != PTRACE_SYSCALL_INFO_ENTRY) return false;
    if (call.entry.nr == SYS_bpf) return kBpfCommands.contains(call.entry.args[0]);
    return kCalls.contains(call.entry.nr);
}

// Runs `work` in a child and kills it before its `count`th such system call. False when it ended
// before that many.
bool kill_at(unsigned count, const std::function<bool()>& work) {
    pid_t child = ::fork();
    if (child == 0) {
        if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(3);
        ::raise(SIGSTOP);
        ::_exit(work() ? 0 : 2);
    }
    int status = 0;
    unsigned seen = 0;
    while (::waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
        if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
            __ptrace_syscall_info call{};
            EXPECT_GT(::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(call), &call), 0);
            if (is_change(call) && ++seen == count) {
                ::kill(child, SIGKILL);
                ::waitpid(child, &status, 0);
                return true;
            }
        } else {
            ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
        }
        EXPECT_EQ(::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr), 0);
    }
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
    return false;
}

class CrashTest : public LoaderTest, public testing::WithParamInterface<AttachKind> {
protected:
    void SetUp() override {
        LoaderTest::SetUp();
        if (IsSkipped()) return;
        if (lacks(GetParam())) GTEST_SKIP() << "this kernel has no tcx";
        settings_.attach_kind = GetParam();
        // The bpffs outlives the children; its mounting is tried by a child too.
        std::vector<std::string> warnings;
        ASSERT_OK(prepare_pins(paths_, warnings));
        device_ = make_veth("one");
    }

    bool bring_up(const ObjectImage& image) {
        auto path = DataPath::open(paths_, settings_, {image});
        return path && (*path)->attach(CNET_HOOK_UPLINK, device_, true) &&
               (*path)->attach(CNET_HOOK_UPLINK_EGRESS, device_, true);
    }

    size_t count_on(cnet_hook hook) { return programs_on({hook, device_}).size(); }

    void expect_recovery(const ObjectImage& image, unsigned count) {
        ASSERT_TRUE(bring_up(image)) << "killed at " << count;
        auto path = open(image, settings_);
        ASSERT_NE(path, nullptr) << "killed at " << count;
        ASSERT_EQ(path->attachments()->size(), 2u) << "killed at " << count;
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK), 1u) << "killed at " << count;
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK_EGRESS), 1u) << "killed at " << count;
    }

    DataPathSettings settings_;
    uint32_t device_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Kinds, CrashTest, testing::Values(AttachKind::kTcx, AttachKind::kClsact),
                         [](const auto& kind) { return std::string(to_string(kind.param)); });

TEST_P(CrashTest, WhileBeingMade) {
    unsigned count = 1;
    for (; kill_at(count, [&] { return bring_up(first_image()); }); count++) {
        expect_recovery(first_image(), count);
        if (HasFatalFailure()) return;
        ASSERT_OK(open(first_image(), settings_)->release());
        ASSERT_NE(std::system("tc qdisc show | grep -q clsact"), 0) << "killed at " << count;
    }
    EXPECT_GT(count, 20u) << "killed at too few steps to mean anything";
}

TEST_P(CrashTest, ReleasedAfterwards) {
    unsigned count = 1;
    for (; kill_at(count, [&] { return bring_up(first_image()); }); count++) {
        ASSERT_OK(open(first_image(), settings_)->release());
        ASSERT_NE(std::system("tc qdisc show | grep -q clsact"), 0) << "killed at " << count;
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK), 0u) << "killed at " << count;
    }
    EXPECT_GT(count, 20u) << "killed at too few steps to mean anything";
}

TEST_P(CrashTest, WhileBeingTakenOver) {
    ASSERT_TRUE(bring_up(first_image()));
    auto path = open(first_image(), settings_);
    ASSERT_NE(path, nullptr);
    ASSERT_OK(path->maps().host_addr.update(cnet_addr{{1}}, {3, 0}));
    path.reset();
    unsigned count = 1;
    for (; kill_at(count, [&] { return bring_up(second_image()); }); count++) {
        // At no instant without a program.
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK), 1u) << "killed at " << count;
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK_EGRESS), 1u) << "killed at " << count;
        expect_recovery(first_image(), count);
        if (HasFatalFailure()) return;
    }
    EXPECT_GT(count, 20u) << "killed at too few steps to mean anything";
    path = open(first_image(), settings_);
    ASSERT_NE(path, nullptr);
    EXPECT_TRUE(path->maps().host_addr.lookup(cnet_addr{{1}})->has_value()) << "state was lost";
}

TEST_P(CrashTest, WhileMapsOfAnotherVersionAreReplaced) {
    if (GetParam() == AttachKind::kClsact) GTEST_SKIP() << "how programs are attached is all one";
    ASSERT_TRUE(bring_up(first_image()));
    auto path = open(first_image(), settings_);
    const auto make_earlier = [&] {
        auto meta = **path->maps().meta.lookup(0);
        meta.abi_version = CNET_ABI_VERSION - 1;
        ASSERT_OK(path->maps().meta.update(0, meta));
        ASSERT_OK(path->maps().host_addr.update(cnet_addr{{1}}, {3, 0}));
        path.reset();
    };
    make_earlier();
    unsigned count = 1;
    for (; kill_at(count, [&] { return bring_up(second_image()); }); count++) {
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK), 1u) << "killed at " << count;
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK_EGRESS), 1u) << "killed at " << count;
        ASSERT_TRUE(bring_up(first_image())) << "killed at " << count;
        path = open(first_image(), settings_);
        ASSERT_NE(path, nullptr) << "killed at " << count;
        ASSERT_TRUE(path->maps().host_addr.lookup(cnet_addr{{1}})->has_value()) << count;
        ASSERT_FALSE(std::filesystem::exists(maps::maps_aside_dir(paths_.pins))) << count;
        make_earlier();
        if (HasFatalFailure()) return;
    }
    EXPECT_GT(count, 50u) << "killed at too few steps to mean anything";
}

TEST_P(CrashTest, WhileMapsGetAnotherSize) {
    if (GetParam() == AttachKind::kClsact) GTEST_SKIP() << "how programs are attached is all one";
    ASSERT_TRUE(bring_up(first_image()));
    auto path = open(first_image(), settings_);
    ASSERT_OK(path->maps().host_addr.update(cnet_addr{{1}}, {3, 0}));
    path.reset();
    unsigned count = 1;
    const auto resize = [&] {
        settings_.max_entries["cnet_ct"] = 1000 + count;
        return bring_up(second_image());
    };
    // Most steps are those of another version's maps, which are all tried above.
    for (; kill_at(count, resize); count += 3) {
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK), 1u) << "killed at " << count;
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK_EGRESS), 1u) << "killed at " << count;
        path = open(first_image(), settings_);
        ASSERT_NE(path, nullptr) << "killed at " << count;
        ASSERT_TRUE(path->maps().host_addr.lookup(cnet_addr{{1}})->has_value()) << count;
        ASSERT_FALSE(std::filesystem::exists(maps::maps_aside_dir(paths_.pins))) << count;
        path.reset();
    }
    EXPECT_GT(count, 50u) << "killed at too few steps to mean anything";
    settings_.max_entries["cnet_ct"] = 1000 + count;
    path = open(first_image(), settings_);
    for (const std::string& warning : path->take_warnings())
        EXPECT_EQ(warning.find("sizes"), std::string::npos)
            << "the child that lived has made it so";
}

TEST_P(CrashTest, WhileBeingReleased) {
    auto release = [&] {
        auto path = DataPath::open(paths_, settings_, {first_image()});
        return path && (*path)->release();
    };
    ASSERT_TRUE(bring_up(first_image()));
    unsigned count = 1;
    for (; kill_at(count, release); count++) {
        ASSERT_TRUE(release()) << "killed at " << count;
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK), 0u) << "killed at " << count;
        ASSERT_EQ(count_on(CNET_HOOK_UPLINK_EGRESS), 0u) << "killed at " << count;
        ASSERT_FALSE(std::filesystem::exists(paths_.pins)) << "killed at " << count;
        ASSERT_TRUE(bring_up(first_image())) << "killed at " << count;
    }
    EXPECT_GT(count, 20u) << "killed at too few steps to mean anything";
}

} // namespace

} // namespace cnet::loader
