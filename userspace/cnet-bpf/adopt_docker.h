// `adopt docker`: all that Docker makes, in place of one bridge.
#pragma once

#include "userspace/cnet-bpf/context.h"

namespace cnet::cli {

inline constexpr const char* kDocker = "docker";

int adopt_docker(Context& context);

} // namespace cnet::cli
