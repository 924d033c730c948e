#include "tools/benchmark/worker/measured.h"

#include <cstdio>

namespace cnet::bench {

double percentile_us(std::vector<uint32_t>& latencies_ns, double share) {
    if (latencies_ns.empty()) return 0;
    const auto nth =
        latencies_ns.begin() +
        static_cast<std::ptrdiff_t>(share * static_cast<double>(latencies_ns.size() - 1));
    std::nth_element(latencies_ns.begin(), nth, latencies_ns.end());
    return *nth / 1e3;
}

void print(std::vector<Measured>& together) {
    uint64_t elapsed_ns = 0;
    std::vector<uint32_t> all;
    for (const Measured& one : together) {
        elapsed_ns = std::max(elapsed_ns, one.elapsed_ns);
        all.insert(all.end(), one.latencies_ns.begin(), one.latencies_ns.end());
    }
    const double seconds = static_cast<double>(elapsed_ns) / 1e9;
    std::printf(
        "{\"transactions\": %zu, \"seconds\": %.6f, \"per_second\": %.1f, \"p50_us\": %.3f, "
        "\"p99_us\": %.3f, \"p999_us\": %.3f, \"max_us\": %.3f}\n",
        all.size(), seconds, static_cast<double>(all.size()) / seconds, percentile_us(all, 0.5),
        percentile_us(all, 0.99), percentile_us(all, 0.999), percentile_us(all, 1.0));
}

} // namespace cnet::bench
