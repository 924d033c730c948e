// Rtnl over the running kernel, by libnl-route-3. It belongs to the network namespace in which it
// was opened, wherever its caller is later. Not thread-safe. Errors carry the kernel's words:
// EEXIST is kConflict, ENODEV and ENOENT are kNotFound, EPERM is kDenied, EINVAL and ERANGE are
// kInvalid.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "userspace/base/unique_fd.h"
#include "userspace/netlink/rtnl.h"
#include "userspace/netlink/socket.h"

namespace cnet::netlink {

class KernelRtnl final : public Rtnl {
public:
    // In the calling thread's namespace.
    static Result<std::unique_ptr<KernelRtnl>> open();

    Result<std::vector<LinkInfo>> links() override;
    Result<std::vector<AddressInfo>> addresses() override;
    Result<std::vector<RouteInfo>> routes() override;
    Result<Bridging> bridging(const std::set<uint32_t>& bridges) override;
    Result<LinkInfo> link(const std::string& name) override;
    Result<LinkInfo> link(uint32_t ifindex) override;

    Status create_veth(const VethSpec& spec) override;
    Status create_vxlan(const VxlanSpec& spec) override;
    Status create_vxlan_receiver(const VxlanReceiverSpec& spec) override;
    Status delete_vxlan_receiver(const VxlanReceiverSpec& spec) override;
    Status delete_link(const std::string& name) override;
    Status set_up(const std::string& name, bool up) override;
    Status set_mtu(const std::string& name, uint32_t mtu) override;
    Status limit_rate(const std::string& name, const RateLimit& limit) override;
    Status set_promiscuous(const std::string& name, bool on) override;
    Status add_address(const std::string& name, const IpPrefix& address) override;
    Status delete_address(const std::string& name, const IpPrefix& address) override;
    Result<std::vector<HostRoute>> host_routes(const std::string& name) override;
    Status add_host_route(const std::string& name, const HostRoute& route) override;
    Status delete_host_route(const std::string& name, const HostRoute& route) override;
    Status set_sysctl(const std::string& family, const std::string& name, const std::string& key,
                      const std::string& value) override;
    Result<std::string> sysctl(const std::string& family, const std::string& name,
                               const std::string& key) override;

    Status configure_endpoint(const EndpointSetup& setup) override;
    Status announce_endpoint(const EndpointSetup& setup) override;
    Status update_endpoint(const EndpointUpdate& update) override;
    Result<LinkInfo> inner_end(const InnerEnd& which) override;

private:
    KernelRtnl(UniqueFd netns, Socket socket)
        : netns_(std::move(netns)), socket_(std::move(socket)) {}
    // The directory; kNotFound while the kernel does not know the family.
    Result<int> sysctls_of(const std::string& family);

    UniqueFd netns_;
    Socket socket_;
    UniqueFd sysctls4_, sysctls6_; // once they have been used
};

} // namespace cnet::netlink
