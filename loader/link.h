// Attaching programs to devices: LinkTable keeps one attachment for each (hook, device), as a
// pinned tcx link or, below kernel 6.6, as a clsact filter with a fixed handle and priority; the
// XDP program's by a link of its own on every kernel (xdp_link.h). Attachments outlive the process.
//
// There is never a second attachment of ours on a hook: attach() updates the one that is there (no
// packet sees a gap), replaces one whose device is gone or whose index was used again, and removes
// programs of ours that no pin holds. Programs of others are left alone.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "loader/tcx.h"
#include "maps/pin_path.h"
#include "userspace/base/result.h"

namespace cnet::loader {

enum class AttachKind { kTcx, kClsact, kXdp };
std::string_view to_string(AttachKind kind); // "tcx", "clsact", "xdp"

// Whether its program is no tc program, whatever the others are attached by.
bool is_xdp(cnet_hook hook);

// Fixed, so that an attachment can be found and replaced without remembering anything.
inline constexpr uint32_t kClsactHandle = 0xc4e7;
inline constexpr uint32_t kClsactPriority = 0xc4e;

// The names of the programs that may sit on this hook; empty for a hook that is no device's.
std::vector<std::string_view> programs_of(cnet_hook hook);

// Where a hook's tc program sits on its device.
TcxSide side_of(cnet_hook hook);

struct Attached {
    maps::HookDevice where;
    AttachKind kind;
    uint32_t prog_id;
};

class LinkTable {
public:
    LinkTable(std::filesystem::path pins, AttachKind kind) : pins_(std::move(pins)), kind_(kind) {}

    // Of the tc programs.
    AttachKind kind() const { return kind_; }

    // Returns how many stray programs of ours it removed from the hook. kNotFound when the device
    // is gone; of the XDP program what xdp_attach() says.
    Result<unsigned> attach(maps::HookDevice where, int prog_fd);
    // Absent is success.
    Status detach(maps::HookDevice where);
    // Alive ones; pins that hold nothing any more are removed.
    Result<std::vector<Attached>> attached();
    Status detach_all();

private:
    Status add_attached(AttachKind kind, std::vector<Attached>& alive) const;
    Result<unsigned> attach_tcx(maps::HookDevice where, int prog_fd);
    Result<unsigned> attach_clsact(maps::HookDevice where, int prog_fd);
    Status detach_kind(AttachKind kind, maps::HookDevice where);

    std::filesystem::path pins_;
    AttachKind kind_;
};

} // namespace cnet::loader
