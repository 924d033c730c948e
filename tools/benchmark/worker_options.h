// What one end of the benchmark's work is told to do.
#pragma once

#include <netinet/in.h>

#include <cstdint>

#include "userspace/base/result.h"

namespace cnet::bench {

enum class Role { kServer, kClient };
enum class Work {
    kRr,     // one connection, one byte each way again and again
    kCrr,    // connect, one byte each way, close with RST
    kStream, // one connection, a block one way, one byte back, again and again
};

struct Options {
    Role role = Role::kServer;
    Work work = Work::kRr;
    in_addr address{}; // the server's: what to listen on, what to connect to
    uint16_t port = 0;
    uint64_t token = 0; // both ends of a run have the same, no two runs do
    int cpu = 0;
    int nice = 0;
    double seconds = 1.0; // client: how long
};

Result<Options> parse_options(int argc, char** argv);

} // namespace cnet::bench
