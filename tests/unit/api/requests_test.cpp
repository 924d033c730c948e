#include "userspace/api/requests.h"

#include <gtest/gtest.h>

namespace cnet::api {
namespace {

template <typename T> std::string fault_of(const Result<T>& result) {
    return result ? "" : result.error().message();
}

TEST(NetworkSpec, NeedsANameAlone) {
    auto spec = parse_network_spec(R"({"name": "web"})");
    ASSERT_TRUE(spec) << spec.error().message();
    control::NetworkSpec defaults;
    EXPECT_EQ(spec->name, "web");
    EXPECT_TRUE(spec->subnets.empty());
    EXPECT_EQ(spec->mtu, defaults.mtu);
    EXPECT_EQ(spec->icc, defaults.icc);
    EXPECT_EQ(spec->ageing_s, defaults.ageing_s);
    EXPECT_FALSE(spec->snat);
}

TEST(NetworkSpec, TakesEveryKey) {
    auto spec = parse_network_spec(
        R"({"name": "web", "subnets": ["10.88.0.0/24"], "gateways": ["10.88.0.1"],
            "ip_ranges": ["10.88.0.128/25"], "mtu": 1400, "internal": true, "icc": false,
            "masquerade": false, "snat": "192.0.2.1", "snat6": "2001:db8::1", "mode": "routed",
            "nat": "endpoint-independent", "learning": true, "ageing_s": 30,
            "mac_limit": 16, "flood_limit": 50, "names": false, "host_prefix": 24,
            "allow_spoofing": true})");
    ASSERT_TRUE(spec) << spec.error().message();
    EXPECT_EQ(spec->subnets[0].to_string(), "10.88.0.0/24");
    EXPECT_EQ(spec->gateways[0].to_string(), "10.88.0.1");
    EXPECT_EQ(spec->ip_ranges[0].to_string(), "10.88.0.128/25");
    EXPECT_EQ(spec->mtu, 1400u);
    EXPECT_TRUE(spec->internal);
    EXPECT_FALSE(spec->icc);
    EXPECT_FALSE(spec->masquerade);
    EXPECT_EQ(spec->snat->to_string(), "192.0.2.1");
    EXPECT_EQ(spec->snat6->to_string(), "2001:db8::1");
    EXPECT_EQ(spec->mode, control::Mode::kRouted);
    EXPECT_EQ(spec->nat, control::Nat::kEndpointIndependent);
    EXPECT_TRUE(spec->learning);
    EXPECT_EQ(spec->ageing_s, 30u);
    EXPECT_EQ(spec->mac_limit, 16u);
    EXPECT_EQ(spec->flood_limit, 50u);
    EXPECT_FALSE(spec->names);
    EXPECT_EQ(spec->host_prefix, 24u);
    EXPECT_TRUE(spec->allow_spoofing);
}

TEST(NetworkSpec, NoAddressesAtAll) {
    EXPECT_TRUE(parse_network_spec(R"({"name": "l", "layer2": true})")->layer2);
    EXPECT_FALSE(parse_network_spec(R"({"name": "l"})")->layer2);
    const auto spec = parse_endpoint_spec(
        R"({"network": "l", "name": "a", "netns": "b", "layer2": true, "disabled": true})");
    EXPECT_TRUE(spec->layer2 && spec->disabled);
}

TEST(NetworkSpec, ModesOfBothFamilies) {
    const auto spec = parse_network_spec(
        R"({"name": "n", "mode": "nat-unprotected", "mode6": "routed-published"})");
    EXPECT_EQ(spec->mode, control::Mode::kNatUnprotected);
    EXPECT_EQ(spec->mode6, control::Mode::kRoutedPublished);
    EXPECT_FALSE(parse_network_spec(R"({"name": "n", "mode6": null})")->mode6);
    EXPECT_FALSE(parse_network_patch(R"({"mode": "nat"})")->mode6);
    const auto patch = parse_network_patch(R"({"mode6": null})");
    EXPECT_TRUE(patch->mode6 && !*patch->mode6);
}

TEST(NetworkSpec, NamesWhatIsWrong) {
    EXPECT_EQ(fault_of(parse_network_spec("{}")), "name is missing");
    EXPECT_EQ(fault_of(parse_network_spec(R"({"name": 5})")), "name must be a string");
    EXPECT_EQ(fault_of(parse_network_spec(R"({"name": "a", "mtu": "x"})")), "mtu must be a number");
    EXPECT_EQ(fault_of(parse_network_spec(R"({"name": "a", "subnet": "10.0.0.0/8"})")),
              "unknown key \"subnet\"");
    EXPECT_EQ(fault_of(parse_network_spec(R"({"name": "a", "nat": "full-cone"})")),
              "nat: nat \"full-cone\" is neither symmetric nor endpoint-independent");
}

TEST(NetworkPatch, SetsOnlyWhatItSays) {
    auto patch = parse_network_patch(R"({"icc": false})");
    ASSERT_TRUE(patch);
    EXPECT_EQ(patch->icc, false);
    EXPECT_FALSE(patch->mtu);
    EXPECT_FALSE(patch->snat);
}

TEST(NetworkPatch, TellsSnatNullFromNoSnat) {
    auto patch = parse_network_patch(R"({"snat": null})");
    ASSERT_TRUE(patch && patch->snat);
    EXPECT_FALSE(*patch->snat);
    patch = parse_network_patch(R"({"snat": "192.0.2.1"})");
    ASSERT_TRUE(patch && patch->snat && *patch->snat);
    EXPECT_EQ((*patch->snat)->to_string(), "192.0.2.1");
}

TEST(NetworkPatch, RefusesWhatCannotChange) {
    EXPECT_EQ(fault_of(parse_network_patch(R"({"name": "b"})")), "unknown key \"name\"");
    EXPECT_EQ(fault_of(parse_network_patch(R"({"subnets": []})")), "unknown key \"subnets\"");
    EXPECT_EQ(fault_of(parse_network_patch(R"({"icc": null})")), "icc must be true or false");
}

TEST(EndpointSpec, TakesEveryKey) {
    auto spec = parse_endpoint_spec(
        R"({"network": "web", "name": "a", "netns": "box", "ifname": "eth1",
            "ips": ["10.88.0.9"], "mac": "02:00:00:00:00:09", "default_route": false,
            "aliases": ["db", "main"], "ingress_rate": 5000000000, "ingress_burst": 80000,
            "egress_rate": 1000, "egress_burst": 20000})");
    ASSERT_TRUE(spec) << spec.error().message();
    EXPECT_EQ(spec->network, "web");
    EXPECT_EQ(spec->netns, "box");
    EXPECT_EQ(spec->ifname, "eth1");
    EXPECT_EQ(spec->ips[0].to_string(), "10.88.0.9");
    EXPECT_EQ(spec->mac->to_string(), "02:00:00:00:00:09");
    EXPECT_FALSE(spec->default_route);
    EXPECT_EQ(spec->ingress, (RateLimit{5'000'000'000, 80'000}));
    EXPECT_EQ(spec->egress, (RateLimit{1000, 20'000}));
    EXPECT_EQ(spec->aliases, (std::vector<std::string>{"db", "main"}));
    EXPECT_EQ(fault_of(parse_endpoint_spec(
                  R"({"network": "n", "name": "a", "netns": "b", "aliases": "db"})")),
              "aliases must be a list of strings");
}

TEST(EndpointSpec, NeedsThreeKeys) {
    EXPECT_EQ(fault_of(parse_endpoint_spec(R"({"name": "a", "netns": "b"})")),
              "network is missing");
    EXPECT_EQ(fault_of(parse_endpoint_spec(R"({"network": "n", "netns": "b"})")),
              "name is missing");
    EXPECT_EQ(fault_of(parse_endpoint_spec(R"({"network": "n", "name": "a"})")),
              "netns is missing");
    EXPECT_TRUE(parse_endpoint_spec(R"({"network": "n", "name": "a", "netns": "b", "mac": null})"));
}

TEST(PortRequest, NeedsBothKeys) {
    auto request = parse_port_request(R"({"endpoint": "a", "spec": "8080:80"})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->spec, "8080:80");
    EXPECT_EQ(fault_of(parse_port_request(R"({"endpoint": "a"})")), "spec is missing");
    EXPECT_EQ(fault_of(parse_port_request(R"({"endpoint": "a", "spec": 80})")),
              "spec must be a string");
}

TEST(PortRequest, HowManyMayBegin) {
    auto request = parse_port_publication(
        R"({"endpoint": "a", "spec": "80", "new_rate": 100, "new_burst": 20})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->new_limit, (control::NewLimit{100, 20}));
    EXPECT_FALSE(
        parse_port_publication(R"({"endpoint": "a", "spec": "80"})")->new_limit.per_second);
    for (const char* rate : {"-1", "4294967296", "1.5", "\"9\"", "null"}) {
        const std::string body = R"({"endpoint": "a", "spec": "80", "new_rate": )";
        EXPECT_FALSE(parse_port_publication(body + rate + "}")) << rate;
        EXPECT_FALSE(parse_port_patch(body + rate + "}")) << rate;
    }
}

TEST(PortPatch, SetsOnlyWhatItSays) {
    auto request = parse_port_patch(R"({"endpoint": "a", "spec": "80", "new_burst": 7})");
    ASSERT_TRUE(request);
    EXPECT_EQ(request->patch.new_burst, 7u);
    EXPECT_FALSE(request->patch.new_rate);
    EXPECT_FALSE(request->patch.allow_from);
    request = parse_port_patch(R"({"endpoint": "a", "spec": "80", "allow_from": []})");
    ASSERT_TRUE(request && request->patch.allow_from);
    EXPECT_TRUE(request->patch.allow_from->empty());
    EXPECT_FALSE(request->patch.new_rate);
}

TEST(FdbRequest, NamesAPlaceToAddAndNoneToDelete) {
    constexpr auto kWithout = R"({"network": "n", "mac": "02:00:00:00:00:01"})";
    constexpr auto kWith = R"({"network": "n", "mac": "02:00:00:00:00:01", "endpoint": "a"})";
    constexpr auto kDevice = R"({"network": "n", "mac": "02:00:00:00:00:01", "device": "lan0"})";
    EXPECT_EQ(parse_fdb_addition(kWith)->place.endpoint, "a");
    EXPECT_EQ(parse_fdb_addition(kDevice)->place.device, "lan0");
    EXPECT_TRUE(parse_fdb_deletion(kWithout));
    EXPECT_EQ(fault_of(parse_fdb_deletion(kWith)), "unknown key \"endpoint\"");
}

TEST(Nothing, IsNoBodyOrAnEmptyObject) {
    EXPECT_TRUE(parse_nothing(""));
    EXPECT_TRUE(parse_nothing("{}"));
    EXPECT_EQ(fault_of(parse_nothing(R"({"force": true})")), "unknown key \"force\"");
}

TEST(CtFilter, IsTheSameFromQueryAndBody) {
    auto from_body = parse_ct_filter(std::string_view(
        R"({"proto": "tcp", "src": "10.88.0.2", "dport": 80, "state": "established"})"));
    auto from_query = parse_ct_filter(std::map<std::string, std::string>{
        {"proto", "tcp"}, {"src", "10.88.0.2"}, {"dport", "80"}, {"state", "established"}});
    ASSERT_TRUE(from_body) << from_body.error().message();
    ASSERT_TRUE(from_query) << from_query.error().message();
    for (const auto& filter : {*from_body, *from_query}) {
        EXPECT_EQ(filter.proto, "tcp");
        EXPECT_EQ(filter.src->to_string(), "10.88.0.2");
        EXPECT_FALSE(filter.sport);
        EXPECT_EQ(filter.dport, 80);
        EXPECT_EQ(filter.state, "established");
    }
}

TEST(CtFilter, RefusesPortsThatAreNone) {
    for (const char* text : {"", "x", "80x", "-1", "65536", "99999999999999999999"})
        EXPECT_FALSE(parse_ct_filter(std::map<std::string, std::string>{{"sport", text}})) << text;
}

TEST(CtFilter, DoesNotFlushEverythingByAccident) {
    EXPECT_FALSE(parse_ct_filter(std::string_view("")));
    EXPECT_TRUE(parse_ct_filter(std::string_view("{}")));
}

} // namespace
} // namespace cnet::api
