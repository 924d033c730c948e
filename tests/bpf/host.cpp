#include "tests/bpf/host.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <net/if.h>

#include <cstdlib>
#include <map>

#include "maps/reasons.h"

namespace cnet::test {
namespace {

constexpr uint32_t kNetworkFlags = CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | CNET_PORT_MASQUERADE;

cnet_addr addr(const char* text) {
    auto ip = IpAddress::parse(text);
    CNET_CHECK(ip);
    return ip->to_abi();
}

void copy_mac(uint8_t* to, const char* text) {
    auto mac = MacAddress::parse(text);
    CNET_CHECK(mac);
    std::copy(mac->bytes().begin(), mac->bytes().end(), to);
}

std::string gateway_mac(uint32_t network) {
    return network == 1 ? kMacGw1 : kMacGw2;
}

// What becomes of one hangs on those before it, of which explaining keeps none.
bool is_fragment(const Bytes& frame) {
    if (frame.size() < 24) return false;
    if (frame[12] == 0x08 && frame[13] == 0) return (frame[20] & 0x3f) || frame[21];
    return frame[12] == 0x86 && frame[20] == 44;
}

void ok(const Status& status) {
    ASSERT_TRUE(status) << status.error().message();
}

} // namespace

std::vector<HookReason>& coverage() {
    static std::vector<HookReason> seen;
    return seen;
}

void HostTest::shell(const std::string& command) const {
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
}

uint32_t HostTest::ifindex(const char* device) const {
    uint32_t index = if_nametoindex(device);
    CNET_CHECK(index != 0);
    return index;
}

void HostTest::SetUp() {
    if (geteuid() != 0) GTEST_SKIP() << "BPF_PROG_TEST_RUN needs root";
    auto guard = NetnsGuard::enter_new();
    ASSERT_TRUE(guard) << guard.error().message();
    netns_ = std::make_unique<NetnsGuard>(std::move(*guard));
    make_devices();

    char directory[] = "/tmp/cnet-bpf-test-XXXXXX";
    ASSERT_NE(mkdtemp(directory), nullptr);
    root_ = directory;
    loader::DataPathSettings settings;
    settings.max_entries = map_sizes();
    auto opened = loader::DataPath::open(Paths::below(root_), settings);
    ASSERT_TRUE(opened) << opened.error().message();
    data_path_ = std::move(*opened);
    fill_maps();
}

void HostTest::TearDown() {
    if (data_path_) {
        auto status = data_path_->release();
        EXPECT_TRUE(status) << status.error().message();
    }
    data_path_.reset();
    std::error_code ignored;
    if (!root_.empty()) std::filesystem::remove_all(root_, ignored);
    netns_.reset();
}

void HostTest::make_devices() {
    shell("ip link set lo up");
    for (const auto& [name, mac] :
         std::initializer_list<std::pair<std::string, std::string>>{{"up0", kMacUp},
                                                                    {"ep1", "02:aa:00:00:00:01"},
                                                                    {"ep2", "02:aa:00:00:00:02"},
                                                                    {"ep3", "02:aa:00:00:00:03"},
                                                                    {"gw1", kMacGw1},
                                                                    {"gw2", kMacGw2}}) {
        std::string peer = name == "gw1" ? "hp1" : name == "gw2" ? "hp2" : name + "p";
        shell("ip link add " + name + " address " + mac + " type veth peer name " + peer);
        shell("ip link set " + name + " up");
        shell("ip link set " + peer + " up");
    }
    shell("ip addr add 198.51.100.1/24 dev up0");
    shell("ip addr add 10.1.0.1/24 dev gw1");
    shell("ip addr add 10.2.0.1/24 dev gw2");
    shell("ip route add default via 198.51.100.254");
    shell("ip neigh add 198.51.100.254 lladdr 02:00:00:00:ff:fe dev up0");
    shell("ip addr add 2001:db8:f::1/64 dev up0 nodad");
    shell("ip addr add fd00:1::1/64 dev gw1 nodad");
    shell("ip addr add fd00:2::1/64 dev gw2 nodad");
    shell("ip -6 route add default via 2001:db8:f::fe");
    shell("ip neigh add 2001:db8:f::fe lladdr 02:00:00:00:ff:fe dev up0");
    shell("sysctl -qw net.ipv4.conf.gw1.forwarding=1 net.ipv4.conf.gw2.forwarding=1 "
          "net.ipv6.conf.gw1.forwarding=1 net.ipv6.conf.gw2.forwarding=1");
}

void HostTest::add_host_addr(const char* address, const char* device) {
    ok(maps().host_addr.update(addr(address), cnet_host_addr{ifindex(device), 0}));
}

void HostTest::add_port(const char* device, uint32_t network, const char* mac, const char* address,
                        const char* address6, uint32_t flood_index) {
    bool first = network == 1;
    cnet_port port{};
    port.network_id = network;
    port.endpoint_id = ifindex(device);
    port.flags = kNetworkFlags;
    port.host_ifindex = ifindex(first ? "gw1" : "gw2");
    port.addr4_be = addr(address).words_be[3];
    port.gateway4_be = addr(first ? "10.1.0.1" : "10.2.0.1").words_be[3];
    port.addr6 = addr(address6);
    port.gateway6 = addr(first ? "fd00:1::1" : "fd00:2::1");
    copy_mac(port.mac, mac);
    copy_mac(port.gateway_mac, gateway_mac(network).c_str());
    ok(maps().port.update(ifindex(device), port));

    cnet_neigh_entry neigh{};
    neigh.ifindex = ifindex(device);
    neigh.mtu = 1500;
    neigh.port_flags = port.flags;
    neigh.endpoint_id = port.endpoint_id;
    copy_mac(neigh.mac, mac);
    copy_mac(neigh.gateway_mac, gateway_mac(network).c_str());
    for (const char* one : {address, address6})
        ok(maps().neigh.update(cnet_neigh_key{network, addr(one)}, neigh));

    cnet_fdb_key key{};
    key.network_id = network;
    copy_mac(key.mac, mac);
    ok(maps().fdb.update(key, cnet_fdb_entry{0, ifindex(device), port.flags, CNET_FDB_STATIC, 0}));
    ok(maps().flood.update(cnet_flood_key{network, flood_index},
                           cnet_flood_port{ifindex(device), port.flags}));
}

void HostTest::add_host_port(const char* outer, const char* inner, uint32_t network,
                             const char* mac, const char* address, const char* address6) {
    cnet_port port{};
    port.network_id = network;
    port.flags = CNET_PORT_HOST;
    port.host_ifindex = ifindex(outer);
    port.gateway4_be = addr(address).words_be[3];
    port.gateway6 = addr(address6);
    copy_mac(port.mac, mac);
    copy_mac(port.gateway_mac, mac);
    ok(maps().port.update(ifindex(inner), port));
    ok(maps().port.update(ifindex(outer), port));

    cnet_neigh_entry neigh{};
    neigh.ifindex = ifindex(outer);
    neigh.mtu = 1500;
    neigh.port_flags = CNET_PORT_HOST;
    copy_mac(neigh.mac, mac);
    copy_mac(neigh.gateway_mac, mac);
    for (const char* one : {address, address6})
        ok(maps().neigh.update(cnet_neigh_key{network, addr(one)}, neigh));
    cnet_fdb_key key{};
    key.network_id = network;
    copy_mac(key.mac, mac);
    ok(maps().fdb.update(key,
                         cnet_fdb_entry{0, ifindex(outer), CNET_PORT_HOST, CNET_FDB_STATIC, 0}));
    ok(maps().flood.update(cnet_flood_key{network, 0},
                           cnet_flood_port{ifindex(outer), CNET_PORT_HOST}));
    add_host_addr(address, outer);
    add_host_addr(address6, outer);
}

void HostTest::fill_maps() {
    for (uint32_t network : {1u, 2u}) {
        cnet_network value{};
        value.flood_ports = network == 1 ? 3 : 2;
        value.mac_limit = 2;
        value.ageing_s = 300;
        value.host_ifindex = ifindex(network == 1 ? "gw1" : "gw2");
        ok(maps().network.update(network, value));
        ok(maps().fdb_count.update(network, 0));
    }
    add_host_port("gw1", "hp1", 1, kMacGw1, "10.1.0.1", "fd00:1::1");
    add_host_port("gw2", "hp2", 2, kMacGw2, "10.2.0.1", "fd00:2::1");
    add_port("ep1", 1, kMacEp1, kEp1, kEp1v6, 1);
    add_port("ep2", 1, kMacEp2, kEp2, kEp2v6, 2);
    add_port("ep3", 2, kMacEp3, kEp3, kEp3v6, 1);
    add_host_addr(kHostAddr, "up0");
    add_host_addr(kHostAddr6, "up0");
    cnet_uplink uplink{};
    uplink.addr_count = 2;
    uplink.addrs[0] = {addr(kHostAddr), 96 + 24};
    uplink.addrs[1] = {addr(kHostAddr6), 64};
    ok(maps().uplink.update(ifindex("up0"), uplink));
}

void HostTest::set_port_flags(const char* device, uint32_t flags) {
    auto port = maps().port.lookup(ifindex(device));
    ASSERT_TRUE(port && *port);
    (*port)->flags = flags;
    ok(maps().port.update(ifindex(device), **port));
}

void HostTest::publish(uint32_t id, cnet_l4 l4, uint16_t host_port, const char* target,
                       uint16_t target_port, uint32_t network_id, uint16_t count,
                       const char* target6) {
    cnet_binding binding{};
    binding.id = id;
    binding.network_id = network_id;
    binding.target4 = addr(target);
    if (target6) binding.target6 = addr(target6);
    binding.host_port = host_port;
    binding.target_port = target_port;
    binding.port_count = count;
    binding.l4 = static_cast<uint8_t>(l4);
    ok(maps().binding.update(id, binding));
    maps().slot.set_range(CNET_SLOT_INDEX(l4, host_port), count, id);
}

cnet_ct_key HostTest::key4(uint32_t zone, uint8_t protocol, const char* src, uint16_t src_port,
                           const char* dst, uint16_t dst_port) const {
    cnet_ct_key key{};
    key.src = addr(src);
    key.dst = addr(dst);
    key.src_port_be = htons(src_port);
    key.dst_port_be = htons(dst_port);
    key.zone = zone;
    key.l4_proto = protocol;
    return key;
}

size_t HostTest::flows() {
    auto count = maps().ct.count();
    EXPECT_TRUE(count);
    EXPECT_EQ(*count % 2, 0u) << "half a flow is left in cnet_ct";
    return *count / 2;
}

void HostTest::check_flows() {
    std::map<std::string, cnet_ct_entry> entries;
    std::map<uint32_t, uint32_t> refs;
    auto bytes_of = [](const cnet_ct_key& key) {
        return std::string(reinterpret_cast<const char*>(&key), sizeof(key));
    };
    ASSERT_TRUE(maps().ct.for_each([&](const cnet_ct_key& key, const cnet_ct_entry& entry) {
        entries.emplace(bytes_of(key), entry);
        bool by_source = key.zone == CNET_ZONE_HOST ||
                         (entry.kind == CNET_CT_REVERSE && entry.flags & CNET_CT_SWITCHED);
        if (key.zone != CNET_ZONE_WORLD && !by_source) return;
        cnet_l4 l4 = key.l4_proto == IPPROTO_TCP    ? CNET_L4_TCP
                     : key.l4_proto == IPPROTO_UDP  ? CNET_L4_UDP
                     : key.l4_proto == IPPROTO_SCTP ? CNET_L4_SCTP
                                                    : CNET_L4_ICMP;
        refs[CNET_SLOT_INDEX(l4, ntohs(by_source ? key.src_port_be : key.dst_port_be))] +=
            key.mapping ? CNET_SLOT_MAPPING : 1;
    }));
    for (const auto& [key, entry] : entries) {
        auto other = entries.find(bytes_of(entry.other));
        ASSERT_NE(other, entries.end()) << "half a flow";
        EXPECT_EQ(bytes_of(other->second.other), key) << "two halves of different flows";
        EXPECT_NE(other->second.kind, entry.kind);
    }
    for (uint32_t slot = 0; slot < CNET_SLOT_COUNT; slot++) {
        uint32_t held = maps().slot.nat_refs(slot);
        if (!held) continue;
        auto expected = refs.find(slot);
        ASSERT_TRUE(expected != refs.end() && expected->second == held)
            << "slot " << slot << " is held " << held << " times";
        refs.erase(expected);
    }
    EXPECT_TRUE(refs.empty()) << "a slot that is in use does not know it";
}

std::vector<HookReason> HostTest::counted_by(const std::function<void()>& action) {
    std::vector<HookReason> counted;
    auto before = maps().counters.totals();
    action();
    auto after = maps().counters.totals();
    for (uint32_t hook = 0; hook < CNET_HOOK_MAX; hook++)
        for (uint32_t reason = 0; reason < CNET_R_COUNT; reason++) {
            uint32_t index = CNET_COUNTER_INDEX(hook, reason);
            for (uint64_t i = (*before)[index].packets; i < (*after)[index].packets; i++) {
                counted.emplace_back(static_cast<cnet_hook>(hook),
                                     static_cast<cnet_reason>(reason));
                coverage().push_back(counted.back());
            }
        }
    return counted;
}

Verdict HostTest::run_once(int program, uint32_t device, Bytes& packet, uint32_t gso_size) {
    Bytes in = std::move(packet);
    packet.assign(in.size() + 512, 0);
    struct __sk_buff context {};
    context.ifindex = device;
    context.gso_size = gso_size;
    bpf_test_run_opts options{};
    options.sz = sizeof(options);
    options.data_in = in.data();
    options.data_size_in = static_cast<uint32_t>(in.size());
    options.data_out = packet.data();
    options.data_size_out = static_cast<uint32_t>(packet.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.repeat = 1;
    EXPECT_EQ(bpf_prog_test_run_opts(program, &options), 0) << strerror(errno);
    packet.resize(options.data_size_out);
    return static_cast<Verdict>(static_cast<int32_t>(options.retval));
}

Outcome HostTest::run(const char* program, const char* device, const Packet& packet,
                      uint32_t gso_size) {
    Outcome outcome{};
    auto fd = data_path_->program(program);
    EXPECT_TRUE(fd);
    outcome.packet = packet.bytes();
    const bool explained = explainers_.wants(program);
    if (explained)
        outcome.explained =
            explainers_.explain(*data_path_, program, ifindex(device), outcome.packet, gso_size);
    outcome.counted = counted_by(
        [&] { outcome.verdict = run_once(*fd, ifindex(device), outcome.packet, gso_size); });
    if (explained) expect_explained(outcome);
    return outcome;
}

// An event (a table is full) is counted beside the packet's own verdict.
void HostTest::expect_explained(const Outcome& outcome) {
    if (is_fragment(outcome.explained.frame)) return;
    for (const auto& [hook, reason] : outcome.counted) // a full table is noticed by writing to it
        if (reason == CNET_R_FDB_FULL || reason == CNET_R_MAC_LIMIT) return;
    const uint32_t foretold = exit_of(outcome.explained).detail;
    // A token may be given back between the two.
    for (const auto& [hook, reason] : outcome.counted)
        if ((foretold == CNET_R_FLOOD_LIMIT && reason == CNET_R_FLOODED) ||
            (foretold == CNET_R_ICMP_RATE && reason == CNET_R_ICMP_ERROR_SENT))
            return;
    EXPECT_EQ(static_cast<Verdict>(outcome.explained.verdict), outcome.verdict);
    for (const auto& [hook, reason] : outcome.counted) {
        if (maps::reason(reason).reason_class == maps::ReasonClass::kEvent) continue;
        if (reason == CNET_R_FLOOD_FAILED) continue; // what devices refuse is known once tried
        EXPECT_EQ(maps::reason(foretold).name, maps::reason(reason).name);
    }
}

void HostTest::expect_drop(const Outcome& outcome, cnet_hook hook, cnet_reason reason) {
    EXPECT_EQ(outcome.verdict, Verdict::kDrop);
    ASSERT_EQ(outcome.counted.size(), 1u);
    EXPECT_EQ(outcome.counted[0], (HookReason{hook, reason}))
        << maps::reason(outcome.counted[0].second).name;
}

void HostTest::expect(const Outcome& outcome, Verdict verdict, cnet_hook hook, cnet_reason reason,
                      const Packet& packet) {
    EXPECT_EQ(outcome.verdict, verdict);
    ASSERT_EQ(outcome.counted.size(), 1u);
    EXPECT_EQ(outcome.counted[0], (HookReason{hook, reason}))
        << maps::reason(outcome.counted[0].second).name;
    EXPECT_EQ(hex(outcome.packet), hex(packet.bytes()));
}

} // namespace cnet::test
