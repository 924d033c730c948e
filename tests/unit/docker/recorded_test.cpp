// What dockerd 20.10 sent to a remote driver, replayed: docker-20.10.jsonl.
#include <fstream>
#include <set>

#include "tests/unit/control/own_netns.h"
#include "tests/unit/docker/docker_world.h"

namespace {

using cnet::test::Json;

class Recorded : public cnet::test::DockerWorld {};

TEST_F(Recorded, EachCallIsDoneAndWhatIsTakenAwayIsGone) {
    if (!cnet::test::in_own_netns) GTEST_SKIP() << "needs a network namespace of its own";
    std::ifstream file(RECORDED);
    std::set<std::string> networks;
    std::set<std::string> endpoints;
    unsigned count = 0;
    for (std::string line; std::getline(file, line); count++) {
        const Json recorded = Json::parse(line);
        const std::string name = recorded["call"];
        const Json& body = recorded["body"];
        const Json answer = call(name, body);
        if (line.find("0.0.0.0/0") != line.npos) {
            EXPECT_EQ(answer["Err"],
                      "a network of cnet needs a subnet: IPAM driver null gives none");
            continue;
        }
        EXPECT_FALSE(answer.contains("Err") || answer.contains("Error")) << line << answer;
        // A second time, as after a connection that broke, nothing changes.
        if (name.starts_with("NetworkDriver.")) {
            EXPECT_EQ(call(name, body), answer) << line;
        }
        if (name == "NetworkDriver.CreateNetwork") networks.insert(body["NetworkID"]);
        if (name == "NetworkDriver.CreateEndpoint") endpoints.insert(body["EndpointID"]);
        if (name == "NetworkDriver.DeleteEndpoint") endpoints.erase(body["EndpointID"]);
    }
    EXPECT_GT(count, 90u);
    std::set<std::string> ours;
    const auto views = controller->endpoints();
    for (const auto& view : *views)
        ours.insert(view.docker->id);
    EXPECT_EQ(ours, endpoints);
    EXPECT_EQ(controller->networks().size(), networks.size());
    restart();
    EXPECT_EQ(controller->endpoints()->size(), endpoints.size());
    for (const std::string& id : networks)
        EXPECT_EQ(driver("DeleteNetwork", {{"NetworkID", id}}), done());
    EXPECT_TRUE(controller->endpoints()->empty());
    EXPECT_TRUE(controller->networks().empty());
    EXPECT_TRUE(controller->ports()->empty());
    expect_settled();
}

} // namespace
