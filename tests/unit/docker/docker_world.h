// A host in memory with Docker's driver on it, called as Docker calls it.
#pragma once

#include <nlohmann/json.hpp>

#include "tests/unit/control/world.h"
#include "userspace/docker/plugin.h"

namespace cnet::test {

using docker::Json;

class DockerWorld : public World {
protected:
    api::Response post(const std::string& call, const std::string& body, uid_t uid = 0) {
        docker::Plugin plugin(*controller);
        return plugin.handle({"POST", "/" + call, {}, body, uid});
    }
    Json call(const std::string& name, const Json& body) {
        const api::Response response = post(name, body.dump());
        EXPECT_EQ(response.status, 200);
        return Json::parse(response.body, nullptr, false);
    }
    Json driver(const std::string& name, const Json& body) {
        return call("NetworkDriver." + name, body);
    }
    Json ipam(const std::string& name, const Json& body) {
        return call("IpamDriver." + name, body);
    }

    static Json network(const Json& generic = Json::object(),
                        const std::string& subnet = "172.30.0.0/24",
                        const std::string& gateway = "172.30.0.1/24") {
        return {{"NetworkID", "n1"},
                {"Options", {{"com.docker.network.generic", generic}}},
                {"IPv4Data", {{{"Pool", subnet}, {"Gateway", gateway}}}},
                {"IPv6Data", Json::array()}};
    }
    static Json endpoint(const std::string& id, const std::string& address) {
        return {{"NetworkID", "n1"},
                {"EndpointID", id},
                {"Interface", {{"Address", address}, {"AddressIPv6", ""}, {"MacAddress", ""}}},
                {"Options", Json::object()}};
    }
    static Json ids(const std::string& endpoint) {
        return {{"NetworkID", "n1"}, {"EndpointID", endpoint}};
    }
    static Json with(Json body, const std::string& key, const Json& value) {
        body[key] = value;
        return body;
    }
    static Json portmap(const std::vector<Json>& entries) {
        return {{"com.docker.network.portmap", entries}};
    }
    static Json port(unsigned protocol, unsigned inside, unsigned host, unsigned host_end) {
        return {{"Proto", protocol}, {"IP", ""},         {"Port", inside},
                {"HostIP", ""},      {"HostPort", host}, {"HostPortEnd", host_end}};
    }
    static const Json done() { return Json::object(); }
};

} // namespace cnet::test
