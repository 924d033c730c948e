// Killed after any call to the kernel or the store, a command leaves its "before" or its "after",
// which the next start completes or removes.
#include <functional>

#include "tests/unit/control/world.h"

namespace cnet::test {

namespace {

class CrashTest : public World {
protected:
    void SetUp() override {
        World::SetUp();
        make_network("web", "10.88.0.0/24");
        make_endpoint("web", "app", "/run/netns/a");
    }

    std::string summary() {
        std::string text;
        for (const auto& network : controller->networks()) {
            text += network.network.name + "/" + std::to_string(network.network.mtu) + " ";
        }
        const auto endpoints = controller->endpoints();
        for (const auto& endpoint : *endpoints)
            text += endpoint.name + ":" + endpoint.state + " ";
        for (const auto& sandbox : controller->sandboxes())
            text += sandbox.name + " ";
        return text;
    }

    // Runs `command` again and again, each time in a copy of the same situation made by `undo`,
    // dying one call later.
    void die_everywhere(const std::function<bool()>& command, const std::function<void()>& undo) {
        const std::string before = summary();
        ASSERT_TRUE(command());
        const std::string after = summary();
        ASSERT_NE(before, after);
        undo();
        ASSERT_EQ(summary(), before);
        for (int calls = 0;; calls++) {
            life.calls_left = calls;
            const bool survived = command();
            restart();
            expect_settled();
            const std::string found = summary();
            EXPECT_TRUE(found == before || found == after)
                << "died after " << calls << " calls: " << found;
            if (survived) {
                EXPECT_EQ(found, after);
                EXPECT_GE(calls, 2);
                return;
            }
            if (found == after) undo();
            ASSERT_EQ(summary(), before);
        }
    }
};

TEST_F(CrashTest, CreateNetwork) {
    die_everywhere(
        [&] {
            control::NetworkSpec spec;
            spec.name = "db";
            spec.subnets = {prefix("10.99.0.0/24")};
            return static_cast<bool>(controller->create_network(spec));
        },
        [&] { ASSERT_TRUE(controller->delete_network("db")); });
}

TEST_F(CrashTest, CreateEndpoint) {
    die_everywhere(
        [&] {
            return static_cast<bool>(
                controller->create_endpoint(endpoint_spec("web", "two", "/run/netns/b")));
        },
        [&] { ASSERT_TRUE(controller->delete_endpoint("two")); });
}

TEST_F(CrashTest, DeleteEndpoint) {
    die_everywhere([&] { return static_cast<bool>(controller->delete_endpoint("app")); },
                   [&] { make_endpoint("web", "app", "/run/netns/a"); });
}

TEST_F(CrashTest, UpdateNetwork) {
    die_everywhere(
        [&] {
            control::NetworkPatch patch;
            patch.mtu = 9000;
            return static_cast<bool>(controller->update_network("web", patch));
        },
        [&] {
            control::NetworkPatch patch;
            patch.mtu = 1500;
            ASSERT_TRUE(controller->update_network("web", patch));
        });
}

TEST_F(CrashTest, CreateSandbox) {
    die_everywhere([&] { return static_cast<bool>(controller->create_sandbox("box")); },
                   [&] { ASSERT_TRUE(controller->delete_sandbox("box")); });
}

} // namespace

} // namespace cnet::test
