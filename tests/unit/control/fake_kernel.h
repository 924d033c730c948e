// The maps, programs and namespaces in memory. FakeTables checks after every single change that a
// packet arriving just then would find consistent maps: that is what the order of a reconcile
// promises.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <set>
#include <string>

#include "tests/unit/control/life.h"
#include "tests/unit/netlink/fake_rtnl.h"
#include "userspace/control/hooks.h"
#include "userspace/control/namespaces.h"
#include "userspace/control/tables.h"

namespace cnet::test {

class FakeTables final : public control::Tables {
public:
    explicit FakeTables(Life& life) : life_(life) {}

    control::MapContents contents;
    control::Entries<cnet_fdb_key, cnet_fdb_entry> learned;
    control::Entries<cnet_ct_key, cnet_ct_entry> flows;
    uint64_t fragments_dropped_before_ns = 0;
    std::vector<cnet_counter> counter_values = std::vector<cnet_counter>(CNET_COUNTER_COUNT);
    unsigned changes = 0;
    std::optional<control::Table> full; // refuses new entries

    Result<control::MapContents> read() override {
        if (!life_.spend()) return Life::dead();
        return contents;
    }

    Status apply(const control::TableChange& change) override {
        if (!life_.spend()) return Life::dead();
        if (full == change.table && change.value) {
            return Error(ErrorKind::kExhausted,
                         std::string(control::to_string(change.table)) + " is full", E2BIG);
        }
        changes++;
        control::apply_to(contents, change);
        if (change.table == control::Table::kFdb && change.value) {
            cnet_fdb_key key;
            std::memcpy(&key, change.key.data(), sizeof(key));
            EXPECT_FALSE(learned.contains(key))
                << "a learned entry was overwritten, its count is wrong now";
        }
        check();
        return {};
    }

    Status apply(const control::SlotChange& change) override {
        if (!life_.spend()) return Life::dead();
        changes++;
        control::apply_to(contents, change);
        check();
        return {};
    }

    Status for_each_ct(const control::CtVisitor& visit) override {
        if (!life_.spend()) return Life::dead();
        for (const auto& [key, entry] : flows)
            visit(key, entry);
        return {};
    }
    // One entry a piece, as they are when their turn comes.
    class Walk final : public control::CtWalk {
    public:
        explicit Walk(FakeTables& tables) : tables_(tables) {}
        Result<bool> next(const control::CtVisitor& visit) override {
            if (!tables_.life_.spend()) return Life::dead();
            auto at = last_ ? tables_.flows.upper_bound(*last_) : tables_.flows.begin();
            if (at == tables_.flows.end()) return false;
            last_ = at->first;
            visit(at->first, cnet_ct_entry(at->second));
            return true;
        }

    private:
        FakeTables& tables_;
        std::optional<cnet_ct_key> last_;
    };
    std::unique_ptr<control::CtWalk> walk_ct() override { return std::make_unique<Walk>(*this); }
    uint64_t ct_max_entries() const override { return 1000; }
    control::Entries<uint32_t, cnet_quota> quota_counts;
    Result<control::Entries<uint32_t, cnet_quota>> quotas() override { return quota_counts; }
    Result<uint64_t> leave_to_kernel(uint32_t network_id, const std::vector<IpPrefix>& sources,
                                     uint64_t) override {
        left_to_kernel.emplace_back(network_id, sources);
        return uint64_t{0};
    }
    std::vector<std::pair<uint32_t, std::vector<IpPrefix>>> left_to_kernel;

    Status for_each_fdb(const FdbVisitor& visit) override {
        if (!life_.spend()) return Life::dead();
        for (const auto& [key, entry] : contents.fdb)
            visit(key, entry);
        for (const auto& [key, entry] : learned)
            visit(key, entry);
        return {};
    }

    Status drop_fragments_before(uint64_t monotonic_ns) override {
        if (!life_.spend()) return Life::dead();
        fragments_dropped_before_ns = monotonic_ns;
        return {};
    }

    Result<std::optional<cnet_fdb_entry>> find_fdb(const cnet_fdb_key& key) override {
        if (!life_.spend()) return Life::dead();
        if (auto it = contents.fdb.find(key); it != contents.fdb.end())
            return std::optional(it->second);
        if (auto it = learned.find(key); it != learned.end()) return std::optional(it->second);
        return std::optional<cnet_fdb_entry>();
    }

    Result<std::vector<cnet_counter>> counters() override { return counter_values; }
    Status reset_counters() override {
        counter_values.assign(CNET_COUNTER_COUNT, {});
        return {};
    }

private:
    bool is_port(uint32_t ifindex) const { return contents.port.contains(ifindex); }

    void check() const {
        for (const auto& [id, network] : contents.network) {
            for (uint32_t i = 0; i < network.flood_ports; i++) {
                EXPECT_TRUE(contents.flood.contains({id, i}))
                    << "the flood list has a hole at " << i;
            }
            EXPECT_TRUE(contents.fdb_count.contains(id));
        }
        for (const auto& [ifindex, port] : contents.port) {
            EXPECT_TRUE(contents.network.contains(port.network_id)) << "port without its network";
            if (port.flags & CNET_PORT_HOST) continue;
            EXPECT_TRUE(contents.network.at(port.network_id).flood_interval_ns == 0 ||
                        contents.flood_rate.contains({port.network_id, ifindex, 0}))
                << "a port that may not flood at all";
        }
        for (const auto& [key, entry] : contents.neigh)
            EXPECT_TRUE(entry.peer_id != 0 || is_port(entry.ifindex)) << "neigh to nowhere";
        for (const auto& [key, entry] : contents.fdb)
            EXPECT_TRUE(!key.network_id || entry.peer_id || is_port(entry.ifindex)) << "to nowhere";
        for (const auto& [key, id] : contents.bind_addr)
            EXPECT_TRUE(contents.binding.contains(id));
        for (const auto& [id, binding] : contents.binding) {
            const bool filled = std::ranges::any_of(contents.allow, [&](const auto& entry) {
                return entry.first.list_id == binding.allow_list_id;
            });
            EXPECT_TRUE(binding.allow_list_id == 0 || filled) << "nobody may use a list's port";
        }
        for (uint32_t id : contents.slot) {
            if (id == CNET_BINDING_NONE || id == CNET_BINDING_BY_ADDR) continue;
            EXPECT_TRUE(contents.binding.contains(id)) << "slot to no binding";
        }
    }

    Life& life_;
};

class FakeHooks final : public control::Hooks {
public:
    FakeHooks(Life& life, FakeTables& tables) : life_(life), tables_(tables) {}

    std::set<control::Attachment> attached;
    unsigned changes = 0;
    std::optional<Error> attach_error;

    Status attach(control::Attachment attachment, bool) override {
        if (!life_.spend()) return Life::dead();
        if (attach_error) return *attach_error;
        changes++;
        attached.insert(attachment);
        return {};
    }
    Status detach(control::Attachment attachment) override {
        if (!life_.spend()) return Life::dead();
        changes++;
        attached.erase(attachment);
        return {};
    }
    Result<std::vector<control::Attachment>> attachments() override {
        if (!life_.spend()) return Life::dead();
        return std::vector<control::Attachment>(attached.begin(), attached.end());
    }
    Result<unsigned> collect(const std::vector<cnet_gc_ct>& candidates) override {
        if (!life_.spend()) return Life::dead();
        EXPECT_LE(candidates.size(), static_cast<size_t>(CNET_GC_BATCH_MAX));
        unsigned deleted = 0;
        for (const cnet_gc_ct& candidate : candidates) {
            auto it = tables_.flows.find(candidate.key);
            if (it == tables_.flows.end()) continue;
            if (candidate.last_seen_ns && it->second.last_seen_ns != candidate.last_seen_ns)
                continue;
            if (it->second.kind == CNET_CT_REVERSE && tables_.flows.contains(it->second.other))
                continue;
            if (it->second.kind == CNET_CT_FORWARD) tables_.flows.erase(it->second.other);
            tables_.flows.erase(candidate.key);
            deleted++;
        }
        return deleted;
    }
    Result<unsigned> collect(const std::vector<cnet_gc_fdb>& candidates) override {
        if (!life_.spend()) return Life::dead();
        EXPECT_LE(candidates.size(), static_cast<size_t>(CNET_GC_BATCH_MAX));
        unsigned deleted = 0;
        for (const cnet_gc_fdb& candidate : candidates) {
            auto it = tables_.learned.find(candidate.key);
            if (it == tables_.learned.end()) continue;
            if (candidate.last_seen_ns && it->second.last_seen_ns != candidate.last_seen_ns)
                continue;
            tables_.learned.erase(it);
            deleted++;
        }
        return deleted;
    }
    Result<unsigned> collect(const std::vector<cnet_gc_quota>& counted) override {
        for (const cnet_gc_quota& one : counted)
            tables_.quota_counts[one.ifindex].gone = one.gone;
        return static_cast<unsigned>(counted.size());
    }

private:
    Life& life_;
    FakeTables& tables_;
};

class FakeNamespaces final : public control::Namespaces {
public:
    FakeNamespaces(Life& life, FakeRtnl& rtnl) : life_(life), rtnl_(rtnl) {}

    std::set<std::string> paths;
    std::string own = "/proc/self/ns/net";

    void add(const std::string& path) {
        paths.insert(path);
        rtnl_.add_netns(path);
    }
    void vanish(const std::string& path) {
        paths.erase(path);
        rtnl_.remove_netns(path);
    }

    std::string path_of(const std::string& name) const override { return "/sandboxes/" + name; }
    Status create(const std::string& name) override {
        if (!life_.spend()) return Life::dead();
        if (paths.contains(path_of(name))) return Error(ErrorKind::kConflict, "exists");
        add(path_of(name));
        return {};
    }
    Status remove(const std::string& name) override {
        if (!life_.spend()) return Life::dead();
        vanish(path_of(name));
        return {};
    }
    bool alive(const std::string& path) const override {
        return path == own || paths.contains(path);
    }
    bool is_own(const std::string& path) const override { return path == own; }

private:
    Life& life_;
    FakeRtnl& rtnl_;
};

// FakeRtnl that dies with the process, and links that take their programs along.
class MortalRtnl final : public netlink::Rtnl {
public:
    MortalRtnl(Life& life, FakeRtnl& rtnl) : life_(life), rtnl_(rtnl) {}

    Result<std::vector<netlink::LinkInfo>> links() override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.links();
    }
    Result<std::vector<netlink::AddressInfo>> addresses() override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.addresses();
    }
    Result<netlink::Bridging> bridging(const std::set<uint32_t>& bridges) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.bridging(bridges);
    }
    Result<std::vector<netlink::RouteInfo>> routes() override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.routes();
    }
    Result<netlink::LinkInfo> link(const std::string& name) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.link(name);
    }
    Result<netlink::LinkInfo> link(uint32_t ifindex) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.link(ifindex);
    }
    Status create_veth(const netlink::VethSpec& spec) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.create_veth(spec);
    }
    Status create_vxlan(const netlink::VxlanSpec& spec) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.create_vxlan(spec);
    }
    Status create_vxlan_receiver(const netlink::VxlanReceiverSpec& spec) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.create_vxlan_receiver(spec);
    }
    Status delete_vxlan_receiver(const netlink::VxlanReceiverSpec& spec) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.delete_vxlan_receiver(spec);
    }
    Status delete_link(const std::string& name) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.delete_link(name);
    }
    Status set_up(const std::string& name, bool up) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.set_up(name, up);
    }
    Status set_mtu(const std::string& name, uint32_t mtu) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.set_mtu(name, mtu);
    }
    Status limit_rate(const std::string& name, const RateLimit& limit) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.limit_rate(name, limit);
    }
    Status set_promiscuous(const std::string& name, bool on) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.set_promiscuous(name, on);
    }
    Status add_address(const std::string& name, const IpPrefix& address) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.add_address(name, address);
    }
    Status delete_address(const std::string& name, const IpPrefix& address) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.delete_address(name, address);
    }
    Result<std::vector<netlink::HostRoute>> host_routes(const std::string& name) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.host_routes(name);
    }
    Status add_host_route(const std::string& name, const netlink::HostRoute& route) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.add_host_route(name, route);
    }
    Status delete_host_route(const std::string& name, const netlink::HostRoute& route) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.delete_host_route(name, route);
    }
    Status set_sysctl(const std::string& family, const std::string& name, const std::string& key,
                      const std::string& value) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.set_sysctl(family, name, key, value);
    }
    Result<std::string> sysctl(const std::string& family, const std::string& name,
                               const std::string& key) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.sysctl(family, name, key);
    }
    Status configure_endpoint(const EndpointSetup& setup) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.configure_endpoint(setup);
    }
    Status announce_endpoint(const EndpointSetup& setup) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.announce_endpoint(setup);
    }
    Status update_endpoint(const EndpointUpdate& update) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.update_endpoint(update);
    }
    Result<netlink::LinkInfo> inner_end(const InnerEnd& which) override {
        if (!life_.spend()) return Life::dead();
        return rtnl_.inner_end(which);
    }

private:
    Life& life_;
    FakeRtnl& rtnl_;
};

} // namespace cnet::test
