// What a process is about to do, at the entry of a system call: does it change anything that
// outlives the process, or that somebody else sees?
#pragma once

#include <string>
#include <sys/ptrace.h>
#include <sys/types.h>

namespace cnet::faults {

// In words, "bpf obj_pin"; empty when it is no step. Reads, what is the process' own and goes with
// it, and its log are none.
std::string step_of(pid_t pid, const __ptrace_syscall_info& info);

} // namespace cnet::faults
