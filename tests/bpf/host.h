// A host for BPF_PROG_TEST_RUN: a network namespace of its own, real devices for ifindexes and
// routes, the real programs on maps of their own. Redirects are not carried out by a test run, so
// what is compared is the verdict, the whole packet, every counter that moved, and the maps;
// tests/netns follows packets to where they arrive.
//
//            network 1: 10.1.0.0/24, gateway 10.1.0.1        network 2: 10.2.0.0/24
//   ep1 10.1.0.2 --+                                     ep3 10.2.0.2 --+
//   ep2 10.1.0.3 --+-- hp1 = gw1 (the host)                            +-- hp2 = gw2
//                                   up0 198.51.100.1/24 -- router 198.51.100.254 -- the world
//
// and the same in IPv6: fd00:1::2, fd00:1::3, fd00:2::2, gateways ::1, up0 2001:db8:f::1/64.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "loader/data_path.h"
#include "tests/bpf/explained.h"
#include "tests/bpf/packet.h"
#include "userspace/base/netns.h"

namespace cnet::test {

inline constexpr char kMacEp1[] = "02:00:00:00:01:02", kMacEp2[] = "02:00:00:00:01:03",
                      kMacEp3[] = "02:00:00:00:02:02", kMacGw1[] = "02:00:00:00:01:01",
                      kMacGw2[] = "02:00:00:00:02:01", kMacUp[] = "02:00:00:00:ff:01",
                      kMacRouter[] = "02:00:00:00:ff:fe", kMacStranger[] = "02:00:00:00:99:99",
                      kMacBroadcast[] = "ff:ff:ff:ff:ff:ff";
inline constexpr char kHostAddr[] = "198.51.100.1", kWorld[] = "203.0.113.9", kEp1[] = "10.1.0.2",
                      kEp2[] = "10.1.0.3", kEp3[] = "10.2.0.2", kGw1[] = "10.1.0.1";
inline constexpr char kHostAddr6[] = "2001:db8:f::1", kWorld6[] = "2001:db8:9::9",
                      kRouter6[] = "2001:db8:f::fe", kEp1v6[] = "fd00:1::2", kEp2v6[] = "fd00:1::3",
                      kEp3v6[] = "fd00:2::2", kGw1v6[] = "fd00:1::1";

enum class Verdict { kNext = -1, kDrop = 2, kRedirect = 7 };

using HookReason = std::pair<cnet_hook, cnet_reason>;

struct Outcome {
    Verdict verdict;
    Bytes packet;
    std::vector<HookReason> counted; // each once per increment
    loader::Explained explained;     // what was said of it before
};

// Every (hook, reason) pair that any test saw counted.
std::vector<HookReason>& coverage();

class HostTest : public ::testing::Test {
protected:
    void SetUp() override;
    void TearDown() override;

    // How large the maps are.
    virtual std::map<std::string, uint32_t> map_sizes() const {
        return {{"cnet_ct", 64}, {"cnet_fdb", 16}, {"cnet_frag", 8}, {"cnet_frag_held", 4}};
    }

    std::filesystem::path pins() const { return Paths::below(root_).pins; }
    loader::DataPath& data_path() { return *data_path_; }
    maps::DataPathMaps& maps() { return data_path_->maps(); }

    // Every reason that moved meanwhile, each once per increment.
    std::vector<HookReason> counted_by(const std::function<void()>& action);
    // Explained first: what that says must come true. `gso_size`: the packet's payload is segments
    // of so many bytes.
    Outcome run(const char* program, const char* device, const Packet& packet,
                uint32_t gso_size = 0);
    // The verdict alone; `packet` becomes what the program made of it.
    Verdict run_once(int program, uint32_t device, Bytes& packet, uint32_t gso_size = 0);
    Outcome endpoint(const char* device, const Packet& packet) {
        return run("cnet_endpoint", device, packet);
    }
    Outcome uplink(const Packet& packet) { return run("cnet_uplink", "up0", packet); }
    Outcome egress(const Packet& packet) { return run("cnet_uplink_egress", "up0", packet); }
    Outcome hostport(const Packet& packet) { return run("cnet_hostport", "hp1", packet); }

    // One reason counted, this verdict, this whole packet.
    static void expect(const Outcome& outcome, Verdict verdict, cnet_hook hook, cnet_reason reason,
                       const Packet& packet);
    static void expect_explained(const Outcome& outcome);
    static void expect_drop(const Outcome& outcome, cnet_hook hook, cnet_reason reason);

    uint32_t ifindex(const char* device) const;
    // Rewrites the port of an endpoint's device with other flags.
    void set_port_flags(const char* device, uint32_t flags);
    // `target6` is the IPv6 address of the same endpoint, if it has one.
    void publish(uint32_t id, cnet_l4 l4, uint16_t host_port, const char* target,
                 uint16_t target_port, uint32_t network_id = 1, uint16_t count = 1,
                 const char* target6 = nullptr);
    cnet_ct_key key4(uint32_t zone, uint8_t protocol, const char* src, uint16_t src_port,
                     const char* dst, uint16_t dst_port) const;
    size_t flows();
    // Both halves of every flow are there, and the slots count what is in the table.
    void check_flows();
    void shell(const std::string& command) const;
    void add_host_addr(const char* addr, const char* device);

private:
    void make_devices();
    void fill_maps();
    void add_port(const char* device, uint32_t network, const char* mac, const char* addr,
                  const char* addr6, uint32_t flood_index);
    void add_host_port(const char* outer, const char* inner, uint32_t network, const char* mac,
                       const char* addr, const char* addr6);

    std::unique_ptr<NetnsGuard> netns_;
    Explainers explainers_;
    std::filesystem::path root_;
    std::unique_ptr<loader::DataPath> data_path_;
};

} // namespace cnet::test
