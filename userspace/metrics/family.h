// Metrics as values, and as the text that Prometheus reads (exposition format 0.0.4). Who makes a
// family answers for the names being valid and for labels being of a bounded set; label values may
// hold anything.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace cnet::metrics {

enum class Type { kCounter, kGauge, kHistogram };

std::string to_string(Type type); // "counter"

using Labels = std::vector<std::pair<std::string, std::string>>;

struct Sample {
    std::string suffix; // "_bucket" of a histogram's; else empty
    Labels labels;
    double value = 0;
};

struct Family {
    std::string name; // "cnet_packets_total"
    Type type = Type::kGauge;
    std::string help; // one sentence
    std::vector<Sample> samples = {};

    template <typename Number> void add(Labels labels, Number value) {
        samples.push_back({{}, std::move(labels), static_cast<double>(value)});
    }
    template <typename Number> void add(Number value) { add(Labels{}, value); }
};

// Families without samples have no lines.
std::string to_text(const std::vector<Family>& families);

} // namespace cnet::metrics
