#include "userspace/netlink/kernel_rtnl.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <thread>

#include "userspace/base/names.h"
#include "userspace/base/netns.h"
#include "userspace/netlink/host_route.h"
#include "userspace/netlink/qdisc.h"
#include "userspace/netlink/read.h"
#include "userspace/netlink/sysctl.h"
#include "userspace/netlink/vxlan_receiver.h"
#include "userspace/netlink/write.h"

namespace cnet::netlink {
namespace {

// A socket stays in the namespace it was opened in, so the visit is over before the socket is used.
Result<Socket> open_socket_in(const std::string& netns) {
    auto guard = NetnsGuard::enter(netns);
    if (!guard) return guard.error();
    return open_socket();
}

// What a worker of the kernel's does in a moment.
Status await_kernel(const std::function<Result<bool>()>& is_done, const std::string& complaint) {
    constexpr auto kPatience = std::chrono::seconds(10); // on a machine that is very busy
    constexpr auto kPause = std::chrono::milliseconds(1);
    const auto end = std::chrono::steady_clock::now() + kPatience;
    for (;;) {
        auto done = is_done();
        if (done && *done) return {};
        if (std::chrono::steady_clock::now() > end)
            return done ? Error(ErrorKind::kSystem, complaint) : done.error();
        std::this_thread::sleep_for(kPause);
    }
}

// Of IPv6: there is nothing to wait for with IPv4.
Status await_delivery(nl_sock* socket, const std::vector<IpPrefix>& addresses) {
    Status status;
    for (const IpPrefix& one : addresses) {
        if (one.is_v4() || !status) continue;
        // No route at all is an error too.
        status = await_kernel([&] { return is_delivered(socket, one.address()); },
                              "the kernel has no route to its own " + one.address().to_string() +
                                  " yet");
    }
    return status;
}

Status await_queue(nl_sock* socket, const LinkInfo& link) {
    return await_kernel([&] { return is_settled(socket, link.ifindex); },
                        "the kernel sends nothing by " + link.name + " yet");
}

// /proc/sys/net shows the namespace of the thread that opens the file. Without IPv6 in the kernel
// there are no such files.
Status set_inside_sysctls(const Rtnl::EndpointSetup& setup) {
    struct Sysctl {
        const char* key;
        const char* value;
    };
    std::vector<Sysctl> sysctls = {{"ndisc_notify", "1"}};
    if (!setup.listens) sysctls.push_back({"accept_ra", "0"});
    const bool has_v6 = std::any_of(setup.addresses.begin(), setup.addresses.end(),
                                    [](const IpPrefix& address) { return !address.is_v4(); });
    if (has_v6) sysctls.push_back({"disable_ipv6", "0"});
    auto guard = NetnsGuard::enter(setup.netns);
    if (!guard) return guard.error();
    for (const Sysctl& sysctl : sysctls) {
        auto set = write_sysctl(sysctl_path("ipv6", setup.ifname, sysctl.key), sysctl.value);
        if (!set && set.error().errno_value() != ENOENT) return set;
    }
    return write_sysctl(sysctl_path("ipv4", setup.ifname, "arp_notify"), "1");
}

Status configure(nl_sock* socket, const Rtnl::EndpointSetup& setup) {
    if (auto up = request_up(socket, "lo", true); !up) return up;
    auto link = read_link(socket, setup.ifname);
    if (!link) return link.error();
    if (setup.egress)
        if (auto set = request_rate_limit(socket, *link, setup.egress); !set) return set;
    // The link-local address that the data path knows as the endpoint's is made from its MAC.
    if (auto set = request_eui64(socket, setup.ifname); !set) return set;
    if (!setup.up) return {};
    // Up first: the kernel takes a route only by way of a device that is.
    if (auto up = request_up(socket, setup.ifname, true); !up) return up;
    for (const auto& address : setup.addresses)
        if (auto added = request_add_address(socket, link->ifindex, address); !added) return added;
    for (const auto& gateway : setup.default_gateways)
        if (auto added = request_default_route(socket, link->ifindex, gateway); !added)
            return added;
    return {};
}

// By its index, not out of a list of the devices inside: whoever may make devices there decides how
// long that is, and by adding and deleting more he can keep it from ever being read as a whole.
Result<LinkInfo> find_inner_end(nl_sock* host, nl_sock* inside, const Rtnl::InnerEnd& which) {
    auto ifindex = read_peer_ifindex(host, which.host_ifname);
    if (!ifindex) return ifindex.error();
    auto link = read_link(inside, *ifindex);
    if (!link) return link.error().because(which.netns);
    if (link->kind != "veth" || link->mac != which.mac)
        return Error(ErrorKind::kNotFound,
                     which.netns + ": the other end of " + which.host_ifname + " is not there");
    return link;
}

Status update_inside(nl_sock* socket, const LinkInfo& link, const Rtnl::EndpointUpdate& update) {
    if (link.mtu != update.mtu)
        if (auto set = request_mtu(socket, link.name, update.mtu); !set) return set;
    for (const auto& gateway : update.former_gateways)
        if (auto gone = request_no_default_route(socket, link.ifindex, gateway); !gone) return gone;
    for (const auto& gateway : update.default_gateways)
        if (auto added = request_default_route(socket, link.ifindex, gateway); !added) return added;
    return {};
}

} // namespace

Result<std::unique_ptr<KernelRtnl>> KernelRtnl::open() {
    auto netns = open_current_netns();
    if (!netns) return netns.error();
    auto socket = open_socket();
    if (!socket) return socket.error();
    return std::unique_ptr<KernelRtnl>(new KernelRtnl(std::move(*netns), std::move(*socket)));
}

Result<std::vector<LinkInfo>> KernelRtnl::links() {
    return read_links(socket_.get());
}

Result<std::vector<AddressInfo>> KernelRtnl::addresses() {
    return read_addresses(socket_.get());
}

Result<std::vector<RouteInfo>> KernelRtnl::routes() {
    return read_routes(socket_.get());
}

Result<Bridging> KernelRtnl::bridging(const std::set<uint32_t>& bridges) {
    auto guard = NetnsGuard::enter(netns_.get());
    if (!guard) return guard.error();
    return read_bridging(socket_.get(), bridges);
}

Result<LinkInfo> KernelRtnl::link(const std::string& name) {
    return read_link(socket_.get(), name);
}

Result<LinkInfo> KernelRtnl::link(uint32_t ifindex) {
    return read_link(socket_.get(), ifindex);
}

Status KernelRtnl::create_veth(const VethSpec& spec) {
    return request_veth(socket_.get(), spec);
}

Status KernelRtnl::create_vxlan(const VxlanSpec& spec) {
    return request_vxlan(socket_.get(), spec);
}

Status KernelRtnl::create_vxlan_receiver(const VxlanReceiverSpec& spec) {
    return make_vxlan_receiver(socket_.get(), netns_.get(), spec);
}

Status KernelRtnl::delete_vxlan_receiver(const VxlanReceiverSpec& spec) {
    return remove_vxlan_receiver(socket_.get(), spec);
}

Status KernelRtnl::delete_link(const std::string& name) {
    return request_delete_link(socket_.get(), name);
}

Status KernelRtnl::set_up(const std::string& name, bool up) {
    return request_up(socket_.get(), name, up);
}

Status KernelRtnl::set_mtu(const std::string& name, uint32_t mtu) {
    return request_mtu(socket_.get(), name, mtu);
}

Status KernelRtnl::limit_rate(const std::string& name, const RateLimit& limit) {
    auto device = read_link(socket_.get(), name);
    if (!device) return device.error();
    return request_rate_limit(socket_.get(), *device, limit);
}

Status KernelRtnl::set_promiscuous(const std::string& name, bool on) {
    return request_promiscuous(socket_.get(), name, on);
}

Status KernelRtnl::add_address(const std::string& name, const IpPrefix& address) {
    auto device = read_link(socket_.get(), name);
    if (!device) return device.error();
    auto added = request_add_address(socket_.get(), device->ifindex, address);
    if (!added) return added.error().because(name);
    return {};
}

Status KernelRtnl::delete_address(const std::string& name, const IpPrefix& address) {
    auto device = read_link(socket_.get(), name);
    if (!device && device.error().kind() == ErrorKind::kNotFound) return {};
    if (!device) return device.error();
    auto deleted = request_delete_address(socket_.get(), device->ifindex, address);
    if (!deleted) return deleted.error().because(name);
    return {};
}

Result<std::vector<HostRoute>> KernelRtnl::host_routes(const std::string& name) {
    auto device = link(name);
    if (!device) return device.error();
    return read_host_routes(socket_.get(), device->ifindex);
}

Status KernelRtnl::add_host_route(const std::string& name, const HostRoute& route) {
    auto device = link(name);
    return device ? request_host_route(socket_.get(), device->ifindex, route) : device.error();
}

Status KernelRtnl::delete_host_route(const std::string& name, const HostRoute& route) {
    auto device = link(name);
    if (!device && device.error().kind() == ErrorKind::kNotFound) return {};
    return device ? request_no_host_route(socket_.get(), device->ifindex, route) : device.error();
}

Result<int> KernelRtnl::sysctls_of(const std::string& family) {
    UniqueFd& directory = family == "ipv6" ? sysctls6_ : sysctls4_;
    if (!directory) {
        auto guard = NetnsGuard::enter(netns_.get());
        if (!guard) return guard.error();
        auto opened = open_sysctls(family);
        if (!opened) return opened.error();
        directory = *std::move(opened);
    }
    return directory.get();
}

Status KernelRtnl::set_sysctl(const std::string& family, const std::string& name,
                              const std::string& key, const std::string& value) {
    if (!valid_ifname(name))
        return Error(ErrorKind::kInvalid, "\"" + name + "\" is no device name");
    auto directory = sysctls_of(family);
    if (!directory) return directory.error();
    return write_sysctl(name + "/" + key, value, *directory);
}

Result<std::string> KernelRtnl::sysctl(const std::string& family, const std::string& name,
                                       const std::string& key) {
    if (!valid_ifname(name))
        return Error(ErrorKind::kInvalid, "\"" + name + "\" is no device name");
    auto directory = sysctls_of(family);
    if (!directory) return directory.error();
    return read_sysctl(name + "/" + key, *directory);
}

Status KernelRtnl::configure_endpoint(const EndpointSetup& setup) {
    auto socket = open_socket_in(setup.netns);
    if (!socket) return socket.error();
    auto done = set_inside_sysctls(setup);
    if (done) done = configure(socket->get(), setup);
    if (!done) return done.error().because(setup.netns);
    return {};
}

Status KernelRtnl::announce_endpoint(const EndpointSetup& setup) {
    auto socket = open_socket_in(setup.netns);
    if (!socket) return socket.error();
    auto link = read_link(socket->get(), setup.ifname);
    if (!link) return link.error().because(setup.netns);
    auto done = await_queue(socket->get(), *link);
    if (done) done = await_delivery(socket->get(), setup.addresses);
    if (done) done = request_same_mac(socket->get(), *link);
    if (!done) return done.error().because(setup.netns);
    return {};
}

Status KernelRtnl::update_endpoint(const EndpointUpdate& update) {
    auto socket = open_socket_in(update.inside.netns);
    if (!socket && socket.error().kind() == ErrorKind::kNotFound) return {};
    if (!socket) return socket.error();
    auto link = find_inner_end(socket_.get(), socket->get(), update.inside);
    if (!link && link.error().kind() == ErrorKind::kNotFound) return {};
    if (!link) return link.error();
    auto done = update_inside(socket->get(), *link, update);
    if (!done) return done.error().because(update.inside.netns);
    return {};
}

Result<LinkInfo> KernelRtnl::inner_end(const InnerEnd& which) {
    auto socket = open_socket_in(which.netns);
    if (!socket) return socket.error();
    return find_inner_end(socket_.get(), socket->get(), which);
}

} // namespace cnet::netlink
