#include "userspace/netavark/run.h"

#include <filesystem>
#include <ostream>

#include "userspace/base/paths.h"
#include "userspace/netavark/verbs.h"

namespace cnet::netavark {
namespace {

std::filesystem::path socket_of(const std::string& root) {
    if (root.empty() || root == "/") return Paths::system().socket;
    return Paths::below(root).socket;
}

Outcome<Json> execute(const std::vector<std::string>& arguments, const std::string& root,
                      const std::string& input) {
    const std::string verb = arguments.empty() ? "" : arguments[0];
    const bool in_netns = verb == "setup" || verb == "teardown";
    if (verb == "info") return info();
    if ((verb != "create" && !in_netns) || arguments.size() != (in_netns ? 2 : 1))
        return Fault{Code::kEnvironment,
                     "usage: cnet create | setup NETNS | teardown NETNS | info; netavark calls it"};
    Daemon daemon(socket_of(root));
    if (verb == "create") {
        auto network = parse_network(input);
        if (!network) return network.fault();
        return create(daemon, *network);
    }
    auto attachment = parse_attachment(input);
    if (!attachment) return attachment.fault();
    if (verb == "setup") return setup(daemon, *attachment, arguments[1]);
    if (Done done = teardown(daemon, *attachment); !done) return done.fault();
    return Json();
}

// The JSON library throws where a key of an answer is missing or of another type: that is a cnetd
// of another version.
Outcome<Json> execute_safely(const std::vector<std::string>& arguments, const std::string& root,
                             const std::string& input) {
    try {
        return execute(arguments, root, input);
    } catch (const Json::exception& error) {
        return Fault{Code::kRefused,
                     std::string("cnetd's answer is not understood: ") + error.what()};
    }
}

} // namespace

int run(const std::vector<std::string>& arguments, const std::string& root,
        const std::string& input, std::ostream& out) {
    auto result = execute_safely(arguments, root, input);
    const Json said = result ? *result : Json{{"error", result.fault().message}};
    if (!said.is_null())
        out << said.dump(-1, ' ', false, Json::error_handler_t::replace) << std::endl;
    return result && out ? 0 : 1;
}

} // namespace cnet::netavark
