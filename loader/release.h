// Takes the whole data path off the kernel without loading anything, so that it works on what any
// version has pinned. For removal; a running cnetd would make everything again.
#pragma once

#include "userspace/base/paths.h"
#include "userspace/base/result.h"

namespace cnet::loader {

// Detaches every program and removes every pin, and the bpffs where `paths` has its own. Nothing
// pinned is success. kConflict when the pins belong to another network namespace than the calling
// thread's: filters could not be removed from devices there.
Status release(const Paths& paths);

} // namespace cnet::loader
