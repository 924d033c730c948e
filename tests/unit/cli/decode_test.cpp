#include "userspace/cnet-bpf/decode.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <cstring>
#include <regex>

#include "maps/abi.h"
#include "userspace/base/file.h"
#include "userspace/base/ip.h"

namespace cnet::cli {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kNow = 1000 * kSecond;

const Decoder kDecoder{
    kNow, [](uint32_t ifindex) { return ifindex == 7 ? std::string("cnet7") : std::string(); }};

template <typename K, typename V>
std::string decoded(const char* map, const K& key, const V& value) {
    const MapFormat* format = find_map_format(map);
    CNET_CHECK(format);
    EXPECT_EQ(format->key_bytes, sizeof(K));
    EXPECT_EQ(format->value_bytes, sizeof(V));
    // Away from their alignment, as the kernel's buffers may be.
    std::string bytes(1 + sizeof(K) + sizeof(V), '\0');
    std::memcpy(&bytes[1], &key, sizeof key);
    std::memcpy(&bytes[1 + sizeof(K)], &value, sizeof value);
    return flat_text(format->key(&bytes[1], kDecoder)) + " -> " +
           flat_text(format->value(&bytes[1 + sizeof(K)], kDecoder));
}

cnet_addr addr(const char* text) {
    auto parsed = IpAddress::parse(text);
    CNET_CHECK(parsed);
    return parsed->to_abi();
}

void set_mac(__u8 (&mac)[CNET_MAC_LEN], __u8 last) {
    const __u8 bytes[CNET_MAC_LEN] = {0x02, 0xab, 0, 0, 0, last};
    std::memcpy(mac, bytes, sizeof mac);
}

TEST(Decode, Meta) {
    EXPECT_EQ(decoded("cnet_meta", 0u, cnet_meta{1, 0, 77}),
              "index=0 -> abi_version=1 netns_cookie=77");
}

TEST(Decode, Quota) {
    EXPECT_EQ(decoded("cnet_quota", 7u, cnet_quota{100, 5, ~0u}),
              "ifindex=7 device=cnet7 -> max_flows=100 flows=6");
}

TEST(Decode, Port) {
    cnet_port port{};
    port.network_id = 3;
    port.endpoint_id = 4;
    port.flags = CNET_PORT_PEER | CNET_PORT_CHECK_SOURCE | 1u << 30;
    port.host_ifindex = 7;
    port.addr4_be = htonl(0x0a580002);
    port.gateway4_be = htonl(0x0a580001);
    port.vni = 5;
    set_mac(port.mac, 2);
    set_mac(port.gateway_mac, 1);
    port.addr6 = addr("fd00::2");
    EXPECT_EQ(decoded("cnet_port", 9u, port),
              "ifindex=9 device=- -> network=3 endpoint=4 flags=peer,check_source,0x40000000 "
              "mac=02:ab:00:00:00:02 address4=10.88.0.2 address6=fd00::2 "
              "gateway_mac=02:ab:00:00:00:01 gateway4=10.88.0.1 gateway6=- snat4=- snat6=- "
              "vni=5 host_ifindex=7 host_device=cnet7");
}

TEST(Decode, Network) {
    EXPECT_EQ(
        decoded("cnet_network", 3u, cnet_network{1, 5, 1024, 300, 7, 4096, 0, 1500, 2, 10000000}),
        "network=3 -> flags=open mtu=1500 flood_ports=5 mac_limit=1024 ageing_s=300 host_ifindex=7 "
        "host_device=cnet7 vni=4096 flood_peers=2 flood_interval_ns=10000000");
}

TEST(Decode, FloodRate) {
    EXPECT_EQ(decoded("cnet_flood_rate", cnet_flood_rate_key{3, 7, 0}, uint64_t{1}),
              "network=3 ifindex=7 device=cnet7 peer=- -> full_in_ms=0");
    EXPECT_EQ(decoded("cnet_flood_rate", cnet_flood_rate_key{3, 0, 9}, kDecoder.now_ns + 5'000'000),
              "network=3 ifindex=- device=- peer=9 -> full_in_ms=5");
}

TEST(Decode, Flood) {
    EXPECT_EQ(decoded("cnet_flood", cnet_flood_key{3, 1}, cnet_flood_port{7, CNET_PORT_HOST}),
              "network=3 index=1 -> ifindex=7 device=cnet7 port_flags=host");
}

TEST(Decode, Fdb) {
    cnet_fdb_key key{};
    key.network_id = 3;
    set_mac(key.mac, 9);
    cnet_fdb_entry entry{kNow - 90 * kSecond, 7, CNET_PORT_PEER, 0, 0};
    EXPECT_EQ(decoded("cnet_fdb", key, entry),
              "network=3 mac=02:ab:00:00:00:09 -> ifindex=7 device=cnet7 flags=- port_flags=peer "
              "peer=- age_s=90 claimed=off");
    entry = {CNET_CLAIMED, 7, 0, CNET_FDB_STATIC, 2};
    EXPECT_EQ(decoded("cnet_fdb", key, entry),
              "network=3 mac=02:ab:00:00:00:09 -> ifindex=7 device=cnet7 flags=static "
              "port_flags=- peer=2 age_s=- claimed=on");
    EXPECT_EQ(decoded("cnet_fdb_count", 3u, 12u), "network=3 -> learned=12");
}

TEST(Decode, Neigh) {
    cnet_neigh_entry entry{7, CNET_PORT_PEER, 4, 0, 1500, {}, {}};
    set_mac(entry.mac, 2);
    set_mac(entry.gateway_mac, 1);
    EXPECT_EQ(decoded("cnet_neigh", cnet_neigh_key{3, addr("10.88.0.2")}, entry),
              "network=3 address=10.88.0.2 -> mac=02:ab:00:00:00:02 ifindex=7 device=cnet7 "
              "port_flags=peer endpoint=4 peer=- mtu=1500 gateway_mac=02:ab:00:00:00:01");
}

TEST(Decode, Uplink) {
    cnet_uplink uplink{};
    uplink.addr_count = 2;
    uplink.addrs[0] = {addr("192.0.2.1"), 96 + 24};
    uplink.addrs[1] = {addr("2001:db8::1"), 64};
    EXPECT_EQ(decoded("cnet_uplinks", 7u, uplink),
              "ifindex=7 device=cnet7 -> addresses=192.0.2.1/24,2001:db8::1/64");
    uplink.addr_count = 1000; // never more than there is room for
    EXPECT_NE(decoded("cnet_uplinks", 7u, uplink).find("192.0.2.1/24"), std::string::npos);
}

TEST(Decode, HostAddr) {
    EXPECT_EQ(decoded("cnet_host_addr", addr("10.88.0.1"), cnet_host_addr{8, 0}),
              "address=10.88.0.1 -> ifindex=8 device=-");
}

TEST(Decode, PublishedPorts) {
    uint32_t index = CNET_SLOT_INDEX(CNET_L4_UDP, 5353);
    EXPECT_EQ(decoded("cnet_slot", index, cnet_slot{12, 3}),
              "protocol=udp port=5353 -> binding=12 nat_refs=3 mappings=0");
    EXPECT_EQ(decoded("cnet_slot", index, cnet_slot{CNET_BINDING_BY_ADDR, 0}),
              "protocol=udp port=5353 -> binding=by_address nat_refs=0 mappings=0");
    EXPECT_EQ(decoded("cnet_slot", index, cnet_slot{CNET_BINDING_NONE, 1 + 2 * CNET_SLOT_MAPPING}),
              "protocol=udp port=5353 -> binding=- nat_refs=1 mappings=2");
    cnet_bind_key key{addr("127.0.0.1"), CNET_SLOT_INDEX(CNET_L4_TCP, 8080)};
    EXPECT_EQ(decoded("cnet_bind_addr", key, 12u),
              "address=127.0.0.1 protocol=tcp port=8080 -> binding=12");
    EXPECT_EQ(decoded("cnet_trusted", cnet_trusted_key{3, 7}, 1u),
              "network=3 ifindex=7 device=cnet7 -> trusted=on");
    cnet_allow_key allowed{CNET_ALLOW_PREFIX_LEN(96 + 8), 12, addr("10.0.0.0")};
    EXPECT_EQ(decoded("cnet_allow", allowed, 1u), "list=12 prefix=10.0.0.0/8 -> allowed=on");
    allowed = {CNET_ALLOW_PREFIX_LEN(64), 12, addr("2001:db8::")};
    EXPECT_EQ(decoded("cnet_allow", allowed, 1u), "list=12 prefix=2001:db8::/64 -> allowed=on");
    cnet_binding binding{};
    binding.id = 12;
    binding.network_id = 3;
    binding.endpoint_id = 4;
    binding.target4 = addr("10.88.0.2");
    binding.host_port = 8000;
    binding.target_port = 80;
    binding.port_count = 100;
    binding.l4 = CNET_L4_TCP;
    binding.flags = CNET_BINDING_LOOPBACK;
    binding.new_interval_ns = 10'000'000;
    binding.new_burst = 20;
    EXPECT_EQ(decoded("cnet_binding", 12u, binding),
              "binding=12 -> network=3 endpoint=4 protocol=tcp host_port=8000 target_port=80 "
              "port_count=100 target4=10.88.0.2 target6=- flags=loopback allow_list=- "
              "new_interval_ns=10000000 new_burst=20");
}

TEST(Decode, Connection) {
    cnet_ct_key key{};
    key.src = addr("10.88.0.2");
    key.dst = addr("203.0.113.10");
    key.src_port_be = htons(40000);
    key.dst_port_be = htons(443);
    key.zone = 3;
    key.l4_proto = IPPROTO_TCP;
    cnet_ct_key reply{};
    reply.src = addr("203.0.113.10");
    reply.dst = addr("192.0.2.1");
    reply.src_port_be = htons(443);
    reply.dst_port_be = htons(40000);
    reply.zone = CNET_ZONE_WORLD;
    reply.l4_proto = IPPROTO_TCP;

    cnet_ct_entry entry{};
    entry.last_seen_ns = kNow - 5 * kSecond;
    entry.created_ns = kNow - 65 * kSecond;
    entry.other = reply;
    entry.fib_ifindex = 7;
    entry.fib_nexthop = addr("192.0.2.254");
    entry.network_id = 3;
    entry.kind = CNET_CT_FORWARD;
    entry.type = CNET_CT_SNAT;
    entry.state = CNET_CT_ESTABLISHED;
    entry.flags = CNET_CT_FIN_REPLY;
    entry.fib_mtu = 1500;
    EXPECT_EQ(decoded("cnet_ct", key, entry),
              "protocol=tcp src=10.88.0.2 src_port=40000 dst=203.0.113.10 dst_port=443 zone=3 -> "
              "kind=forward type=snat state=established flags=fin_reply idle_s=5 claimed=off "
              "age_s=65 network=3 binding=- uplink_ifindex=7 uplink=cnet7 nexthop=192.0.2.254 "
              "mtu=1500 other={protocol=tcp src=203.0.113.10 src_port=443 dst=192.0.2.1 "
              "dst_port=40000 zone=world}");

    cnet_ct_entry reverse{};
    reverse.kind = CNET_CT_REVERSE;
    reverse.other = key;
    reverse.other.zone = CNET_ZONE_HOST;
    reverse.other.l4_proto = 47;
    EXPECT_EQ(decoded("cnet_ct", reply, reverse),
              "protocol=tcp src=203.0.113.10 src_port=443 dst=192.0.2.1 dst_port=40000 zone=world "
              "-> kind=reverse other={protocol=47 src=10.88.0.2 src_port=40000 dst=203.0.113.10 "
              "dst_port=443 zone=host}");
}

TEST(Decode, UnknownNumbersStayNumbers) {
    cnet_ct_entry entry{};
    entry.kind = 9;
    entry.type = 99;
    entry.state = 77;
    std::string text = decoded("cnet_ct", cnet_ct_key{}, entry);
    EXPECT_NE(text.find("kind=9 type=99 state=77"), std::string::npos) << text;
    text = decoded("cnet_slot", 9u << 16 | 80u, cnet_slot{1, 0});
    EXPECT_EQ(text, "protocol=9 port=80 -> binding=1 nat_refs=0 mappings=0");
}

TEST(Decode, Counters) {
    EXPECT_EQ(decoded("cnet_counters", CNET_COUNTER_INDEX(CNET_HOOK_UPLINK, CNET_R_DNAT),
                      cnet_counter{3, 180}),
              "hook=uplink reason=dnat -> packets=3 bytes=180");
}

TEST(Decode, IcmpRate) {
    EXPECT_EQ(decoded("cnet_icmp_rate", uint32_t{CNET_HOOK_UPLINK}, uint64_t{1}),
              "hook=uplink bucket=- -> full_in_ms=0");
    EXPECT_EQ(decoded("cnet_icmp_rate", uint32_t{CNET_HOOK_MAX + 5},
                      kDecoder.now_ns + uint64_t{2'000'000}),
              "hook=- bucket=5 -> full_in_ms=2");
}

TEST(Decode, CountersOfANewerVersion) {
    EXPECT_EQ(decoded("cnet_counters", CNET_COUNTER_INDEX(15u, 127u), cnet_counter{1, 2}),
              "hook=15 reason=127 -> packets=1 bytes=2");
}

TEST(Decode, TimesAreNumbersInJson) {
    cnet_fdb_entry entry{kNow + kSecond, 7, 0, 0, 0}; // a clock read before the packet came
    Json value = find_map_format("cnet_fdb")->value(&entry, kDecoder);
    EXPECT_EQ(value["age_s"], 0);
    EXPECT_TRUE(value["peer"].is_null());
    EXPECT_TRUE(value["flags"].is_array());
}

TEST(Decode, OnlyKnownMaps) {
    EXPECT_EQ(find_map_format("cnet_other"), nullptr);
}

// "| `cnet_fdb` | ... |" of docs/cli.md has every field that an entry may have.
TEST(Decode, FieldsAreDocumented) {
    auto text = read_file(CNET_SOURCE_DIR "/docs/cli.md");
    ASSERT_TRUE(text) << text.error().message();
    const std::string zeros(512, '\0');
    for (const char* map :
         {"cnet_meta",      "cnet_port",      "cnet_network",    "cnet_flood",     "cnet_fdb",
          "cnet_fdb_count", "cnet_neigh",     "cnet_uplinks",    "cnet_host_addr", "cnet_slot",
          "cnet_bind_addr", "cnet_trusted",   "cnet_binding",    "cnet_allow",     "cnet_peer",
          "cnet_vtep",      "cnet_vni",       "cnet_flood_peer", "cnet_ct",        "cnet_counters",
          "cnet_icmp_rate", "cnet_flood_rate"}) {
        size_t start = text->find("| `" + std::string(map) + "` |");
        ASSERT_NE(start, std::string::npos) << map;
        std::string row = text->substr(start, text->find('\n', start) - start);
        const MapFormat* format = find_map_format(map);
        for (const Json& fields :
             {format->key(zeros.data(), kDecoder), format->value(zeros.data(), kDecoder)}) {
            for (const auto& [name, value] : fields.items()) {
                EXPECT_NE(row.find("`" + name + "`"), std::string::npos) << map << " " << name;
            }
        }
    }
}

TEST(Decode, EveryMapThatThereIs) {
    auto text = read_file(CNET_SOURCE_DIR "/maps/defs.bpf.h");
    ASSERT_TRUE(text) << text.error().message();
    std::regex definition("\\} (\\w+) SEC\\(\"\\.maps\"\\)");
    size_t maps = 0;
    for (std::sregex_iterator map(text->begin(), text->end(), definition), end; map != end; ++map) {
        // What sockets hold is listed nowhere, and a ring is read once.
        bool listed = (*map)[1] != "cnet_sock" && (*map)[1] != "cnet_dhcp";
        EXPECT_EQ(find_map_format((*map)[1].str()) != nullptr, listed) << (*map)[1];
        maps++;
    }
    EXPECT_GE(maps, 14u);
}

} // namespace
} // namespace cnet::cli
