// How much goes over each device, and to and from each other host, right now.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "userspace/base/result.h"

namespace cnet::cli {

// Bits a second: of a device as seen from the host's side, of another host without outer headers.
struct Rate {
    double in = 0;  // what the endpoint, the world or the other host sent
    double out = 0; // what it was sent
};

class Rates {
public:
    // Of the half second that this takes. With the pins of the data path what goes to other hosts
    // is counted too, as a watcher of the programs (maps/watch.h): packets that nobody looks at pay
    // for no counter.
    static Rates measure(const std::filesystem::path* pins);

    Rate of(const std::string& device) const;
    // Beyond 10,000 packets a second and CPU, what a watcher is told at most, an estimate. An
    // error: they cannot be watched, as without root, and why.
    Result<Rate> of_peer(uint32_t id) const;

private:
    explicit Rates(Result<std::map<uint32_t, Rate>> peers) : peers_(std::move(peers)) {}

    std::map<std::string, Rate> devices_;
    Result<std::map<uint32_t, Rate>> peers_;
};

} // namespace cnet::cli
