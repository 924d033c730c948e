#include "userspace/metrics/histogram.h"

#include <algorithm>
#include <charconv>

namespace cnet::metrics {
namespace {

std::string bound_text(double bound) {
    char text[32];
    auto end = std::to_chars(text, text + sizeof(text), bound, std::chars_format::fixed);
    return {text, end.ptr};
}

} // namespace

void Histogram::observe(std::chrono::nanoseconds duration) {
    const double seconds = std::chrono::duration<double>(duration).count();
    auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
    if (bucket != kBounds.end()) counts_[static_cast<size_t>(bucket - kBounds.begin())]++;
    count_++;
    sum_s_ += seconds;
}

void Histogram::add_to(Family& family, const Labels& labels) const {
    auto add = [&](const char* suffix, Labels with, double value) {
        family.samples.push_back({suffix, std::move(with), value});
    };
    auto bucket = [&](std::string bound, uint64_t value) {
        Labels with = labels;
        with.emplace_back("le", std::move(bound));
        add("_bucket", std::move(with), static_cast<double>(value));
    };
    uint64_t up_to = 0;
    for (size_t i = 0; i < kBounds.size(); i++) {
        up_to += counts_[i];
        bucket(bound_text(kBounds[i]), up_to);
    }
    bucket("+Inf", count_);
    add("_sum", labels, sum_s_);
    add("_count", labels, static_cast<double>(count_));
}

} // namespace cnet::metrics
