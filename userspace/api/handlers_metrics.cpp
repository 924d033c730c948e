#include <nlohmann/json.hpp>

#include "userspace/api/handlers.h"
#include "userspace/api/json.h"

namespace cnet::api {
namespace {

Json family_json(const metrics::Family& family) {
    Json samples = Json::array();
    for (const metrics::Sample& sample : family.samples) {
        Json labels = Json::object();
        for (const auto& [name, value] : sample.labels)
            labels[name] = value;
        Json one;
        one["suffix"] = sample.suffix;
        one["labels"] = std::move(labels);
        one["value"] = sample.value;
        samples.push_back(std::move(one));
    }
    Json json;
    json["name"] = family.name;
    json["type"] = metrics::to_string(family.type);
    json["help"] = family.help;
    json["samples"] = std::move(samples);
    return json;
}

} // namespace

void add_metrics_routes(Router& router, CollectMetrics collect) {
    router.add({"GET",
                "/v1/metrics",
                200,
                {},
                [collect = std::move(collect)](const Call&) -> Result<std::string> {
                    auto families = collect();
                    if (!families) return families.error();
                    Json list = Json::array();
                    for (const metrics::Family& family : *families)
                        list.push_back(family_json(family));
                    return to_text(list);
                }});
}

} // namespace cnet::api
