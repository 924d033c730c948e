// The whole program, run in this process against a FakeServer or none.
#pragma once

#include <string>
#include <vector>

#include "tests/unit/cli/fake_server.h"
#include "userspace/cnet-bpf/run.h"

namespace cnet::cli::test {

struct Outcome {
    int status;
    std::string out;
    std::string err;
};

Outcome run_with(const Environment& environment, const std::vector<std::string>& words);
Outcome run_on(const FakeServer& server, const std::vector<std::string>& words);
// Nothing runs below this directory, and it need not exist.
Outcome run_below(const std::filesystem::path& root, const std::vector<std::string>& words);

} // namespace cnet::cli::test
