// Where things stand in etcd, below the configured prefix. docs/overlay.md has the table.
//
//   v1/networks/NAME             the network
//   v1/vnis/VNI                  its name: whoever makes this key has the VNI
//   v1/hosts/NAME                the host: identity and VTEPs
//   v1/alive/NAME                there while the host's lease runs
//   v1/addresses/VNI/ADDRESS     who has the address: whoever makes this key has it
//   v1/macs/VNI/MAC              likewise
//   v1/subnets/VNI/PREFIX        which host has this part of the network's pool ("10.244.1.0-24")
//   v1/endpoints/VNI/HOST/NAME   the endpoint, while its host's lease runs
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "userspace/base/ip.h"

namespace cnet::cluster {

struct NetworkKey {
    std::string name;
};
struct VniKey {
    uint32_t vni = 0;
};
struct HostKey {
    std::string name;
};
struct AliveKey {
    std::string name;
};
struct AddressKey {
    uint32_t vni = 0;
    IpAddress address;
};
struct MacKey {
    uint32_t vni = 0;
    MacAddress mac;
};
struct SubnetKey {
    uint32_t vni = 0;
    IpPrefix prefix; // host bits zero
};
struct EndpointKey {
    uint32_t vni = 0;
    std::string host;
    std::string name;
};

using Key =
    std::variant<NetworkKey, VniKey, HostKey, AliveKey, AddressKey, MacKey, SubnetKey, EndpointKey>;

class Keys {
public:
    // `prefix` ends in a slash.
    explicit Keys(std::string prefix) : root_(std::move(prefix) + "v1/") {}

    const std::string& root() const { return root_; }
    std::string networks() const { return root_ + "networks/"; }
    std::string addresses(uint32_t vni) const;
    std::string subnets(uint32_t vni) const;
    std::string endpoints(uint32_t vni) const;

    std::string of(const Key& key) const;
    // None for what is not one of ours: a later version's, say.
    std::optional<Key> parse(std::string_view text) const;

private:
    std::string root_;
};

} // namespace cnet::cluster
