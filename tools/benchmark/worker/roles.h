// What the two ends of each kind of work do. A server prints "ready" once it listens, serves one
// run and ends; a client prints one JSON object.
#pragma once

#include "tools/benchmark/worker/options.h"
#include "userspace/base/result.h"

namespace cnet::bench {

Status serve_tcp(const Options& options);
Status ask_by_tcp(const Options& options);

// Counts datagrams that are of this run and tells the client, in the end, how many came.
Status serve_datagrams(const Options& options);
Status send_datagrams(const Options& options);

// Answers each datagram where it came from.
Status serve_flows(const Options& options);
Status ask_by_flows(const Options& options);

// The server is serve_tcp().
Status ask_by_churn(const Options& options);

// Answers GET /TOKEN until SIGTERM, and prints how many answers it gave.
Status serve_http(const Options& options);

void say_ready();

} // namespace cnet::bench
