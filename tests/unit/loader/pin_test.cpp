#include <fcntl.h>
#include <fstream>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "loader/inspect.h"
#include "loader/pin.h"
#include "maps/pin_path.h"
#include "tests/unit/loader/fixture.h"

namespace cnet::loader {

namespace {

class PinTest : public LoaderTest {
protected:
    static std::string read_file(const std::string& path) {
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
};

TEST_F(PinTest, MountsOnceAndRemovesEverything) {
    std::vector<std::string> warnings;
    ASSERT_OK(prepare_pins(paths_, warnings));
    ASSERT_OK(prepare_pins(paths_, warnings));
    std::ifstream mounts("/proc/self/mounts");
    int found = 0;
    for (std::string line; std::getline(mounts, line);) {
        found += line.find(" " + paths_.pins.string() + " bpf ") != std::string::npos;
    }
    EXPECT_EQ(found, 1);
    ASSERT_OK(remove_pins(paths_));
    EXPECT_FALSE(std::filesystem::exists(paths_.pins));
    ASSERT_OK(remove_pins(paths_));
}

TEST_F(PinTest, AMountThatDiesWithUsIsAnnounced) {
    std::vector<std::string> warnings;
    ASSERT_OK(prepare_pins(paths_, warnings));
    ASSERT_EQ(warnings.size(), 1u);
    EXPECT_NE(warnings[0].find("PID 1 does not see " + paths_.pins.string()), std::string::npos);
}

TEST_F(PinTest, AMountThatInitSeesIsNot) {
    // Whoever started this test is where it was before it unshared.
    const std::string parent = "/proc/" + std::to_string(::getppid());
    if (read_file(parent + "/mountinfo") != read_file("/proc/1/mountinfo")) {
        GTEST_SKIP() << "started in another mount namespace than PID 1's";
    }
    UniqueFd ours(::open("/proc/self/ns/mnt", O_RDONLY | O_CLOEXEC));
    UniqueFd inits(::open((parent + "/ns/mnt").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_EQ(::setns(inits.get(), CLONE_NEWNS), 0) << std::strerror(errno);
    std::vector<std::string> warnings;
    auto prepared = prepare_pins(paths_, warnings);
    auto removed = remove_pins(paths_);
    ASSERT_EQ(::setns(ours.get(), CLONE_NEWNS), 0);
    ASSERT_OK(prepared);
    ASSERT_OK(removed);
    EXPECT_TRUE(warnings.empty()) << warnings[0];
}

TEST_F(PinTest, WithoutAnOwnMountTheParentIsTheBpffs) {
    Paths paths = paths_;
    paths.own_bpffs = false;
    paths.pins = std::filesystem::path(root_) / "fs" / "cnet";
    std::vector<std::string> warnings;
    ASSERT_OK(prepare_pins(paths, warnings));
    EXPECT_TRUE(std::filesystem::exists(maps::map_dir(paths.pins)));
    ASSERT_OK(remove_pins(paths));
    EXPECT_FALSE(std::filesystem::exists(paths.pins));
    EXPECT_EQ(::umount2(paths.pins.parent_path().c_str(), 0), 0) << "the parent stays mounted";
}

TEST_F(PinTest, NothingButABpffsIsEverRemoved) {
    std::filesystem::create_directories(paths_.pins / "maps");
    std::ofstream(paths_.pins / "maps" / "precious") << "data";
    ASSERT_OK(remove_pins(paths_));
    EXPECT_TRUE(std::filesystem::exists(paths_.pins / "maps" / "precious"));
}

TEST_F(PinTest, ProgramsAreListedWithTheirAttachments) {
    EXPECT_EQ(list_programs(paths_.pins).error().kind(), ErrorKind::kNotFound);
    auto path = open(first_image());
    ASSERT_NE(path, nullptr);
    uint32_t device = make_veth("one");
    ASSERT_OK(path->attach(CNET_HOOK_UPLINK_EGRESS, device, true));
    uint32_t id = prog_id(*path->program("cnet_uplink_egress"));
    const AttachKind kind = path->attach_kind();
    path.reset();
    // As a reader in another network namespace sees it.
    enter_new_netns();
    auto programs = list_programs(paths_.pins);
    ASSERT_OK(programs);
    EXPECT_EQ(programs->size(), 8u);
    size_t attached = 0;
    for (const LoadedProgram& program : *programs) {
        attached += program.attached.size();
        if (program.name != "cnet_uplink_egress") continue;
        EXPECT_EQ(program.id, id);
        ASSERT_EQ(program.attached.size(), 1u);
        EXPECT_EQ(program.attached[0].where.ifindex, device);
        EXPECT_EQ(program.attached[0].kind, kind);
    }
    EXPECT_EQ(attached, 1u);
}

} // namespace

} // namespace cnet::loader
