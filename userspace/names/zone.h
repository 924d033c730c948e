// The names of one network: its endpoints', on whatever host, and their aliases.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "userspace/names/message.h"

namespace cnet::names {

struct Named {
    std::string name;
    std::vector<std::string> aliases;
    std::vector<IpAddress> addresses;
};

struct ZoneSpec {
    uint32_t network_id = 0;
    std::string network; // "db" and "db.NETWORK" are the same
    std::string device;  // of the host, where its queries arrive
    uint32_t ifindex = 0;
    std::vector<IpAddress> addresses; // of the host on it, where it is asked
    std::vector<IpPrefix> subnets;
    bool forwards = false; // what it does not know is asked of the host's resolvers
    std::vector<Named> names;
};

class Zone {
public:
    explicit Zone(ZoneSpec spec);

    const ZoneSpec& spec() const { return spec_; }
    // None: it is others' to answer. What is in its subnets, and its own names, are not.
    std::optional<Answer> answer(const Query& query) const;

private:
    std::optional<Answer> answer_reverse(const Query& query) const;

    ZoneSpec spec_;
    std::string suffix_; // ".NETWORK"
    std::unordered_map<std::string, std::vector<IpAddress>> by_name_;
    std::map<IpAddress, std::string> by_address_;
};

} // namespace cnet::names
