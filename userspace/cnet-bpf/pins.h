// What the pins show without a daemon: maps (decoded by decode.h), programs and where they are
// attached. Reads only.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "userspace/base/result.h"
#include "userspace/cnet-bpf/json.h"

namespace cnet::cli {

// One object a pinned map: name, type, key_bytes, value_bytes, entries, max_entries, memory_bytes,
// id, flags. kNotFound when there are no pins.
Result<Json> list_maps(const std::filesystem::path& pins);
// `name` with or without "cnet_". kNotFound when there is no such map.
Result<Json> show_map(const std::filesystem::path& pins, std::string_view name);
// Calls `visit` with {"key": {...}, "value": {...}} for every entry, as docs/cli.md lists them: a
// full map is too much to hold as JSON. Array entries that are all zero are left out.
Status dump_map(const std::filesystem::path& pins, std::string_view name,
                const std::function<void(const Json& entry)>& visit);

// One object a program: hook, name, id, tag, devices, runs, run_time_ns, ns_per_run, instructions,
// jited_bytes.
Result<Json> list_programs(const std::filesystem::path& pins);

// {"path", "abi_version", "maps", "programs", "attachments"}; null for what
// cannot be read.
Json summarize_pins(const std::filesystem::path& pins);

} // namespace cnet::cli
