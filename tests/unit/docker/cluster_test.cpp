// Docker's driver on a host of a cluster: networks that another host's Docker has made, and
// addresses that its endpoints have.
#include "tests/unit/cluster/member_world.h"
#include "tests/unit/docker/docker_world.h"

namespace cnet::test {
namespace {

constexpr uint32_t kVni = 4096;

class DockerInACluster : public InCluster<DockerWorld> {
protected:
    void make_at_b(const std::string& subnet) { InCluster::make_at_b("wide", kVni, subnet); }
    static Json shared(const std::string& subnet, const std::string& gateway) {
        return network({{"cnet.vni", std::to_string(kVni)}}, subnet, gateway);
    }
    // Docker's pool for the subnet, whose gateway Docker asks for first.
    std::string pool(const std::string& subnet) {
        const Json answer = ipam("RequestPool", {{"AddressSpace", "cnetlocal"},
                                                 {"Pool", subnet},
                                                 {"SubPool", ""},
                                                 {"Options", Json::object()},
                                                 {"V6", false}});
        const std::string id = answer.value("PoolID", "");
        const Json gateway =
            ipam("RequestAddress",
                 {{"PoolID", id},
                  {"Address", ""},
                  {"Options", {{"RequestAddressType", "com.docker.network.gateway"}}}});
        EXPECT_TRUE(gateway.contains("Address")) << gateway.dump();
        return id;
    }
    // "" is any; an error is answered as it is.
    std::string address(const std::string& pool, const std::string& wanted = "") {
        const Json answer = ipam(
            "RequestAddress", {{"PoolID", pool}, {"Address", wanted}, {"Options", Json::object()}});
        return answer.value("Address", answer.value("Error", ""));
    }
    std::string docker_id_of(const std::string& name) {
        auto view = controller->network(name);
        if (!view) return view.error().message();
        return view->network.docker ? view->network.docker->id : "";
    }
};

TEST_F(DockerInACluster, ANetworkOfAnotherHostIsJoinedAndLeft) {
    make_at_b("10.99.0.0/24");
    hear();
    EXPECT_EQ(driver("CreateNetwork", shared("10.98.0.0/24", "10.98.0.1/24")).value("Err", ""),
              "network wide has other subnets: give --subnet 10.99.0.0/24 --gateway 10.99.0.1, or "
              "--ipam-driver cnet");
    EXPECT_EQ(docker_id_of("wide"), "");
    const Json mine = shared("10.99.0.0/24", "10.99.0.1/24");
    EXPECT_EQ(driver("CreateNetwork", mine), done());
    EXPECT_EQ(driver("CreateNetwork", mine), done()) << "once more, as Docker may";
    EXPECT_EQ(docker_id_of("wide"), "n1");
    EXPECT_EQ(controller->networks().size(), 1u);
    EXPECT_EQ(etcd.keys("/cnet/v1/networks/").size(), 1u);
    restart();
    EXPECT_EQ(docker_id_of("wide"), "n1");

    EXPECT_EQ(driver("DeleteNetwork", {{"NetworkID", "n1"}}), done());
    EXPECT_EQ(docker_id_of("wide"), "");
    EXPECT_EQ(etcd.keys("/cnet/v1/networks/").size(), 1u) << "it is the other host's to remove";
}

TEST_F(DockerInACluster, OneMadeAtTheSameMomentIsJoinedToo) {
    make_at_b("10.99.0.0/24"); // which this host has not heard of
    EXPECT_EQ(driver("CreateNetwork", shared("10.99.0.0/24", "10.99.0.1/24")), done());
    EXPECT_EQ(docker_id_of("wide"), "n1");
    EXPECT_EQ(etcd.keys("/cnet/v1/networks/").size(), 1u);
}

TEST_F(DockerInACluster, TheOneThatMadeItRemovesItWhenNobodyIsInIt) {
    const Json mine = shared("10.99.0.0/24", "10.99.0.1/24");
    ASSERT_EQ(driver("CreateNetwork", mine), done());
    hear();
    ASSERT_TRUE(b.add(endpoint_of("docker-n1", "far", "10.99.0.2", "02:00:00:00:00:01")));
    EXPECT_EQ(driver("DeleteNetwork", {{"NetworkID", "n1"}}), done()) << "Docker forgets it anyway";
    EXPECT_EQ(docker_id_of("docker-n1"), "");
    EXPECT_EQ(etcd.keys("/cnet/v1/networks/").size(), 1u);

    b.remove("far");
    ASSERT_TRUE(controller->delete_network("docker-n1"));
    ASSERT_EQ(driver("CreateNetwork", mine), done());
    EXPECT_EQ(driver("DeleteNetwork", {{"NetworkID", "n1"}}), done());
    EXPECT_TRUE(etcd.keys("/cnet/v1/networks/").empty());
}

TEST_F(DockerInACluster, NoAddressIsGivenOutThatAnotherHostHas) {
    make_at_b("10.99.0.0/29"); // six addresses, one of them the gateway
    ASSERT_TRUE(b.add(endpoint_of("wide", "far", "10.99.0.2", "02:00:00:00:00:01")));
    ASSERT_TRUE(b.add(endpoint_of("wide", "away", "10.99.0.5", "02:00:00:00:00:02")));
    hear();
    const std::string id = pool("10.99.0.0/29");
    ASSERT_EQ(driver("CreateNetwork", shared("10.99.0.0/29", "10.99.0.1/29")), done());
    std::set<std::string> given;
    for (int times = 0; times < 3; times++)
        given.insert(address(id));
    EXPECT_EQ(given, (std::set<std::string>{"10.99.0.3/29", "10.99.0.4/29", "10.99.0.6/29"}));
    EXPECT_NE(address(id).find("no free address is left"), std::string::npos) << address(id);
    EXPECT_NE(address(id, "10.99.0.2").find("address 10.99.0.2 is in use already"),
              std::string::npos);
    b.remove("far");
    hear();
    EXPECT_EQ(address(id), "10.99.0.2/29");
}

TEST_F(DockerInACluster, OfTwoHostsThatTakeAnAddressAtOnceOneHasIt) {
    make_at_b("10.99.0.0/24");
    hear();
    const std::string id = pool("10.99.0.0/24");
    ASSERT_EQ(driver("CreateNetwork", shared("10.99.0.0/24", "10.99.0.1/24")), done());
    const std::string mine = address(id);
    const std::string alone = mine.substr(0, mine.find('/'));
    ASSERT_TRUE(b.add(endpoint_of("wide", "far", alone, "02:00:00:00:00:01")));
    // What it has not heard of, etcd says.
    const Json refused = driver("CreateEndpoint", endpoint("e1", mine));
    EXPECT_NE(refused.value("Err", "").find("is endpoint far of host b already"), std::string::npos)
        << refused.dump();
    EXPECT_TRUE(controller->endpoints()->empty());
    EXPECT_EQ(ipam("ReleaseAddress", {{"PoolID", id}, {"Address", alone}}), done());
    const std::string next = address(id);
    EXPECT_NE(next, mine);
    const Json made = driver("CreateEndpoint", endpoint("e1", next));
    EXPECT_FALSE(made.contains("Err")) << made.dump();
    EXPECT_EQ(etcd.keys("/cnet/v1/addresses/").size(), 2u);
}

} // namespace
} // namespace cnet::test
