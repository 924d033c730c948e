// What an earlier process left pinned, and what becomes of it before programs are loaded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "userspace/base/paths.h"
#include "userspace/base/result.h"

namespace cnet::loader {

enum class Settled {
    kReady,     // the set of maps is this namespace's and complete, or there is none
    kToMigrate, // there is none, and one of another version is set aside (migrate.h)
    kToFinish,  // it is complete, and one of another version is set aside still
};

// A half-made set is removed, and one of another network namespace, with a warning. kNotFound with
// `dry_run`, where nothing is changed, when there is no complete set; kConflict when it is of
// another version then, or of one whose cnet_meta cannot be read.
Result<Settled> settle_pins(const Paths& paths, bool dry_run, uint64_t netns_cookie,
                            std::vector<std::string>& warnings);

} // namespace cnet::loader
