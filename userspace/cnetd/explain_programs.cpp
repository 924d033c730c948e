#include "userspace/cnetd/explain_programs.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>

#include "loader/explainer.h"
#include "userspace/base/unique_fd.h"

namespace cnet::daemon {
namespace {

// All zero for a device that is gone or has none: that is what a packet without an Ethernet header
// is compared with, too.
MacAddress mac_of(const std::string& device) {
    std::array<uint8_t, CNET_MAC_LEN> mac{};
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ifreq request{};
    if (!socket || device.size() >= sizeof(request.ifr_name)) return MacAddress(mac);
    std::copy(device.begin(), device.end(), request.ifr_name);
    if (ioctl(socket.get(), SIOCGIFHWADDR, &request) == 0)
        std::copy_n(reinterpret_cast<const uint8_t*>(request.ifr_hwaddr.sa_data), mac.size(),
                    mac.begin());
    return MacAddress(mac);
}

} // namespace

api::ExplainPrograms explain_programs(const loader::DataPath& data_path) {
    // Loaded for one packet at a time: nobody explains often, and they take memory.
    auto run = [&data_path](cnet_hook hook, uint32_t ifindex,
                            const std::vector<uint8_t>& frame) -> Result<api::Explanation> {
        auto explainer = loader::Explainer::load(data_path, hook);
        if (!explainer) return explainer.error();
        auto explained = explainer->run(ifindex, frame);
        if (!explained) return explained.error();
        return api::Explanation{std::move(explained->frame), std::move(explained->steps)};
    };
    return {run, mac_of};
}

} // namespace cnet::daemon
