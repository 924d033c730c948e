// What stands in etcd, as JSON. Keys that a reader does not know are left alone, so that a later
// version may add some; what changes the meaning of a record raises its "v", and is refused by
// readers that do not know it.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "userspace/base/ip.h"
#include "userspace/base/result.h"
#include "userspace/control/model.h"

namespace cnet::cluster {

struct HostRecord {
    std::string id; // random, made once on each machine: tells two hosts of one name apart
    std::vector<IpAddress> vteps;

    bool operator==(const HostRecord&) const = default;
};

// Whose an address or a MAC is.
struct Claim {
    std::string host;
    std::string endpoint;

    bool operator==(const Claim&) const = default;
};

// Whose a part of a pool is. A host that is no member may have one too, written by hand.
struct SubnetRecord {
    std::string host;
    IpAddress vtep;
    MacAddress mac; // of its vxlan device

    bool operator==(const SubnetRecord&) const = default;
};

struct EndpointRecord {
    MacAddress mac;
    std::vector<IpAddress> addresses;
    std::vector<std::string> aliases;

    bool operator==(const EndpointRecord&) const = default;
};

std::string encode(const control::Network& network); // but for its id and what hosts derive
std::string encode(const HostRecord& record);
std::string encode(const Claim& record);
std::string encode(const SubnetRecord& record);
std::string encode(const EndpointRecord& record);

// kInvalid with what is wrong.
Result<control::Network> decode_network(std::string_view text);
Result<HostRecord> decode_host(std::string_view text);
Result<Claim> decode_claim(std::string_view text);
Result<SubnetRecord> decode_subnet_record(std::string_view text);
Result<EndpointRecord> decode_endpoint(std::string_view text);

} // namespace cnet::cluster
