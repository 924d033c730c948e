// A host of a cluster without a data path: takes addresses and gives them back as fast as it can,
// until its input ends, the way cnetd does it (cluster::Member). What it had when it died it gives
// back when it starts again. tests/netns/across/test_cluster_churn.py has several of them contend
// for few addresses.
//
//   cnet-cluster-churn '{"endpoints": [...], "host": NAME, "network": NAME, "vni": N,
//                        "addresses": N, "hold": N}'
//
// Says, with CLOCK_MONOTONIC's nanoseconds, what it believes:
//   begin TIME            it has nothing
//   have ADDRESS TIME     it was told so at that time
//   leave ADDRESS TIME    it stops using it at that time, and then gives it back
//   end KEPT TAKEN UNKNOWN  what it still has; how often others had it, and nobody knew
#include <poll.h>

#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "userspace/base/clock.h"
#include "userspace/cluster/member.h"

namespace {

using namespace cnet;
using Json = nlohmann::json;

class Host {
public:
    Host(const Json& config, etcd::Client client, std::unique_ptr<cluster::Follower> follower)
        : config_(config), kv_(std::move(client)), follower_(std::move(follower)),
          member_({config["prefix"], config["host"], config["host"]}, kv_) {}

    void run(const std::stop_token& stop) {
        say("begin", "");
        publish();
        while (!stop.stop_requested()) {
            hear();
            if (held_.size() < config_["hold"] && random_() % 2 == 0)
                take(random_address());
            else if (!held_.empty())
                give_back(std::next(held_.begin(), static_cast<long>(random_() % held_.size())));
        }
        std::cout << "end " << held_.size() << ' ' << taken_ << ' ' << unknown_ << std::endl;
    }

private:
    using Held = std::map<std::string, control::ClusterEndpoint>; // by address

    void say(const char* what, const std::string& address) {
        std::cout << what << ' ' << address << (address.empty() ? "" : " ") << clock_.monotonic_ns()
                  << std::endl;
    }

    // Takes in what the follower has; waits a moment for it where nothing else can be done.
    void hear() {
        bool idle = !member_.status().connected;
        pollfd news{follower_->fd(), POLLIN, 0};
        if (poll(&news, 1, idle ? 50 : 0) > 0) member_.take(follower_->take());
        if (member_.wants_retry()) member_.retry();
    }

    std::string random_address() {
        return "10.0.0." + std::to_string(random_() % config_["addresses"].get<unsigned>() + 1);
    }

    void take(const std::string& address) {
        if (held_.contains(address)) return;
        control::ClusterEndpoint endpoint;
        endpoint.host = config_["host"];
        endpoint.network = config_["network"];
        endpoint.name = "e" + std::to_string(++serial_);
        endpoint.addresses = {*IpAddress::parse(address)};
        endpoint.vni = config_["vni"];
        Status done = member_.claim(endpoint);
        if (done) {
            held_[address] = endpoint;
            say("have", address);
        }
        if (!done && done.error().kind() == ErrorKind::kConflict) taken_++;
        if (!done && done.error().kind() == ErrorKind::kUnknown) unknown_++;
        // One that nobody knows of is not ours; should it turn up, publishing gives it back.
        publish();
    }

    void give_back(Held::iterator held) {
        std::string address = held->first;
        held_.erase(held);
        say("leave", address);
        publish();
    }

    void publish() {
        control::OwnRecords own;
        for (const auto& [address, endpoint] : held_)
            own.endpoints.push_back(endpoint);
        member_.publish(own);
    }

    Json config_;
    cluster::EtcdKv kv_;
    std::unique_ptr<cluster::Follower> follower_;
    cluster::Member member_;
    SystemClock clock_;
    std::mt19937_64 random_{std::random_device{}()};
    Held held_;
    int serial_ = 0;
    int taken_ = 0;
    int unknown_ = 0;
};

} // namespace

int main(int argc, char** argv) {
    CNET_CHECK(argc == 2);
    Json config = Json::parse(argv[1]);
    etcd::ClientConfig client_config;
    client_config.endpoints = config["endpoints"].get<std::vector<std::string>>();
    client_config.connect_timeout = std::chrono::milliseconds(500);
    client_config.request_timeout = std::chrono::milliseconds(2500);
    auto client = etcd::Client::open(client_config);
    CNET_CHECK(client);
    auto follower = cluster::Follower::start(
        {client_config, cluster::Keys(config["prefix"]).root(), config["lease_s"]});
    CNET_CHECK(follower);
    Host host(config, std::move(*client), std::move(*follower));
    std::jthread worker([&](const std::stop_token& stop) { host.run(stop); });
    for (std::string line; std::getline(std::cin, line);) {
    }
    return 0;
}
