// From the steps that a program told of to what docs/api.md says of them, with the names that
// people gave.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "maps/abi.h"
#include "maps/abi_trace.h"
#include "userspace/api/json.h"

namespace cnet::control {
class Controller;
}

namespace cnet::api {

// What a dry run of the programs answers.
struct Explanation {
    std::vector<uint8_t> frame; // as it would go on
    std::vector<cnet_trace_step> steps;
};

class Names {
public:
    explicit Names(const control::Controller& controller);

    std::string device(uint32_t ifindex) const;   // "#7" when it is gone
    std::string endpoint(uint32_t ifindex) const; // empty when none is there
    std::string network(uint32_t id) const;
    std::string peer(uint32_t id) const; // its address
    std::string endpoint_by_id(uint32_t id) const;
    // "cnet1 (endpoint web)"
    std::string place(uint32_t ifindex) const;

private:
    std::map<uint32_t, std::string> devices_;
    std::map<uint32_t, std::string> endpoints_;
    std::map<uint32_t, std::string> endpoint_ids_;
    std::map<uint32_t, std::string> networks_;
    std::map<uint32_t, std::string> peers_;
};

// {"step", "text", ...}
Json step_json(const cnet_trace_step& step, const Names& names);
// {"hook", "device", "verdict", "reason", "meaning", "hint", "packet", "to", "steps"}
Json explanation_json(cnet_hook hook, uint32_t ifindex, const Explanation& explanation,
                      const Names& names);

} // namespace cnet::api
