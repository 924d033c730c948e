// What one end of the benchmark's work is told to do.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>

#include "userspace/base/result.h"

namespace cnet::bench {

enum class Role { kServer, kClient };
enum class Work {
    kRr,        // one connection, one byte each way again and again
    kCrr,       // connect, one byte each way, close with RST
    kStream,    // on each connection a block one way, one byte back, again and again
    kDatagrams, // small datagrams at a steady rate, one way
    kFlows,     // one datagram each way, each time of another flow
    kChurn,     // connect, one byte each way, close with FIN, each time of another flow
    kHttp,      // a server for HTTP requests by others
};

struct Options {
    Role role = Role::kServer;
    Work work = Work::kRr;
    in_addr address{};                // the server's: what to listen on, what to connect to
    std::optional<in6_addr> address6; // in its place; of rr, crr and stream
    uint16_t port = 0;
    uint64_t token = 0; // both ends of a run have the same, no two runs do
    int cpu = 0;
    int nice = 0;
    double seconds = 1.0; // client: how long
    int connections = 1;  // of a stream
    double rate = 10e3;   // datagrams a second
    uint32_t flows =
        1000; // each from an address of its own, from `sources` on; of churn: addresses
    in_addr sources{};
};

Result<Options> parse_options(int argc, char** argv);

} // namespace cnet::bench
