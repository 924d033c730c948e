#include "userspace/metrics/family.h"

#include <ostream>

#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

metrics::Type type_of(const std::string& name) {
    if (name == "counter") return metrics::Type::kCounter;
    return name == "histogram" ? metrics::Type::kHistogram : metrics::Type::kGauge;
}

metrics::Family family_of(const Json& json) {
    metrics::Family family{text_at(json, "name"), type_of(text_at(json, "type")),
                           text_at(json, "help")};
    for (const Json& sample : list_at(json, "samples")) {
        metrics::Labels labels;
        for (const auto& [name, value] : value_at(sample, "labels").items())
            labels.emplace_back(name, text_of(value));
        const Json& value = value_at(sample, "value");
        family.samples.push_back({text_at(sample, "suffix"), std::move(labels),
                                  value.is_number() ? value.get<double>() : 0});
    }
    return family;
}

int show(Context& context, const Verb&, const Arguments&) {
    Reply reply = get_list(context, "/v1/metrics");
    if (!reply.ok()) return context.fail(reply);
    if (context.settings.json) {
        context.print_json(reply.body);
        return kDone;
    }
    std::vector<metrics::Family> families;
    for (const Json& json : reply.body)
        families.push_back(family_of(json));
    context.out << metrics::to_text(families);
    return kDone;
}

} // namespace

Object metrics_object() {
    return {"metrics",
            "what cnetd and the data path count, as Prometheus reads it",
            {{{""},
              "Prints every metric in Prometheus' text format.",
              {},
              {},
              show,
              Verb::Repeat::kWatch}}};
}

} // namespace cnet::cli
