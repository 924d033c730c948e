// A host that takes addresses and gives them back, as fast as it can, until its input ends. What it
// had when it died it gives back when it starts again. tests/netns/test_etcd_churn.py
// has several of them contend for few addresses.
//
//   cnet-etcd-churn '{"endpoints": [...], "prefix": P, "host": NAME, "addresses": N, "hold": N}'
//
// Says, with CLOCK_MONOTONIC's nanoseconds, what it believes:
//   begin TIME            it has nothing, and what etcd says it has it gives back
//   have ADDRESS TIME     it was told so at that time
//   leave ADDRESS TIME    it stops using it at that time, and then gives it back
//   end KEPT TAKEN UNKNOWN  what it still has; how often others had it, and nobody knew
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>

#include "userspace/base/clock.h"
#include "userspace/etcd/client.h"

namespace {

using namespace cnet;
using etcd::Compare;
using Json = nlohmann::json;

class Host {
public:
    Host(etcd::Client client, const Json& config)
        : client_(std::move(client)), prefix_(config["prefix"]), name_(config["host"]),
          addresses_(config["addresses"]), hold_(config["hold"]) {}

    void run(const std::stop_token& stop) {
        say("begin", "");
        give_back_all();
        while (!stop.stop_requested()) {
            if (held_.size() < hold_ && random_() % 2 == 0)
                take(random_address());
            else if (!held_.empty())
                give_back(std::next(held_.begin(), static_cast<long>(random_() % held_.size())));
        }
        std::cout << "end " << held_.size() << ' ' << taken_ << ' ' << unknown_ << std::endl;
    }

private:
    using Held = std::map<std::string, int64_t>; // address to the revision that made it ours

    void say(const char* what, const std::string& address) {
        std::cout << what << ' ' << address << (address.empty() ? "" : " ") << clock_.monotonic_ns()
                  << std::endl;
    }

    std::string random_address() { return "10.0.0." + std::to_string(random_() % addresses_ + 1); }

    // Nobody else writes this, and no earlier attempt of ours.
    std::string new_claim() { return name_ + ' ' + std::to_string(random_()); }

    void take(const std::string& address) {
        if (held_.contains(address)) return;
        std::string claim = new_claim();
        auto done = client_.txn({Compare::absent(prefix_ + address)},
                                {etcd::Put{prefix_ + address, claim}});
        if (done && !done->succeeded) taken_++;
        if (done && done->succeeded) {
            held_[address] = done->revision;
            say("have", address);
        }
        if (!done && done.error().kind() == ErrorKind::kUnknown) look_again(address, claim);
    }

    // Was it carried out? One that is not there by now can come later still: that one is left lying
    // until give_back_all().
    void look_again(const std::string& address, const std::string& claim) {
        unknown_++;
        for (const etcd::KeyValue& kv : read(prefix_ + address)) {
            if (kv.value != claim) continue;
            held_[address] = kv.mod_revision;
            say("have", address);
        }
    }

    std::vector<etcd::KeyValue> read(const std::string& key) {
        for (;;) {
            auto done = client_.txn({}, {etcd::Get{key}});
            if (done) return done->gets.front();
        }
    }

    void give_back(Held::iterator held) {
        auto [address, revision] = *held;
        held_.erase(held);
        say("leave", address);
        remove(prefix_ + address, revision);
    }

    // Until it is certain. Once it is gone another host may make it again: what that made stays.
    void remove(const std::string& key, int64_t mod_revision) {
        etcd::KeyValue as_read;
        as_read.key = key;
        as_read.mod_revision = mod_revision;
        while (!client_.txn({Compare::unchanged(as_read)}, {etcd::Delete{key}})) {
        }
    }

    void give_back_all() {
        for (;;) {
            auto range = client_.range(prefix_);
            if (!range) continue;
            for (const etcd::KeyValue& kv : range->kvs)
                if (kv.value.starts_with(name_ + ' ')) remove(kv.key, kv.mod_revision);
            return;
        }
    }

    etcd::Client client_;
    std::string prefix_;
    std::string name_;
    uint32_t addresses_;
    size_t hold_;
    SystemClock clock_;
    std::mt19937_64 random_{std::random_device{}()};
    Held held_;
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
    client_config.request_timeout = std::chrono::seconds(3);
    auto client = etcd::Client::open(client_config);
    CNET_CHECK(client);
    Host host(std::move(*client), config);
    std::jthread worker([&](const std::stop_token& stop) { host.run(stop); });
    for (std::string line; std::getline(std::cin, line);) {
    }
    return 0;
}
