#include "userspace/cnetd/explain_programs.h"

#include "loader/explainer.h"

namespace cnet::daemon {

api::ExplainPrograms explain_programs(const loader::DataPath& data_path, netlink::Rtnl& rtnl) {
    // Loaded for one packet at a time: nobody explains often, and they take memory.
    auto run = [&data_path](cnet_hook hook, uint32_t ifindex,
                            const std::vector<uint8_t>& frame) -> Result<api::Explanation> {
        auto explainer = loader::Explainer::load(data_path, hook);
        if (!explainer) return explainer.error();
        auto explained = explainer->run(ifindex, frame);
        if (!explained) return explained.error();
        return api::Explanation{std::move(explained->frame), std::move(explained->steps)};
    };
    // All zero for a device that is gone or has none: that is what a packet without an Ethernet
    // header is compared with, too.
    auto mac_of = [&rtnl](const std::string& device) {
        auto link = rtnl.link(device);
        return link ? link->mac : MacAddress();
    };
    return {run, mac_of};
}

} // namespace cnet::daemon
