// What is loaded and attached below a directory of pins, for `cnet-bpf prog list`: works while no
// daemon runs and changes nothing.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "loader/link.h"
#include "userspace/base/result.h"

namespace cnet::loader {

// By our pins: tcx links that are attached to a device, and clsact filters that are on one; of
// these, seen from another network namespace than the devices', all that a daemon remembers.
Result<std::vector<Attached>> list_attached(const std::filesystem::path& pins);

// Attachments that are pinned and on no device any more: the device is gone, or somebody took them
// off.
Result<std::vector<maps::HookDevice>> list_detached(const std::filesystem::path& pins);

struct LoadedProgram {
    std::string name;
    uint32_t id = 0;
    uint64_t run_count = 0;             // these two stay 0 unless kernel.bpf_stats_enabled is 1
    uint64_t run_time_ns = 0;           // in total
    std::string tag;                    // 16 hex digits: the kernel's hash of the instructions
    uint32_t verified_instructions = 0; // that the verifier walked; 0 before kernel 5.16
    uint32_t jited_bytes = 0;
    uint64_t loaded_at_ns = 0; // CLOCK_BOOTTIME
    std::vector<Attached> attached;
    std::vector<uint64_t> cgroups; // ids, of a `sock` program
};

// By name. kNotFound when there are no pins. An attachment whose program is not among the pinned
// ones (an update was interrupted) has an entry of its own.
Result<std::vector<LoadedProgram>> list_programs(const std::filesystem::path& pins);

} // namespace cnet::loader
