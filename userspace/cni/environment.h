// What the runtime says by environment variables: the verb, the container, CNI_ARGS.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "userspace/cni/shared.h"

namespace cnet::cni {

struct Environment {
    std::string command;
    std::string container_id;
    std::string netns;
    std::string ifname;
    std::string args;
    std::string path;
    std::string root; // CNET_ROOT, of another host on this machine
};

// `get` is getenv, or a test's.
Environment read_environment(const std::function<const char*(const char*)>& get);

// Whether what the verb needs is there and well-formed.
Done check_environment(const Environment& environment);

// CNI_ARGS, "IgnoreUnknown=1;IP=10.1.2.3;MAC=02:00:00:00:00:01".
struct ExtraArguments {
    std::vector<std::string> ips;
    std::optional<std::string> mac;
    std::string pod_name; // the container's, with podman
};
Outcome<ExtraArguments> parse_arguments(const std::string& text);

} // namespace cnet::cni
