// Rtnl in memory, as faithful as control/ needs it: veth ends live and die together, also across
// namespaces, interface indexes are given once, an address makes no route. Namespaces exist once a
// test has added them.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/netlink/fake_errors.h"
#include "userspace/netlink/rtnl.h"

namespace cnet::test {

class FakeRtnl final : public netlink::Rtnl {
public:
    struct Link {
        netlink::LinkInfo info;
        std::string netns; // "" is our own
        uint32_t peer = 0;
        std::vector<IpPrefix> addresses;
        RateLimit limit; // of what leaves it
        std::vector<netlink::HostRoute> host_routes;
    };

    FakeRtnl() {
        Link lo;
        lo.info.name = "lo";
        lo.info.loopback = true;
        lo.info.up = true;
        lo.info.mtu = 65536;
        add(std::move(lo));
    }

    // ---- what a test arranges ----
    void add_netns(const std::string& path) { namespaces_.insert(path); }
    void remove_netns(const std::string& path) {
        namespaces_.erase(path);
        for (const auto index : indexes_in(path))
            remove(index);
    }
    // A device that is not ours; its index.
    uint32_t add_device(const std::string& name, const std::vector<IpPrefix>& addresses = {},
                        const std::string& kind = "") {
        Link link;
        link.info.name = name;
        link.info.kind = kind;
        link.info.mtu = 1500;
        link.info.up = true;
        link.addresses = addresses;
        return add(std::move(link));
    }
    // Into another namespace, or only to another name.
    void move(const std::string& name, const std::string& to, const std::string& new_name,
              const std::string& from = "") {
        auto* link = find_mutable(name, from);
        link->netns = to;
        link->info.name = new_name;
    }
    // IFA_F_DEPRECATED and the like, until set again.
    void set_address_state(const IpAddress& address, const netlink::AddressInfo& state) {
        address_states_[address] = state;
    }
    netlink::Bridging& bridging_of() { return bridging_; } // a port is one by enslave()
    void enslave(const std::string& name, uint32_t master) {
        if (Link* link = find_mutable(name)) link->info.master = master;
    }
    void add_route(const IpPrefix& destination, uint32_t ifindex) {
        routes_.push_back({destination, ifindex});
    }
    // The next call of that method ("create_veth", ...) fails like this, once.
    void fail_next(const std::string& method, Error error) {
        failures_.insert_or_assign(method, std::move(error));
    }

    // ---- what a test looks at ----
    const Link* find(const std::string& name, const std::string& netns = "") const {
        for (const auto& [index, link] : links_)
            if (link.netns == netns && link.info.name == name) return &link;
        return nullptr;
    }
    std::optional<std::string> sysctl_of(const std::string& family, const std::string& name,
                                         const std::string& key) const {
        const auto found = sysctls_.find(family + "/" + name + "/" + key);
        return found == sysctls_.end() ? std::nullopt : std::optional(found->second);
    }
    // Default gateways that configure_endpoint() set inside a namespace.
    std::vector<IpAddress> gateways(const std::string& netns) const {
        const auto found = gateways_.find(netns);
        return found == gateways_.end() ? std::vector<IpAddress>{} : found->second;
    }
    // Calls that change something, so far: a second reconcile should make none.
    unsigned changes() const { return changes_; }
    uint32_t last_index() const { return last_index_; }

    // ---- Rtnl ----
    Result<std::vector<netlink::LinkInfo>> links() override {
        if (auto error = failure("links")) return *error;
        std::vector<netlink::LinkInfo> all;
        for (const auto& [index, link] : links_)
            if (link.netns.empty()) all.push_back(seen(link));
        return all;
    }

    Result<std::vector<netlink::AddressInfo>> addresses() override {
        if (auto error = failure("addresses")) return *error;
        std::vector<netlink::AddressInfo> all;
        for (const auto& [index, link] : links_) {
            if (!link.netns.empty()) continue;
            for (const auto& address : link.addresses)
                all.push_back(info_of(index, address));
        }
        return all;
    }

    Result<std::vector<netlink::RouteInfo>> routes() override {
        if (auto error = failure("routes")) return *error;
        return routes_;
    }

    Result<netlink::Bridging> bridging(const std::set<uint32_t>&) override {
        if (auto error = failure("bridging")) return *error;
        return bridging_; // also of what is no port by now, and of other bridges
    }

    Result<netlink::LinkInfo> link(const std::string& name) override {
        if (auto error = failure("link")) return *error;
        return info(name);
    }

    Result<netlink::LinkInfo> link(uint32_t ifindex) override {
        if (auto error = failure("link")) return *error;
        const auto found = links_.find(ifindex);
        if (found != links_.end() && found->second.netns.empty()) return seen(found->second);
        return no_device(std::to_string(ifindex));
    }

    Status create_veth(const netlink::VethSpec& spec) override {
        if (auto error = failure("create_veth")) return *error;
        if (!spec.peer_netns.empty() && !namespaces_.contains(spec.peer_netns))
            return no_netns(spec.peer_netns);
        if (find(spec.name)) return taken(spec.name);
        if (find(spec.peer_name, spec.peer_netns)) return taken(spec.peer_name);
        ++changes_;
        const auto host = add(veth_end(spec.name, "", spec.mac, spec.alias, spec.mtu));
        const auto peer =
            add(veth_end(spec.peer_name, spec.peer_netns, spec.peer_mac, "", spec.mtu));
        links_[host].peer = peer;
        links_[peer].peer = host;
        return {};
    }

    Status create_vxlan(const netlink::VxlanSpec& spec) override {
        if (auto error = failure("create_vxlan")) return *error;
        if (find(spec.name)) return taken(spec.name);
        ++changes_;
        Link link;
        link.info.name = spec.name;
        link.info.kind = "vxlan";
        link.info.alias = spec.alias;
        link.info.mtu = spec.mtu;
        link.info.mac = spec.mac.value_or(MacAddress{});
        add(std::move(link));
        return {};
    }

    Status create_vxlan_receiver(const netlink::VxlanReceiverSpec& spec) override {
        if (auto error = failure("create_vxlan_receiver")) return *error;
        if (auto gone = delete_vxlan_receiver(spec); !gone) return gone;
        ++changes_;
        namespaces_.insert(spec.netns);
        const auto entrance =
            add(veth_end(spec.entrance, "", std::nullopt, spec.vxlan.alias, spec.vxlan.mtu));
        const auto inside = add(veth_end("in", spec.netns, std::nullopt, "", spec.vxlan.mtu));
        links_[entrance].peer = inside;
        links_[inside].peer = entrance;
        return create_vxlan(spec.vxlan);
    }

    Status delete_vxlan_receiver(const netlink::VxlanReceiverSpec& spec) override {
        if (auto gone = delete_link(spec.vxlan.name); !gone) return gone;
        if (auto gone = delete_link(spec.entrance); !gone) return gone;
        namespaces_.erase(spec.netns);
        return {};
    }

    Status delete_link(const std::string& name) override {
        if (auto error = failure("delete_link")) return *error;
        if (const auto* link = find(name)) {
            ++changes_;
            remove(link->info.ifindex);
        }
        return {};
    }

    Status set_up(const std::string& name, bool up) override {
        return change("set_up", name, [up](Link& link) { link.info.up = up; });
    }
    Status set_mtu(const std::string& name, uint32_t mtu) override {
        return change("set_mtu", name, [mtu](Link& link) { link.info.mtu = mtu; });
    }
    Status limit_rate(const std::string& name, const RateLimit& limit) override {
        return change("limit_rate", name, [&](Link& link) { link.limit = limit; });
    }
    Status set_promiscuous(const std::string& name, bool on) override {
        return change("set_promiscuous", name, [on](Link& link) { link.info.promiscuous = on; });
    }
    Status add_address(const std::string& name, const IpPrefix& address) override {
        return change("add_address", name, [&](Link& link) {
            if (!std::ranges::count(link.addresses, address)) link.addresses.push_back(address);
        });
    }
    Status delete_address(const std::string& name, const IpPrefix& address) override {
        return change("delete_address", name,
                      [&](Link& link) { std::erase(link.addresses, address); });
    }
    Result<std::vector<netlink::HostRoute>> host_routes(const std::string& name) override {
        if (auto error = failure("host_routes")) return *error;
        return find(name)->host_routes;
    }
    Status add_host_route(const std::string& name, const netlink::HostRoute& route) override {
        return change("add_host_route", name, [&](Link& l) { l.host_routes.push_back(route); });
    }
    Status delete_host_route(const std::string& name, const netlink::HostRoute& route) override {
        return change("delete_host_route", name,
                      [&](Link& link) { std::erase(link.host_routes, route); });
    }
    Status set_sysctl(const std::string& family, const std::string& name, const std::string& key,
                      const std::string& value) override {
        return change("set_sysctl", name,
                      [&](Link&) { sysctls_[family + "/" + name + "/" + key] = value; });
    }
    Result<std::string> sysctl(const std::string& family, const std::string& name,
                               const std::string& key) override {
        if (auto error = failure("sysctl")) return *error;
        if (!find(name)) return no_device(name);
        return sysctl_of(family, name, key).value_or("0");
    }

    Status configure_endpoint(const EndpointSetup& setup) override {
        if (auto error = failure("configure_endpoint")) return *error;
        if (!namespaces_.contains(setup.netns)) return no_netns(setup.netns);
        auto* link = find_mutable(setup.ifname, setup.netns);
        if (!link) return no_device(setup.ifname);
        ++changes_;
        for (const auto& address : setup.addresses)
            if (!std::ranges::count(link->addresses, address)) link->addresses.push_back(address);
        link->info.up = setup.up;
        if (setup.egress) link->limit = setup.egress;
        gateways_[setup.netns] = setup.default_gateways;
        return {};
    }

    Status announce_endpoint(const EndpointSetup& setup) override {
        if (auto error = failure("announce_endpoint")) return *error;
        if (!namespaces_.contains(setup.netns)) return no_netns(setup.netns);
        if (!find_mutable(setup.ifname, setup.netns)) return no_device(setup.ifname);
        return {};
    }

    Status update_endpoint(const EndpointUpdate& update) override {
        if (auto error = failure("update_endpoint")) return *error;
        auto* link = find_inner_end(update.inside);
        if (!link) return {};
        ++changes_;
        link->info.mtu = update.mtu;
        auto& gateways = gateways_[update.inside.netns];
        for (const auto& gateway : update.former_gateways)
            std::erase(gateways, gateway);
        for (const auto& gateway : update.default_gateways)
            if (!std::ranges::count(gateways, gateway)) gateways.push_back(gateway);
        return {};
    }

    Result<netlink::LinkInfo> inner_end(const InnerEnd& which) override {
        if (auto error = failure("inner_end")) return *error;
        const auto* link = find_inner_end(which);
        if (!link) return no_device(which.host_ifname);
        return link->info;
    }

private:
    netlink::AddressInfo info_of(uint32_t index, const IpPrefix& address) const {
        netlink::AddressInfo info;
        if (auto it = address_states_.find(address.address()); it != address_states_.end())
            info = it->second;
        info.ifindex = index;
        info.prefix = address;
        info.global_scope = !address.address().is_loopback();
        return info;
    }

    static Link veth_end(const std::string& name, const std::string& netns,
                         const std::optional<MacAddress>& mac, const std::string& alias,
                         uint32_t mtu) {
        Link link;
        link.info.name = name;
        link.info.kind = "veth";
        link.info.alias = alias;
        link.info.mtu = mtu;
        link.info.mac = mac.value_or(MacAddress{});
        link.netns = netns;
        return link;
    }

    std::optional<Error> failure(const std::string& method) {
        auto node = failures_.extract(method);
        return node.empty() ? std::nullopt : std::optional(std::move(node.mapped()));
    }

    uint32_t add(Link link) {
        const auto index = ++last_index_;
        link.info.ifindex = index;
        links_.emplace(index, std::move(link));
        return index;
    }

    void remove(uint32_t index) {
        const auto node = links_.extract(index);
        if (node.empty()) return;
        const auto& link = node.mapped();
        std::erase_if(sysctls_, [&](const auto& entry) {
            return link.netns.empty() &&
                   entry.first.find("/" + link.info.name + "/") != std::string::npos;
        });
        if (link.peer) remove(link.peer);
    }

    std::vector<uint32_t> indexes_in(const std::string& netns) const {
        std::vector<uint32_t> found;
        for (const auto& [index, link] : links_)
            if (link.netns == netns) found.push_back(index);
        return found;
    }

    Link* find_mutable(const std::string& name, const std::string& netns = "") {
        const auto* link = find(name, netns);
        return link ? &links_[link->info.ifindex] : nullptr;
    }

    Link* find_inner_end(const InnerEnd& which) {
        const auto* host = find(which.host_ifname);
        const auto peer = host ? links_.find(host->peer) : links_.end();
        if (peer == links_.end()) return nullptr;
        Link& link = peer->second;
        return link.netns == which.netns && link.info.mac == which.mac ? &link : nullptr;
    }

    Result<netlink::LinkInfo> info(const std::string& name) const {
        const auto* link = find(name);
        if (!link) return no_device(name);
        return seen(*link);
    }

    netlink::LinkInfo seen(const Link& link) const {
        auto info = link.info;
        const auto peer = links_.find(link.peer);
        if (peer != links_.end() && peer->second.netns == link.netns) info.peer_here = link.peer;
        return info;
    }

    template <typename Change>
    Status change(const std::string& method, const std::string& name, Change apply) {
        if (auto error = failure(method)) return *error;
        auto* link = find_mutable(name);
        if (!link) {
            // As Rtnl promises, what is gone with its device needs no deleting.
            if (method == "delete_address") return {};
            return no_device(name);
        }
        ++changes_;
        apply(*link);
        return {};
    }

    std::map<uint32_t, Link> links_;
    std::vector<netlink::RouteInfo> routes_;
    netlink::Bridging bridging_;
    std::map<std::string, std::vector<IpAddress>> gateways_; // by namespace
    std::map<std::string, std::string> sysctls_;             // "family/device/key"
    std::map<IpAddress, netlink::AddressInfo> address_states_;
    std::map<std::string, Error> failures_; // by method
    std::set<std::string> namespaces_;
    uint32_t last_index_ = 0;
    unsigned changes_ = 0;
};

} // namespace cnet::test
