// What cnetd measures of itself and of the data path, and the socket that Prometheus reads it from
// (docs/metrics.md). Everything is read when somebody asks; labels are of bounded sets, so there
// are as many lines with a thousand endpoints as with ten.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "loader/data_path.h"
#include "userspace/api/handlers.h"
#include "userspace/api/server.h"
#include "userspace/cnetd/config.h"
#include "userspace/cnetd/sock_hooks.h"
#include "userspace/control/controller.h"
#include "userspace/metrics/histogram.h"

namespace cnet::daemon {

// How often something was asked, what came of it, and how long it took.
class RequestMetrics {
public:
    using LabelsOf = std::function<metrics::Labels(const api::Request&, const api::Response&)>;

    explicit RequestMetrics(LabelsOf labels_of) : labels_of_(std::move(labels_of)) {}

    api::Response serve(const api::Handler& handler, const api::Request& request);
    void add_to(metrics::Family& requests, metrics::Family& durations) const;

private:
    LabelsOf labels_of_;
    std::map<metrics::Labels, uint64_t> requests_; // the status is the last label
    metrics::Histograms durations_;
};

class MetricsPart {
public:
    // All outlive this.
    struct Sources {
        const control::Controller& controller;
        loader::DataPath& data_path;
        const SockHooks& sock;
        const Config& config;
        const Paths& paths;
    };

    MetricsPart(const Sources& sources, const api::HostInfo& host);
    ~MetricsPart();

    RequestMetrics api;
    RequestMetrics docker;
    metrics::Histogram reconciles;
    metrics::Histogram sweeps;

    Result<std::vector<metrics::Family>> collect() const;

    // Listens where the configuration says so and nothing does yet; a failure is logged, once until
    // it changes. The server, when there is a new one, is to be put on the loop.
    api::Server* follow();

private:
    using Families = std::vector<metrics::Family>;

    api::Response answer(const api::Request& request) const;
    Result<std::unique_ptr<api::Server>> listen() const;
    void add_process(Families& families) const;
    void add_objects(Families& families) const;
    void add_cluster(Families& families, const control::StatusView& summary) const;
    Status add_counters(Families& families) const;
    Status add_maps(Families& families) const;
    void add_flows(Families& families) const;
    void add_work(Families& families) const;

    Sources sources_;
    metrics::Labels build_; // of cnet_build_info
    int64_t started_s_;     // since 1970
    std::unique_ptr<api::Server> server_;
    std::string error_;
};

} // namespace cnet::daemon
