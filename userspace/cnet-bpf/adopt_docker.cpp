#include "userspace/cnet-bpf/adopt_docker.h"

#include <chrono>
#include <ostream>
#include <thread>

#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

using namespace std::chrono_literals;

constexpr const char* kAdoptedDocker = "/v1/adopted/docker";
// Docker is asked by the daemon, in its own time.
constexpr auto kAnswerMax = 15s;
constexpr auto kPoll = 20ms;

// "docker: bridges: 3; left: br-0123456789ab, back (containers may not talk ...)"
std::string describe(const Json& answer) {
    const Json& bridges = list_at(answer, "bridges");
    std::string left;
    for (const Json& bridge : bridges) {
        const std::string why = text_at(bridge, "left");
        if (why.empty()) continue;
        left += "; left: " + text_at(bridge, "bridge") + ", " + text_at(bridge, "docker_network") +
                " (" + why + ")";
    }
    std::string text = "docker: bridges: " + std::to_string(bridges.size()) + left;
    const std::string error = text_at(answer, "error");
    if (!error.empty()) text += "; warning: it is followed as soon as it answers: " + error;
    return text;
}

} // namespace

int adopt_docker(Context& context) {
    Reply reply = context.api.send("POST", kAdoptedDocker);
    const auto deadline = std::chrono::steady_clock::now() + kAnswerMax;
    while (reply.ok() && text_at(reply.body, "state") == "asking" &&
           std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(kPoll);
        reply = context.api.get(kAdoptedDocker);
    }
    if (!reply.ok()) return context.fail(reply);
    if (context.settings.json)
        context.print_json(reply.body);
    else
        context.out << printable(describe(reply.body)) << "\n";
    return kDone;
}

} // namespace cnet::cli
