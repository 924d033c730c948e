#include "loader/inspect.h"

#include <algorithm>
#include <bpf/bpf.h>
#include <cerrno>
#include <optional>
#include <utility>

#include "loader/clsact.h"
#include "loader/pin.h"
#include "loader/sock_link.h"
#include "loader/tcx.h"
#include "loader/xdp_link.h"
#include "maps/pin_path.h"

namespace cnet::loader {

namespace {

namespace fs = std::filesystem;

std::string hex(const __u8 (&bytes)[BPF_TAG_SIZE]) {
    static constexpr char kDigits[] = "0123456789abcdef";
    std::string text;
    for (__u8 byte : bytes) {
        text += kDigits[byte >> 4];
        text += kDigits[byte & 0xf];
    }
    return text;
}

Result<LoadedProgram> program_info(int fd) {
    bpf_prog_info info{};
    uint32_t size = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd, &info, &size) != 0) return Error::system("read a program");
    LoadedProgram program;
    program.name = info.name;
    program.id = info.id;
    program.tag = hex(info.tag);
    program.verified_instructions = info.verified_insns;
    program.run_count = info.run_cnt;
    program.run_time_ns = info.run_time_ns;
    program.jited_bytes = info.jited_prog_len;
    program.loaded_at_ns = info.load_time;
    return program;
}

// Nothing when the pin went away since it was listed.
Result<std::optional<UniqueFd>> open_pin(const fs::path& path) {
    int fd = bpf_obj_get(path.c_str());
    if (fd >= 0) return std::optional<UniqueFd>(UniqueFd(fd));
    if (errno == ENOENT) return std::optional<UniqueFd>();
    if (errno == EPERM || errno == EACCES) {
        return Error(ErrorKind::kDenied, "not permitted to open " + path.string(), errno);
    }
    return Error::system("open " + path.string());
}

// The program behind one pin of `dir`; nothing when it is not attached any more.
Result<std::optional<uint32_t>> attached_program(AttachKind kind, const fs::path& pin,
                                                 maps::HookDevice where, bool sees_devices) {
    auto fd = open_pin(pin);
    if (!fd) return fd.error();
    if (!*fd) return std::optional<uint32_t>();
    if (kind == AttachKind::kXdp) return xdp_linked((*fd)->get(), where.ifindex);
    if (kind == AttachKind::kClsact) {
        if (sees_devices) return clsact_query(where.ifindex, side_of(where.hook));
        auto program = program_info((*fd)->get());
        if (!program) return program.error();
        return std::optional<uint32_t>(program->id);
    }
    auto link = tcx_link_info((*fd)->get());
    if (!link) return link.error();
    if (link->ifindex != where.ifindex) return std::optional<uint32_t>();
    return std::optional<uint32_t>(link->prog_id);
}

Status add_attached(AttachKind kind, const fs::path& dir, bool sees_devices,
                    std::vector<Attached>& found) {
    auto names = list_pins(dir);
    if (!names) return names.error();
    for (const std::string& name : *names) {
        auto where = maps::parse_hook_device(name);
        if (!where) continue;
        const AttachKind as = is_xdp(where->hook) ? AttachKind::kXdp : kind;
        auto prog_id = attached_program(as, dir / name, *where, sees_devices);
        if (!prog_id) return prog_id.error();
        if (*prog_id) found.push_back({*where, as, **prog_id});
    }
    return {};
}

// A program that runs on a device but is not pinned under its name.
Result<std::optional<LoadedProgram>> unpinned_program(uint32_t id) {
    UniqueFd fd(bpf_prog_get_fd_by_id(id));
    if (!fd && errno == ENOENT) return std::optional<LoadedProgram>();
    if (!fd) return Error::system("open program " + std::to_string(id));
    auto program = program_info(fd.get());
    if (!program) return program.error();
    return std::optional<LoadedProgram>(std::move(*program));
}

// The program with this id among the pinned ones, or added to them; null when it has just gone.
Result<LoadedProgram*> find_or_add(std::vector<LoadedProgram>& programs, uint32_t id) {
    auto known = std::find_if(programs.begin(), programs.end(),
                              [&](const LoadedProgram& program) { return program.id == id; });
    if (known != programs.end()) return &*known;
    auto program = unpinned_program(id);
    if (!program) return program.error();
    if (!*program) return static_cast<LoadedProgram*>(nullptr);
    programs.push_back(std::move(**program));
    return &programs.back();
}

} // namespace

Result<std::vector<Attached>> list_attached(const fs::path& pins) {
    auto elsewhere = is_of_another_namespace(pins);
    if (!elsewhere) return elsewhere.error();
    std::vector<Attached> found;
    auto status = add_attached(AttachKind::kTcx, maps::link_dir(pins), !*elsewhere, found);
    if (status)
        status = add_attached(AttachKind::kClsact, maps::filter_dir(pins), !*elsewhere, found);
    if (!status) return status.error();
    return found;
}

Result<std::vector<maps::HookDevice>> list_detached(const fs::path& pins) {
    auto attached = list_attached(pins);
    if (!attached) return attached.error();
    std::vector<maps::HookDevice> detached;
    for (const fs::path& dir : {maps::link_dir(pins), maps::filter_dir(pins)}) {
        auto names = list_pins(dir);
        if (!names) return names.error();
        for (const std::string& name : *names) {
            const auto where = maps::parse_hook_device(name);
            if (where && std::none_of(attached->begin(), attached->end(),
                                      [&](const Attached& one) { return one.where == *where; }))
                detached.push_back(*where);
        }
    }
    return detached;
}

Result<std::vector<LoadedProgram>> list_programs(const fs::path& pins) {
    const fs::path dir = maps::prog_dir(pins);
    auto names = list_pins(dir);
    if (!names) return names.error();
    if (names->empty()) {
        return Error(ErrorKind::kNotFound, "no programs are pinned below " + pins.string());
    }
    std::vector<LoadedProgram> programs;
    for (const std::string& name : *names) {
        auto fd = open_pin(dir / name);
        if (!fd) return fd.error();
        if (!*fd) continue;
        auto program = program_info((*fd)->get());
        if (!program) return program.error();
        program->name = name; // the kernel's copy is cut at 15 characters
        programs.push_back(std::move(*program));
    }
    auto attached = list_attached(pins);
    if (!attached) return attached.error();
    for (const Attached& attachment : *attached) {
        auto program = find_or_add(programs, attachment.prog_id);
        if (!program) return program.error();
        if (*program) (*program)->attached.push_back(attachment);
    }
    auto on_cgroups = sock_attached(pins);
    if (!on_cgroups) return on_cgroups.error();
    for (const SockAttached& attachment : *on_cgroups) {
        auto program = find_or_add(programs, attachment.prog_id);
        if (!program) return program.error();
        if (*program) (*program)->cgroups.push_back(attachment.cgroup_id);
    }
    std::stable_sort(programs.begin(), programs.end(),
                     [](const auto& left, const auto& right) { return left.name < right.name; });
    return programs;
}

} // namespace cnet::loader
