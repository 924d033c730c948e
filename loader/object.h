// A loaded BPF object: its maps are the pinned ones, its programs are in the kernel, nothing is
// attached yet.
//
// A pinned map with another type, key, value or flags than the object's is refused (kConflict); one
// that differs in max_entries alone is used as it is, and told of. A failed load says why, with the
// end of the verifier's log.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "maps/abi.h"
#include "userspace/base/result.h"

struct bpf_object;

namespace cnet::loader {

// An ELF file in memory, as skeletons carry it.
struct ObjectImage {
    std::string name;
    const void* bytes;
    size_t size;
    std::vector<std::string> programs = {}; // those to load; all of it when there are none
};

struct ObjectSettings {
    std::filesystem::path pins;
    std::map<std::string, uint32_t> max_entries; // by map name
    cnet_config config; // to `cnet_cfg` in .rodata; with dry_run every map must exist
};

// Of a pinned map, in entries.
struct OtherSize {
    uint32_t pinned;
    uint32_t wanted;
};
using OtherSizes = std::map<std::string, OtherSize>; // by map name

class Object {
public:
    // Adds to `other_sizes`.
    static Result<Object> load(const ObjectImage& image, const ObjectSettings& settings,
                               OtherSizes& other_sizes);

    // -1 when it has no program of this name, or has not loaded it.
    int program_fd(std::string_view name) const;
    // Of a section's variables, as ".data.trace"; -1 when it has no such section.
    int section_fd(std::string_view section) const;
    std::vector<std::string> program_names() const; // of those that are loaded
    // Pins every program, each replacing its predecessor atomically.
    Status pin_programs(const std::filesystem::path& pins) const;
    // Pins what somebody removed, of maps and programs; how many those were.
    Result<unsigned> restore_pins(const std::filesystem::path& pins) const;
    const std::string& name() const { return name_; }

private:
    struct Close {
        void operator()(bpf_object* object) const;
    };
    Object(std::string name, std::unique_ptr<bpf_object, Close> object)
        : name_(std::move(name)), object_(std::move(object)) {}

    std::string name_;
    std::unique_ptr<bpf_object, Close> object_;
};

} // namespace cnet::loader
