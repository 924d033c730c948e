// Flows as people see them, and the filter of `ct list`.
#pragma once

#include <string>

#include "maps/abi.h"
#include "userspace/control/gc.h"
#include "userspace/control/views.h"

namespace cnet::control {

CtView flow_view(const cnet_ct_key& forward, const cnet_ct_entry& entry, const State& state,
                 const Timeouts& timeouts, uint64_t now_ns);

// A filter with its names resolved.
class FlowFilter {
public:
    // kNotFound for an unknown network or endpoint, kInvalid for an unknown protocol or state.
    static Result<FlowFilter> resolve(const CtFilter& filter, const State& state);
    bool matches(const cnet_ct_key& forward, const cnet_ct_entry& entry) const;

private:
    bool matches_endpoint(const cnet_ct_key& forward, const cnet_ct_entry& entry) const;

    CtFilter filter_;
    std::optional<uint8_t> protocol_;
    std::optional<NetworkId> network_;
    std::optional<Endpoint> endpoint_;
};

} // namespace cnet::control
