// Published ports through the controller: reservation, store, maps and flows together.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "tests/unit/control/own_netns.h"
#include "tests/unit/control/world.h"
#include "userspace/base/unique_fd.h"

namespace cnet::test {

namespace {

class PublishTest : public World {
protected:
    void SetUp() override {
        if (!in_own_netns) GTEST_SKIP() << "no network namespace of our own: unshare was refused";
        World::SetUp();
        make_network("web", "10.88.0.0/24");
        make_endpoint("web", "app", "/run/netns/a");
        make_endpoint("web", "two", "/run/netns/b");
    }

    uint32_t slot(cnet_l4 l4, uint16_t port) {
        return tables.contents.slot[CNET_SLOT_INDEX(l4, port)];
    }

    std::string refusal(const std::string& endpoint, const std::string& spec) {
        auto port = controller->publish(endpoint, spec);
        return port ? "published" : port.error().message();
    }

    static UniqueFd listen_on(uint16_t port) {
        UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
        sockaddr_in sa{};
        sa.sin_family = AF_INET;
        sa.sin_port = htons(port);
        if (bind(fd.get(), reinterpret_cast<sockaddr*>(&sa), sizeof(sa)) != 0 ||
            listen(fd.get(), 1) != 0)
            return {};
        return fd;
    }

    // Every piece of it.
    Result<std::vector<control::CtView>> connections(const control::CtFilter& filter = {}) {
        auto next = controller->connections(filter);
        if (!next) return next.error();
        std::vector<control::CtView> all;
        for (;;) {
            auto views = (*next)();
            if (!views) return views.error();
            if (!*views) return all;
            all.insert(all.end(), (*views)->begin(), (*views)->end());
        }
    }

    // A flow from outside to a published port, both halves.
    cnet_ct_key add_dnat_flow(uint16_t client_port, uint32_t binding_id) {
        cnet_ct_key forward{};
        forward.src = ip("198.51.100.9").to_abi();
        forward.dst = ip("192.0.2.2").to_abi();
        forward.src_port_be = htons(client_port);
        forward.dst_port_be = htons(8080);
        forward.l4_proto = IPPROTO_TCP;
        cnet_ct_key reverse = forward;
        reverse.zone = 1;
        reverse.src = ip("10.88.0.2").to_abi();
        reverse.dst = forward.src;
        reverse.src_port_be = htons(80);
        reverse.dst_port_be = forward.src_port_be;
        cnet_ct_entry entry{};
        entry.last_seen_ns = clock.monotonic_ns();
        entry.other = reverse;
        entry.binding_id = binding_id;
        entry.network_id = 1;
        entry.kind = CNET_CT_FORWARD;
        entry.type = CNET_CT_DNAT;
        tables.flows[forward] = entry;
        cnet_ct_entry back{};
        back.other = forward;
        back.kind = CNET_CT_REVERSE;
        tables.flows[reverse] = back;
        return forward;
    }
};

TEST_F(PublishTest, APortOnEveryAddress) {
    auto port = controller->publish("app", "8080:80");
    ASSERT_TRUE(port) << port.error().message();
    EXPECT_EQ(port->host_ip, "0.0.0.0");
    EXPECT_EQ(port->host_port_end, 8080);
    EXPECT_EQ(slot(CNET_L4_TCP, 8080), port->id);
    EXPECT_EQ(slot(CNET_L4_UDP, 8080), CNET_BINDING_NONE);
    const cnet_binding& binding = tables.contents.binding.at(port->id);
    EXPECT_EQ(binding.id, port->id);
    EXPECT_EQ(IpAddress::from_abi(binding.target4), ip("10.88.0.2"));
    EXPECT_EQ(binding.target_port, 80);
    EXPECT_FALSE(listen_on(8080));
    EXPECT_EQ(controller->endpoint("app")->ports, std::vector<std::string>{"0.0.0.0:8080->80/tcp"});
    expect_settled();

    ASSERT_TRUE(controller->unpublish("app", "0.0.0.0:8080:80/tcp"));
    EXPECT_EQ(slot(CNET_L4_TCP, 8080), CNET_BINDING_NONE);
    EXPECT_TRUE(tables.contents.binding.empty());
    EXPECT_TRUE(listen_on(8080));
    expect_settled();
}

TEST_F(PublishTest, ARangeIsOneBinding) {
    auto port = controller->publish("app", "9000-9999:1000-1999/udp");
    ASSERT_TRUE(port) << port.error().message();
    EXPECT_EQ(tables.contents.binding.size(), 1u);
    EXPECT_EQ(slot(CNET_L4_UDP, 9000), port->id);
    EXPECT_EQ(slot(CNET_L4_UDP, 9999), port->id);
    EXPECT_EQ(slot(CNET_L4_UDP, 10000), CNET_BINDING_NONE);
    EXPECT_EQ(tables.contents.binding.at(port->id).port_count, 1000);
}

TEST_F(PublishTest, SingleAddressesShareAPort) {
    auto one = controller->publish("app", "127.0.0.1:8080:80");
    ASSERT_TRUE(one) << one.error().message();
    auto two = controller->publish("two", "127.0.0.2:8080:80");
    ASSERT_TRUE(two) << two.error().message();
    EXPECT_EQ(slot(CNET_L4_TCP, 8080), CNET_BINDING_BY_ADDR);
    EXPECT_EQ(tables.contents.bind_addr.size(), 2u);
    EXPECT_EQ(tables.contents.binding.at(one->id).flags, CNET_BINDING_LOOPBACK);
    ASSERT_TRUE(controller->unpublish("app", "127.0.0.1:8080:80"));
    EXPECT_EQ(slot(CNET_L4_TCP, 8080), CNET_BINDING_BY_ADDR);
    ASSERT_TRUE(controller->unpublish("two", "80")) << "one match needs no host port";
    EXPECT_EQ(slot(CNET_L4_TCP, 8080), CNET_BINDING_NONE);
    EXPECT_TRUE(tables.contents.bind_addr.empty());
}

TEST_F(PublishTest, ConflictsInDockersWords) {
    ASSERT_TRUE(controller->publish("app", "8080:80"));
    EXPECT_EQ(refusal("two", "8080:80"), "Bind for 0.0.0.0:8080 failed: port is already allocated");
    EXPECT_EQ(refusal("two", "8075-8085:80-90"),
              "Bind for 0.0.0.0:8080 failed: port is already allocated");
    EXPECT_EQ(refusal("two", "127.0.0.1:8080:80"),
              "Bind for 127.0.0.1:8080 failed: port is already allocated");
    EXPECT_EQ(refusal("two", "8080:80/udp"), "published");
    const UniqueFd process = listen_on(8081);
    ASSERT_TRUE(process);
    EXPECT_EQ(refusal("two", "8081:80"),
              "failed to bind host port 0.0.0.0:8081/tcp: address already in use");
    EXPECT_EQ(refusal("nope", "8082:80"), "there is no endpoint \"nope\"");
    EXPECT_EQ(refusal("two", "[::1]:8082:80"),
              "endpoint two has no IPv6 address to publish on ::1");
    EXPECT_FALSE(controller->unpublish("two", "8080:80"));
    EXPECT_EQ(controller->ports()->size(), 2u);
    expect_settled();
}

TEST_F(PublishTest, AnInternalNetworkPublishesNothing) {
    control::NetworkSpec spec;
    spec.name = "inside";
    spec.subnets = {prefix("10.77.0.0/24")};
    spec.internal = true;
    ASSERT_TRUE(controller->create_network(spec));
    namespaces.add("/run/netns/c");
    make_endpoint("inside", "deep", "/run/netns/c");
    EXPECT_EQ(refusal("deep", "8080:80"),
              "network inside is internal: nothing is published from there");
}

TEST_F(PublishTest, AnyPortIsAFreeOneOfTheLocalRange) {
    auto one = controller->publish("app", "80");
    ASSERT_TRUE(one) << one.error().message();
    auto two = controller->publish("app", "81");
    ASSERT_TRUE(two);
    EXPECT_NE(one->host_port, two->host_port);
    EXPECT_GE(one->host_port, 1024);
    auto range = controller->publish("app", "100-109");
    ASSERT_TRUE(range) << range.error().message();
    EXPECT_EQ(range->host_port_end - range->host_port, 9);
}

TEST_F(PublishTest, FailureReleasesThePort) {
    tables.full = control::Table::kBinding;
    auto port = controller->publish("app", "8080:80");
    ASSERT_FALSE(port);
    EXPECT_EQ(port.error().kind(), ErrorKind::kExhausted);
    tables.full.reset();
    EXPECT_TRUE(listen_on(8080));
    EXPECT_TRUE(controller->ports()->empty());
    expect_settled();
}

TEST_F(PublishTest, ReservationsComeBackAndAStolenPortIsNotCaptured) {
    ASSERT_TRUE(controller->publish("app", "8080:80"));
    ASSERT_TRUE(controller->publish("app", "8081:80"));
    restart();
    EXPECT_FALSE(listen_on(8080)) << "bound again";
    EXPECT_FALSE(controller->status()->reconcile.last_error.has_value());

    controller.reset(); // the daemon is down, and a process takes the port
    UniqueFd thief = listen_on(8080);
    ASSERT_TRUE(thief);
    restart();
    EXPECT_EQ(slot(CNET_L4_TCP, 8080), CNET_BINDING_NONE)
        << "the process's connections are its own";
    EXPECT_NE(slot(CNET_L4_TCP, 8081), CNET_BINDING_NONE);
    EXPECT_EQ(controller->status()->reconcile.last_error,
              "failed to bind host port 0.0.0.0:8080/tcp: address already in use");
    EXPECT_EQ(controller->ports()->size(), 2u);

    thief = UniqueFd();
    ASSERT_TRUE(controller->reconcile());
    EXPECT_NE(slot(CNET_L4_TCP, 8080), CNET_BINDING_NONE) << "free again, so ours again";
}

TEST_F(PublishTest, APublisherThatHoldsThePortItself) {
    const UniqueFd taken = listen_on(8080);
    auto port = controller->publish("app", "8080:80", {}, control::Holder::kPublisher);
    ASSERT_FALSE(port) << "it must be free when it is published";
    port = controller->publish("app", "8081:80", {}, control::Holder::kPublisher);
    ASSERT_TRUE(port) << port.error().message();
    EXPECT_EQ(port->reservation, "publisher");
    const UniqueFd held = listen_on(8081);
    EXPECT_TRUE(held);
    ASSERT_TRUE(controller->reconcile());
    EXPECT_EQ(slot(CNET_L4_TCP, 8081), port->id) << "the publisher is no stranger";
    EXPECT_FALSE(controller->status()->reconcile.last_error);
    EXPECT_EQ(refusal("two", "8081:80"), "Bind for 0.0.0.0:8081 failed: port is already allocated");
}

TEST_F(PublishTest, APredecessorMayStillBeClosingItsSockets) {
    ASSERT_TRUE(controller->publish("app", "8080:80"));
    controller.reset();
    UniqueFd predecessor = listen_on(8080);
    std::thread dying([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        predecessor = UniqueFd();
    });
    restart();
    dying.join();
    EXPECT_NE(slot(CNET_L4_TCP, 8080), CNET_BINDING_NONE);
    EXPECT_FALSE(controller->status()->reconcile.last_error.has_value());
}

TEST_F(PublishTest, FlowsGoWithTheirPort) {
    const auto one = *controller->publish("app", "8080:80");
    const auto two = *controller->publish("app", "8081:81");
    add_dnat_flow(1000, one.id);
    const cnet_ct_key kept = add_dnat_flow(1001, two.id);
    ASSERT_TRUE(controller->unpublish("app", "8080:80"));
    EXPECT_EQ(tables.flows.size(), 2u);
    EXPECT_TRUE(tables.flows.contains(kept));
    ASSERT_TRUE(controller->delete_endpoint("app"));
    EXPECT_TRUE(tables.flows.empty());
    EXPECT_TRUE(controller->ports()->empty());
    EXPECT_TRUE(listen_on(8081));
}

TEST_F(PublishTest, FlowsAreShown) {
    const auto port = *controller->publish("app", "8080:80");
    add_dnat_flow(1000, port.id);
    clock.advance_s(3);
    auto flows = connections();
    ASSERT_TRUE(flows);
    ASSERT_EQ(flows->size(), 1u);
    const control::CtView& flow = (*flows)[0];
    EXPECT_EQ(flow.protocol, "tcp");
    EXPECT_EQ(flow.type, "dnat");
    EXPECT_EQ(flow.network, "web");
    EXPECT_EQ(flow.dst_port, 8080);
    EXPECT_EQ(flow.reply_src, ip("10.88.0.2"));
    EXPECT_EQ(flow.reply_src_port, 80);
    EXPECT_EQ(flow.idle_s, 3u);
    EXPECT_EQ(flow.expires_s, 237u);
    EXPECT_EQ(controller->count_connections()->entries, 2u);
    EXPECT_EQ(controller->status()->connections, 1u);

    control::CtFilter filter;
    filter.endpoint = "two";
    EXPECT_TRUE(connections(filter)->empty());
    filter.endpoint = "app";
    filter.dport = 8080;
    filter.proto = "tcp";
    EXPECT_EQ(connections(filter)->size(), 1u);
    filter.proto = "tpc";
    EXPECT_EQ(connections(filter).error().kind(), ErrorKind::kInvalid);
    filter.proto.reset();
    filter.network = "nope";
    EXPECT_EQ(connections(filter).error().kind(), ErrorKind::kNotFound);
    filter.network = "web";
    EXPECT_EQ(*controller->flush_connections(filter), 1u);
    EXPECT_TRUE(tables.flows.empty());
}

TEST_F(PublishTest, FlowsOfALostAddressGo) {
    const auto port = *controller->publish("app", "8080:80");
    add_dnat_flow(1000, port.id);
    ASSERT_TRUE(rtnl.delete_address("eth0", prefix("192.0.2.2/24")));
    ASSERT_TRUE(links_changed());
    EXPECT_TRUE(tables.flows.empty());
    EXPECT_TRUE(controller->uplinks().empty());
}

// Docker's gateway_mode "routed": at the endpoint's own address, and none of the host's.
TEST_F(PublishTest, ARoutedNetworksPortsAreTheEndpointsOwn) {
    control::NetworkSpec spec;
    spec.name = "open";
    spec.subnets = {prefix("10.90.0.0/24"), prefix("fd00:90::/64")};
    spec.mode = control::Mode::kRoutedPublished;
    ASSERT_TRUE(controller->create_network(spec));
    namespaces.add("/run/netns/c");
    namespaces.add("/run/netns/d");
    make_endpoint("open", "own", "/run/netns/c");
    make_endpoint("open", "other", "/run/netns/d");
    auto published = [&](const char* address, uint16_t port) {
        cnet_bind_key key{};
        key.addr = ip(address).to_abi();
        key.slot = CNET_SLOT_INDEX(CNET_L4_TCP, port);
        return tables.contents.bind_addr.contains(key);
    };
    auto port = controller->publish("own", "8080-8081:80-81");
    ASSERT_TRUE(port) << port.error().message();
    EXPECT_EQ(port->host_port, 80);
    EXPECT_EQ(port->reservation, "direct");
    EXPECT_TRUE(published("10.90.0.2", 81) && published("fd00:90::2", 80));
    EXPECT_EQ(slot(CNET_L4_TCP, 8080), CNET_BINDING_NONE);
    EXPECT_EQ(slot(CNET_L4_TCP, 80), CNET_BINDING_NONE);
    EXPECT_EQ(refusal("own", "9090:80"), "Bind for 0.0.0.0:80 failed: port is already allocated");
    EXPECT_EQ(refusal("own", "127.0.0.1:9090:82").substr(0, 33),
              "nothing is published on 127.0.0.1");
    const auto limited = controller->publish("own", "83", {}, control::Holder::kDaemon, {100, 0});
    ASSERT_FALSE(limited);
    EXPECT_EQ(limited.error().message(), "a new rate is of a port of the host: those of a routed "
                                         "network are the endpoints' own");
    EXPECT_FALSE(controller->update_port("own", "80-81", {{}, 100, {}}));
    ASSERT_TRUE(controller->publish("other", "80"));
    ASSERT_TRUE(controller->publish("other", "[2001:db8::7]:9000:82"));
    EXPECT_TRUE(published("fd00:90::3", 82) && !published("10.90.0.3", 82));
    // A port of the host's is another matter.
    ASSERT_TRUE(controller->publish("app", "80:80"));
    restart();
    EXPECT_TRUE(published("10.90.0.3", 80));
    EXPECT_EQ(controller->endpoint("own")->ports, std::vector<std::string>{"80-81/tcp"});
    control::NetworkPatch patch;
    patch.mode = control::Mode::kNat;
    EXPECT_EQ(controller->update_network("open", patch).error().kind(), ErrorKind::kConflict);
    ASSERT_TRUE(controller->unpublish("own", "80-81"));
    EXPECT_FALSE(published("10.90.0.2", 80));
    expect_settled();
}

} // namespace

} // namespace cnet::test
