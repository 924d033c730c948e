#include "tests/unit/loader/fixture.h"

#include <bpf/bpf.h>
#include <cstdlib>
#include <net/if.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "loader/clsact.h"
#include "loader/probe.h"
#include "loader_test_earlier.skel.h"
#include "loader_test_first.skel.h"
#include "loader_test_later.skel.h"
#include "loader_test_other_layout.skel.h"
#include "loader_test_refused.skel.h"
#include "loader_test_second.skel.h"

namespace cnet::loader {

namespace {

ObjectImage image(const char* name, const void* (*elf_bytes)(size_t*)) {
    size_t size = 0;
    const void* bytes = elf_bytes(&size);
    return {name, bytes, size};
}

} // namespace

ObjectImage first_image() {
    return image("first", loader_test_first_bpf__elf_bytes);
}
ObjectImage second_image() {
    return image("second", loader_test_second_bpf__elf_bytes);
}
ObjectImage earlier_image() {
    return image("earlier", loader_test_earlier_bpf__elf_bytes);
}
ObjectImage later_image() {
    return image("later", loader_test_later_bpf__elf_bytes);
}
ObjectImage other_layout_image() {
    return image("other_layout", loader_test_other_layout_bpf__elf_bytes);
}
ObjectImage refused_image() {
    return image("refused", loader_test_refused_bpf__elf_bytes);
}

void LoaderTest::SetUp() {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root: it loads BPF programs";
    ASSERT_EQ(::unshare(CLONE_NEWNS | CLONE_NEWNET), 0) << std::strerror(errno);
    ASSERT_EQ(::mount("none", "/", "none", MS_REC | MS_PRIVATE, nullptr), 0)
        << std::strerror(errno);
    std::string pattern = (std::filesystem::temp_directory_path() / "cnet-loader-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr) << std::strerror(errno);
    root_ = pattern;
    paths_ = Paths::below(root_);
}

void LoaderTest::TearDown() {
    if (root_.empty()) return;
    ::umount2(paths_.pins.c_str(), MNT_DETACH); // not mounted after release()
    std::error_code error;
    std::filesystem::remove_all(root_, error);
    EXPECT_FALSE(error) << error.message();
}

void LoaderTest::enter_new_netns() {
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << std::strerror(errno);
}

void LoaderTest::ip(const std::string& arguments) {
    ASSERT_EQ(std::system(("ip " + arguments).c_str()), 0) << "ip " << arguments;
}

uint32_t LoaderTest::make_veth(const std::string& name, uint32_t index) {
    ip("link add " + name + (index != 0 ? " index " + std::to_string(index) : "") +
       " type veth peer name " + name + "p");
    uint32_t found = ::if_nametoindex(name.c_str());
    EXPECT_NE(found, 0u);
    return found;
}

std::vector<TcxEntry> LoaderTest::on_device(uint32_t ifindex, TcxSide side) {
    auto entries = tcx_query(ifindex, side);
    if (!entries && entries.error().errno_value() == EINVAL) return {};
    EXPECT_TRUE(static_cast<bool>(entries)) << entries.error().message();
    return entries ? *entries : std::vector<TcxEntry>();
}

std::vector<uint32_t> LoaderTest::programs_on(maps::HookDevice where) {
    TcxSide side = where.hook == CNET_HOOK_UPLINK_EGRESS ? TcxSide::kEgress : TcxSide::kIngress;
    std::vector<uint32_t> programs;
    for (const TcxEntry& entry : on_device(where.ifindex, side))
        programs.push_back(entry.prog_id);
    auto filter = clsact_query(where.ifindex, side);
    EXPECT_TRUE(static_cast<bool>(filter)) << filter.error().message();
    if (filter && *filter) programs.push_back(**filter);
    return programs;
}

bool LoaderTest::lacks(AttachKind kind) {
    auto features = probe_kernel();
    EXPECT_TRUE(static_cast<bool>(features)) << features.error().message();
    return kind == AttachKind::kTcx && features && features->attach_kind != AttachKind::kTcx;
}

UniqueFd LoaderTest::open_pin(const std::filesystem::path& path) {
    return UniqueFd(bpf_obj_get(path.c_str()));
}

uint32_t LoaderTest::prog_id(int prog_fd) {
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    EXPECT_EQ(bpf_obj_get_info_by_fd(prog_fd, &info, &size), 0) << std::strerror(errno);
    return info.id;
}

std::unique_ptr<DataPath> LoaderTest::open(const ObjectImage& image, DataPathSettings settings) {
    auto path = DataPath::open(paths_, settings, {image});
    EXPECT_TRUE(static_cast<bool>(path)) << path.error().message();
    return path ? std::move(*path) : nullptr;
}

Error LoaderTest::open_error(const ObjectImage& image, DataPathSettings settings) {
    auto path = DataPath::open(paths_, settings, {image});
    EXPECT_FALSE(static_cast<bool>(path));
    return path ? Error(ErrorKind::kSystem, "it opened") : path.error();
}

} // namespace cnet::loader
