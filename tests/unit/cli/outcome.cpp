#include "tests/unit/cli/outcome.h"

#include <sstream>

namespace cnet::cli::test {

Outcome run_with(const Environment& environment, const std::vector<std::string>& words) {
    std::ostringstream out, err;
    int status = run(words, environment, out, err);
    return {status, out.str(), err.str()};
}

Outcome run_on(const FakeServer& server, const std::vector<std::string>& words) {
    return run_below(server.root(), words);
}

Outcome run_below(const std::filesystem::path& root, const std::vector<std::string>& words) {
    Environment environment;
    environment.root = root.string();
    return run_with(environment, words);
}

} // namespace cnet::cli::test
