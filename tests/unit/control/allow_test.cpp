// Whom a published port is open to, from the command to the trie and the flows.
#include <arpa/inet.h>
#include <netinet/in.h>

#include "tests/unit/control/own_netns.h"
#include "tests/unit/control/world.h"
#include "userspace/control/allow_list.h"

namespace cnet::test {

namespace {

using Prefixes = std::vector<IpPrefix>;

class AllowTest : public World {
protected:
    void SetUp() override {
        if (!in_own_netns) GTEST_SKIP() << "no network namespace of our own: unshare was refused";
        World::SetUp();
        make_network("web", "10.88.0.0/24");
        make_endpoint("web", "app", "/run/netns/a");
    }

    // What the data path makes of the trie: the longest entry decides.
    bool allowed(uint32_t list_id, const std::string& client) {
        const cnet_addr addr = ip(client).to_abi();
        uint32_t best = 0, verdict = 0;
        for (const auto& [key, value] : tables.contents.allow) {
            if (key.list_id != list_id || key.prefix_len < best) continue;
            const unsigned length = key.prefix_len - CNET_ALLOW_PREFIX_LEN(0);
            bool within = true;
            for (unsigned bit = 0; bit < length; bit++) {
                const auto mask = static_cast<uint8_t>(0x80 >> (bit % 8));
                within = within && (key.addr.bytes[bit / 8] & mask) == (addr.bytes[bit / 8] & mask);
            }
            if (!within) continue;
            best = key.prefix_len;
            verdict = value;
        }
        return verdict != 0;
    }

    cnet_ct_key add_flow(const std::string& client, uint32_t binding_id) {
        cnet_ct_key forward{};
        forward.src = ip(client).to_abi();
        forward.dst = ip("192.0.2.2").to_abi();
        forward.dst_port_be = htons(8080);
        forward.l4_proto = IPPROTO_UDP;
        cnet_ct_entry entry{};
        entry.last_seen_ns = clock.monotonic_ns();
        entry.kind = CNET_CT_FORWARD;
        entry.type = CNET_CT_DNAT;
        entry.binding_id = binding_id;
        entry.network_id = 1;
        entry.other = forward;
        entry.other.zone = 1;
        entry.other.src = ip("10.88.0.2").to_abi();
        entry.other.dst = forward.src;
        tables.flows[forward] = entry;
        return forward;
    }
};

TEST_F(AllowTest, OnlyTheListedMayUseThePort) {
    auto port = controller->publish("app", "8080:80", {prefix("10.0.0.0/8"), prefix("fd00::/8")});
    ASSERT_TRUE(port) << port.error().message();
    EXPECT_EQ(tables.contents.binding.at(port->id).allow_list_id, port->id);
    EXPECT_TRUE(allowed(port->id, "10.1.2.3"));
    EXPECT_TRUE(allowed(port->id, "fd00::7"));
    EXPECT_FALSE(allowed(port->id, "11.1.2.3"));
    EXPECT_FALSE(allowed(port->id, "2001:db8::1"));
    EXPECT_EQ(controller->ports()->front().allow_from,
              (Prefixes{prefix("10.0.0.0/8"), prefix("fd00::/8")}));
    restart();
    expect_settled();
    EXPECT_TRUE(allowed(port->id, "10.1.2.3"));
    ASSERT_TRUE(controller->unpublish("app", "8080:80"));
    EXPECT_TRUE(tables.contents.allow.empty());
}

TEST_F(AllowTest, WithoutAListEverybodyMay) {
    auto port = controller->publish("app", "8080:80");
    ASSERT_TRUE(port);
    EXPECT_EQ(tables.contents.binding.at(port->id).allow_list_id, 0u);
    EXPECT_TRUE(tables.contents.allow.empty());
}

TEST_F(AllowTest, AllOfIpv6IsNothingOfIpv4) {
    const auto v6 = *controller->publish("app", "8080:80", {prefix("::/0")});
    EXPECT_TRUE(allowed(v6.id, "2001:db8::1"));
    EXPECT_FALSE(allowed(v6.id, "192.0.2.7"));
    const auto some =
        *controller->publish("app", "8081:80", {prefix("::/0"), prefix("10.0.0.0/8")});
    EXPECT_TRUE(allowed(some.id, "10.0.0.1"));
    EXPECT_FALSE(allowed(some.id, "192.0.2.7"));
    const auto all = *controller->publish("app", "8082:80", {prefix("::/0"), prefix("0.0.0.0/0")});
    EXPECT_TRUE(allowed(all.id, "192.0.2.7"));
    EXPECT_TRUE(allowed(all.id, "2001:db8::1"));
}

TEST_F(AllowTest, HostBitsAreRefused) {
    auto port = controller->publish("app", "8080:80", {prefix("10.1.2.3/8")});
    ASSERT_FALSE(port);
    EXPECT_EQ(port.error().message(),
              "allow-from 10.1.2.3/8 has host bits set: the network is 10.0.0.0/8");
}

TEST_F(AllowTest, HowManyConnectionsMayBegin) {
    using control::Holder;
    const auto port = *controller->publish("app", "8080:80", {}, Holder::kDaemon, {100, 0});
    const auto& binding = tables.contents.binding.at(port.id);
    EXPECT_EQ(binding.new_interval_ns, 10'000'000u);
    EXPECT_EQ(binding.new_burst, 100u) << "a second's worth";
    ASSERT_TRUE(controller->update_port("app", "80", {{}, {}, 5}));
    EXPECT_EQ(binding.new_interval_ns, 10'000'000u);
    EXPECT_EQ(binding.new_burst, 5u);
    ASSERT_TRUE(controller->update_port("app", "80", {Prefixes{prefix("10.0.0.0/8")}, {}, {}}));
    EXPECT_EQ(binding.new_burst, 5u) << "what is not given stays";
    ASSERT_TRUE(controller->update_port("app", "80", {{}, 0, {}}));
    EXPECT_EQ(binding.new_interval_ns, 0u);
    EXPECT_EQ(binding.allow_list_id, port.id);
    EXPECT_EQ(controller->update_port("app", "80", {{}, {}, 5}).error().message(),
              "a new burst needs a new rate");
    EXPECT_EQ(
        controller->publish("app", "81", {}, Holder::kDaemon, {1'000'001, 0}).error().message(),
        "new rate or burst 1000001 is more than 1000000");
    ASSERT_TRUE(controller->update_port("app", "80", {{}, 1, 1'000'000}));
    restart();
    EXPECT_EQ(tables.contents.binding.at(port.id).new_interval_ns, 1'000'000'000u);
    EXPECT_EQ(controller->ports("app")->at(0).new_limit, (control::NewLimit{1, 1'000'000}));
    expect_settled();
}

TEST_F(AllowTest, FlowsOfTheShutOutGo) {
    const auto port = *controller->publish("app", "8080:80/udp");
    const auto other = *controller->publish("app", "8081:80/udp");
    const auto out = add_flow("192.0.2.7", port.id);
    const auto in = add_flow("10.0.0.7", port.id);
    const auto elsewhere = add_flow("192.0.2.8", other.id);
    auto updated =
        controller->update_port("app", "8080:80/udp", {Prefixes{prefix("10.0.0.0/8")}, {}, {}});
    ASSERT_TRUE(updated) << updated.error().message();
    EXPECT_FALSE(tables.flows.contains(out));
    EXPECT_TRUE(tables.flows.contains(in));
    EXPECT_TRUE(tables.flows.contains(elsewhere));

    ASSERT_TRUE(
        controller->update_port("app", "8080:80/udp", {Prefixes{prefix("11.0.0.0/8")}, {}, {}}));
    EXPECT_FALSE(tables.flows.contains(in)) << "from one list to another";
    EXPECT_EQ(tables.contents.allow.size(), 1u);
    const auto late = add_flow("10.0.0.9", port.id); // began while the list was being written
    ASSERT_TRUE(controller->sweep());
    EXPECT_FALSE(tables.flows.contains(late));
    ASSERT_TRUE(controller->update_port("app", "8080:80/udp", {Prefixes{}, {}, {}}));
    EXPECT_EQ(tables.contents.binding.at(port.id).allow_list_id, 0u);
    EXPECT_TRUE(tables.contents.allow.empty());
    expect_settled();
}

TEST_F(AllowTest, AFullTrieChangesNothing) {
    tables.full = control::Table::kAllow;
    auto port = controller->publish("app", "8080:80", {prefix("10.0.0.0/8")});
    ASSERT_FALSE(port);
    EXPECT_EQ(port.error().kind(), ErrorKind::kExhausted);
    tables.full.reset();
    EXPECT_TRUE(controller->ports()->empty());
    expect_settled();
}

TEST_F(AllowTest, OneOfARange) {
    EXPECT_EQ(controller->publish("app", "8000-8001:80")->host_port, 8000);
    EXPECT_EQ(controller->publish("app", "8000-8001:80/udp")->host_port, 8000);
    EXPECT_EQ(controller->publish("app", "8000-8001:81")->host_port, 8001);
    EXPECT_EQ(controller->publish("app", "8000-8001:82").error().message(),
              "Bind for 0.0.0.0:8000-8001 failed: all ports are allocated");
    ASSERT_TRUE(controller->unpublish("app", "8000-8001:81"));
    EXPECT_EQ(controller->publish("app", "8000-8001:82")->host_port, 8001);
}

TEST_F(AllowTest, SctpSaysHowItIsHeld) {
    auto port = controller->publish("app", "8080:80/sctp");
    ASSERT_TRUE(port) << port.error().message();
    EXPECT_EQ(port->protocol, "sctp");
    const bool supported = socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP) >= 0;
    EXPECT_EQ(port->reservation, supported ? "socket" : "store");
    EXPECT_EQ(controller->publish("app", "8080:81/sctp").error().message(),
              "Bind for 0.0.0.0:8080 failed: port is already allocated");
    EXPECT_EQ(controller->publish("app", "8081:80")->reservation, "socket");
}

} // namespace

} // namespace cnet::test
