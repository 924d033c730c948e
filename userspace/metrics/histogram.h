// How long something took, in buckets from half a millisecond to ten seconds.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>

#include "userspace/metrics/family.h"

namespace cnet::metrics {

class Histogram {
public:
    static constexpr std::array<double, 14> kBounds = {
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

    void observe(std::chrono::nanoseconds duration);
    // Every bucket, the sum in seconds and the count, each with these labels.
    void add_to(Family& family, const Labels& labels = {}) const;

private:
    std::array<uint64_t, kBounds.size()> counts_{}; // of each bucket alone
    uint64_t count_ = 0;
    double sum_s_ = 0;
};

// One a set of labels: as many as there were different ones.
class Histograms {
public:
    Histogram& of(const Labels& labels) { return histograms_[labels]; }
    void add_to(Family& family) const {
        for (const auto& [labels, histogram] : histograms_)
            histogram.add_to(family, labels);
    }

private:
    std::map<Labels, Histogram> histograms_;
};

// Times a piece of work, from here to the end of the block.
class Stopwatch {
public:
    explicit Stopwatch(Histogram& histogram) : histogram_(histogram) {}
    Stopwatch(const Stopwatch&) = delete;
    Stopwatch& operator=(const Stopwatch&) = delete;
    ~Stopwatch() { histogram_.observe(std::chrono::steady_clock::now() - begin_); }

private:
    Histogram& histogram_;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

} // namespace cnet::metrics
