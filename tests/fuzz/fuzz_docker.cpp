// What dockerd asks its plugins (options of networks, endpoints, pools and ports), what it answers
// to whoever follows it, and its rules as iptables-save prints them.
#include "tests/fuzz/input.h"
#include "userspace/docker/adopt_picture.h"
#include "userspace/docker/adopt_rules.h"
#include "userspace/docker/options.h"
#include "userspace/docker/ports.h"

namespace cnet::docker {
namespace {

void read_options(unsigned which, std::string_view text) {
    const Json options = Json::parse(text, nullptr, false);
    if (!options.is_object()) return;
    const Reader reader(options);
    if (which == 0) (void)read_network_options(reader);
    if (which == 1) (void)read_endpoint_options(reader);
    if (which == 2) (void)check_pool_options(reader);
    if (which == 3) (void)read_ports(reader, std::nullopt);
}

// Networks, containers, info and rules, one behind the other with an empty line between.
void read_answers(std::string_view text) {
    Answers answers;
    for (std::string* part :
         {&answers.networks, &answers.containers, &answers.info, &answers.rules4}) {
        const size_t end = text.find("\n\n");
        *part = text.substr(0, end);
        text = end == std::string_view::npos ? "" : text.substr(end + 2);
    }
    (void)picture_of(answers);
}

} // namespace
} // namespace cnet::docker

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const cnet::fuzz::Input input(data, size, 6);
    if (input.way < 4) cnet::docker::read_options(input.way, input.text);
    if (input.way == 4) cnet::docker::read_answers(input.text);
    if (input.way == 5) (void)cnet::docker::Rules::parse(input.text).refusal("docker0");
    return 0;
}
