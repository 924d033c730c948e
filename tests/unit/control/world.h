// A host in memory with a controller on it; restart() is a new process on the same host and store.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/unit/base/fake_clock.h"
#include "tests/unit/control/fake_kernel.h"
#include "tests/unit/netlink/fake_news.h"
#include "userspace/control/controller.h"
#include "userspace/store/sqlite_store.h"

namespace cnet::test {

// A store whose next commit can fail, and which dies with the process.
class MortalStore final : public store::Store {
public:
    MortalStore(Life& life, std::unique_ptr<store::SqliteStore> store)
        : life_(life), store_(std::move(store)) {}

    std::optional<Error> commit_error;

    Result<store::Snapshot> load() override { return store_->load(); }
    Status commit(const std::vector<store::Mutation>& mutations) override {
        if (!life_.spend()) return Life::dead();
        if (commit_error) return *commit_error;
        return store_->commit(mutations);
    }

private:
    Life& life_;
    std::unique_ptr<store::SqliteStore> store_;
};

class World : public ::testing::Test {
protected:
    World() : tables(life), hooks(life, tables), namespaces(life, rtnl), mortal_rtnl_(life, rtnl) {}

    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "cnet-control-XXXXXX";
        ASSERT_NE(mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
        eth0 = rtnl.add_device("eth0", {prefix("192.0.2.2/24")});
        namespaces.add("/run/netns/a");
        namespaces.add("/run/netns/b");
        restart();
    }
    void TearDown() override {
        controller.reset();
        std::filesystem::remove_all(directory_);
    }

    void restart() {
        life.calls_left.reset();
        controller.reset();
        store.reset();
        auto opened = store::SqliteStore::open(directory_);
        ASSERT_TRUE(opened) << opened.error().message();
        store = std::make_unique<MortalStore>(life, std::move(*opened));
        auto started = control::Controller::start(
            {*store, mortal_rtnl_, hooks, tables, namespaces, clock, cluster}, timeouts,
            control::UplinkPolicy::kAutomatic, overlay);
        ASSERT_TRUE(started) << started.error().message();
        controller = std::move(*started);
    }

    // The daemon looks at what netlink has told.
    Status links_changed() { return controller->links_changed(news.drain()); }

    // Nothing is left to repair: kernel and desired state agree.
    void expect_settled() {
        const unsigned before = rtnl.changes() + tables.changes + hooks.changes;
        auto status = controller->reconcile();
        EXPECT_TRUE(status) << status.error().message();
        EXPECT_EQ(rtnl.changes() + tables.changes + hooks.changes, before)
            << "reconcile still found something to do";
    }

    static IpPrefix prefix(const std::string& text) { return *IpPrefix::parse(text); }
    static IpAddress ip(const std::string& text) { return *IpAddress::parse(text); }
    static MacAddress mac(const std::string& text) { return *MacAddress::parse(text); }

    control::NetworkView make_network(const std::string& name, const std::string& subnet) {
        control::NetworkSpec spec;
        spec.name = name;
        spec.subnets = {prefix(subnet)};
        auto network = controller->create_network(spec);
        EXPECT_TRUE(network) << network.error().message();
        return network ? *network : control::NetworkView();
    }

    static control::EndpointSpec endpoint_spec(const std::string& network, const std::string& name,
                                               const std::string& netns) {
        control::EndpointSpec spec;
        spec.network = network;
        spec.name = name;
        spec.netns = netns;
        return spec;
    }

    control::EndpointView make_endpoint(const std::string& network, const std::string& name,
                                        const std::string& netns) {
        auto endpoint = controller->create_endpoint(endpoint_spec(network, name, netns));
        EXPECT_TRUE(endpoint) << endpoint.error().message();
        return endpoint ? *endpoint : control::EndpointView();
    }

    Life life;
    FakeRtnl rtnl;
    FakeNews news{rtnl};
    FakeTables tables;
    FakeHooks hooks;
    FakeNamespaces namespaces;
    FakeClock clock;
    control::Timeouts timeouts;
    control::OverlayConfig overlay;
    control::Cluster* cluster = nullptr; // from the next restart() on
    std::unique_ptr<MortalStore> store;
    std::unique_ptr<control::Controller> controller;
    uint32_t eth0 = 0;

private:
    MortalRtnl mortal_rtnl_;
    std::filesystem::path directory_;
};

} // namespace cnet::test
