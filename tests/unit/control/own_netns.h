// Whether main.cpp could give this process a network namespace of its own.
#pragma once

namespace cnet::test {

extern bool in_own_netns;

} // namespace cnet::test
