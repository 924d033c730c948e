// One readable line a flow, as conntrack(8) has it: no header, words that say what they are.
#pragma once

#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {

View flow_view();

} // namespace cnet::cli
