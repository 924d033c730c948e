#include "userspace/metrics/family.h"

#include <charconv>
#include <cmath>

namespace cnet::metrics {
namespace {

std::string number(double value) {
    if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
    if (std::isnan(value)) return "NaN";
    char text[64];
    // Whole numbers without an exponent, for people.
    const bool whole = std::trunc(value) == value && std::abs(value) < 1e15;
    auto end = whole ? std::to_chars(text, text + sizeof(text), static_cast<int64_t>(value))
                     : std::to_chars(text, text + sizeof(text), value);
    return {text, end.ptr};
}

std::string escaped(const std::string& text, bool quoted) {
    std::string result;
    for (char c : text) {
        if (c == '\\') {
            result += "\\\\";
        } else if (c == '\n') {
            result += "\\n";
        } else if (c == '"' && quoted) {
            result += "\\\"";
        } else {
            result += c;
        }
    }
    return result;
}

std::string labels_text(const Labels& labels) {
    std::string text;
    for (const auto& [name, value] : labels) {
        text += (text.empty() ? "{" : ",") + name + "=\"" + escaped(value, true) + '"';
    }
    return text.empty() ? text : text + '}';
}

} // namespace

std::string to_string(Type type) {
    switch (type) {
    case Type::kCounter:
        return "counter";
    case Type::kHistogram:
        return "histogram";
    case Type::kGauge:
        break;
    }
    return "gauge";
}

std::string to_text(const std::vector<Family>& families) {
    std::string text;
    for (const Family& family : families) {
        if (family.samples.empty()) continue;
        text += "# HELP " + family.name + ' ' + escaped(family.help, false) + '\n';
        text += "# TYPE " + family.name + ' ' + to_string(family.type) + '\n';
        for (const Sample& sample : family.samples) {
            text += family.name + sample.suffix + labels_text(sample.labels) + ' ' +
                    number(sample.value) + '\n';
        }
    }
    return text;
}

} // namespace cnet::metrics
