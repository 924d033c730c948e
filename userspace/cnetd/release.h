// `cnetd --release`: the host as it was before cnetd, for removal. The store stays, so that a cnetd
// that starts again makes everything anew.
#pragma once

#include "userspace/base/result.h"
#include "userspace/cnetd/options.h"

namespace cnet::daemon {

// kConflict while a cnetd runs. Goes on past what cannot be removed, and answers the first error.
Status release(const Options& options);

} // namespace cnet::daemon
