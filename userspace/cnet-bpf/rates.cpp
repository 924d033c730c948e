#include "userspace/cnet-bpf/rates.h"

#include <ifaddrs.h>
#include <linux/if_link.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "maps/watch.h"

namespace cnet::cli {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kSample(500);

struct DeviceBytes {
    uint32_t in = 0; // the kernel's counters of this interface wrap
    uint32_t out = 0;
};

std::map<std::string, DeviceBytes> device_counters() {
    std::map<std::string, DeviceBytes> bytes;
    ifaddrs* list = nullptr;
    if (getifaddrs(&list) != 0) return bytes;
    for (ifaddrs* one = list; one; one = one->ifa_next) {
        if (!one->ifa_addr || one->ifa_addr->sa_family != AF_PACKET || !one->ifa_data) continue;
        auto* stats = static_cast<const rtnl_link_stats*>(one->ifa_data);
        bytes[one->ifa_name] = {stats->rx_bytes, stats->tx_bytes};
    }
    freeifaddrs(list);
    return bytes;
}

double seconds_since(Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
}

double bits_a_second(double bytes, double seconds) {
    return bytes * 8 / seconds;
}

// Until `end`.
Result<std::map<uint32_t, Rate>> watch_peers(const std::filesystem::path& pins,
                                             Clock::time_point end) {
    cnet_watcher wanted{};
    wanted.kinds = CNET_EVENT_PEER;
    auto watch = maps::Watch::begin(pins, wanted);
    if (!watch) return watch.error();
    const auto begin = Clock::now();
    std::map<uint32_t, Rate> peers; // bytes, as long as they are counted
    double told = 0;
    const auto count = [&](const cnet_event& event, std::span<const uint8_t>) {
        Rate& peer = peers[event.peer_id];
        told++;
        // The one was decapsulated meanwhile, the other encapsulated.
        if (event.reason == CNET_R_VXLAN_RECEIVED)
            peer.in += event.frame_bytes;
        else
            peer.out += event.len;
        return true;
    };
    while (Clock::now() < end) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now());
        if (auto polled = (*watch)->poll(count, left); !polled) return polled.error();
    }
    const double seconds = seconds_since(begin);
    auto lost = (*watch)->lost();
    if (!lost) return lost.error();
    const double share = told > 0 ? (told + static_cast<double>(*lost)) / told : 1;
    for (auto& [id, peer] : peers)
        peer = {bits_a_second(peer.in * share, seconds), bits_a_second(peer.out * share, seconds)};
    return peers;
}

} // namespace

Rates Rates::measure(const std::filesystem::path* pins) {
    const auto before = device_counters();
    const auto begin = Clock::now(), end = begin + kSample;
    Rates rates(pins ? watch_peers(*pins, end) : std::map<uint32_t, Rate>());
    std::this_thread::sleep_until(end);
    const auto after = device_counters();
    const double seconds = seconds_since(begin);
    for (const auto& [device, last] : after) {
        auto first = before.find(device);
        if (first == before.end()) continue;
        rates.devices_[device] = {bits_a_second(last.in - first->second.in, seconds),
                                  bits_a_second(last.out - first->second.out, seconds)};
    }
    return rates;
}

Rate Rates::of(const std::string& device) const {
    auto found = devices_.find(device);
    return found == devices_.end() ? Rate{} : found->second;
}

Result<Rate> Rates::of_peer(uint32_t id) const {
    if (!peers_) return peers_.error();
    auto found = peers_->find(id);
    return found == peers_->end() ? Rate{} : found->second;
}

} // namespace cnet::cli
