// What dockerd asks its plugins (calls about networks, endpoints and pools, and the options in
// them), what it answers to whoever follows it, and its rules as iptables-save prints them.
#include <algorithm>

#include "tests/fuzz/input.h"
#include "userspace/docker/adopt_picture.h"
#include "userspace/docker/adopt_rules.h"
#include "userspace/docker/options.h"
#include "userspace/docker/ports.h"
#include "userspace/docker/requests.h"

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

bool is_plain(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// The options apart, a network has the subnets it was given and an endpoint what its Interface
// says.
void read_call(unsigned which, std::string_view text) {
    const Json call = Json::parse(text, nullptr, false);
    const Reader request(call);
    if (which == 0) {
        control::NetworkSpec spec;
        if (!read_subnets(request, spec)) return;
        CNET_CHECK(spec.gateways.size() <= spec.subnets.size());
        (void)read_aux_addresses(request);
    }
    if (which == 1) {
        const auto wanted = read_interface(request.inside("Interface"));
        CNET_CHECK(!wanted || wanted->ips.size() <= 2);
    }
    if (which == 2) {
        const auto wanted = read_pool_request(request);
        CNET_CHECK(!wanted || request.fault());
    }
    if (which == 3) {
        const auto id = read_id(request, "EndpointID");
        CNET_CHECK(!id || (!id->empty() && id->size() <= 64 && std::ranges::all_of(*id, is_plain)));
    }
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
    const cnet::fuzz::Input input(data, size, 10);
    if (input.way < 4) cnet::docker::read_options(input.way, input.text);
    if (input.way == 4) cnet::docker::read_answers(input.text);
    if (input.way == 5) (void)cnet::docker::Rules::parse(input.text).refusal("docker0");
    if (input.way > 5) cnet::docker::read_call(input.way - 6, input.text);
    return 0;
}
