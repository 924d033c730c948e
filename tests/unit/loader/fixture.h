// A host of its own for each test: a new network namespace, a new mount namespace (so that nothing
// mounted here is left behind, whatever happens), a temporary directory as --root, and programs
// with the data path's names.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "loader/data_path.h"
#include "loader/tcx.h"

namespace cnet::loader {

class LoaderTest : public testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;

    // Another network namespace, with nothing but lo.
    void enter_new_netns();
    // `ip ARGUMENTS`; the test fails when that does.
    static void ip(const std::string& arguments);
    // Creates a veth pair NAME, NAMEp; index 0 lets the kernel choose. Returns NAME's.
    uint32_t make_veth(const std::string& name, uint32_t index = 0);

    // tcx programs on one side of a device; none on a kernel without tcx.
    static std::vector<TcxEntry> on_device(uint32_t ifindex, TcxSide side = TcxSide::kIngress);
    // What a packet meets on one hook: tcx programs and our clsact filter.
    static std::vector<uint32_t> programs_on(maps::HookDevice where);
    // Nothing to test where the kernel has no tcx.
    static bool lacks(AttachKind kind);
    // A descriptor of the bpf object pinned there; -1 when there is none.
    static UniqueFd open_pin(const std::filesystem::path& path);
    static uint32_t prog_id(int prog_fd);

    std::unique_ptr<DataPath> open(const ObjectImage& image, DataPathSettings settings = {});
    Error open_error(const ObjectImage& image, DataPathSettings settings = {});

    Paths paths_;
    std::string root_;
};

ObjectImage first_image();
ObjectImage second_image();
ObjectImage earlier_image(); // maps alone
ObjectImage later_image();   // maps alone
ObjectImage other_layout_image();
ObjectImage refused_image();

// For conditions that a Status or Result states.
#define ASSERT_OK(expression)                                                                      \
    do {                                                                                           \
        auto&& checked = (expression);                                                             \
        ASSERT_TRUE(static_cast<bool>(checked)) << checked.error().message();                      \
    } while (0)

} // namespace cnet::loader
