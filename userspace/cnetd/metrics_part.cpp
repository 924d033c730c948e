#include "userspace/cnetd/metrics_part.h"

#include <arpa/inet.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <ctime>
#include <iterator>

#include "loader/pin.h"
#include "maps/flow_names.h"
#include "maps/pin_path.h"
#include "maps/reasons.h"
#include "userspace/base/file.h"
#include "userspace/cnetd/sockets.h"

namespace cnet::daemon {
namespace {

using metrics::Family;
using metrics::Labels;
using metrics::Type;

constexpr const char* kContentType = "text/plain; version=0.0.4; charset=utf-8";
constexpr int kBacklog = 16;

Labels api_labels(const api::Request& request, const api::Response& response) {
    if (response.route.empty()) return {{"method", "other"}, {"route", "other"}};
    return {{"method", request.method}, {"route", response.route}};
}

// Calls that there are: "/NetworkDriver.Join".
Labels docker_labels(const api::Request& request, const api::Response& response) {
    return {{"call", response.status == 404 ? "other" : request.path.substr(1)}};
}

Result<UniqueFd> listen_tcp(const IpAddress& address, uint16_t port) {
    sockaddr_in6 v6{};
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v6.sin6_family = AF_INET6;
    v4.sin_port = v6.sin6_port = htons(port);
    const std::string text = address.to_string();
    inet_pton(AF_INET, text.c_str(), &v4.sin_addr);
    inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr);
    const bool is_v4 = address.is_v4();
    auto where =
        is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
    const socklen_t size = is_v4 ? sizeof(v4) : sizeof(v6);

    UniqueFd fd(socket(is_v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int on = 1;
    if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0)
        return Error::system("make a TCP socket");
    if (bind(fd.get(), where, size) != 0) return Error::system("bind a TCP socket");
    if (::listen(fd.get(), kBacklog) != 0) return Error::system("listen");
    return fd;
}

// Resident pages, the second figure of /proc/self/statm.
std::optional<double> resident_bytes() {
    auto text = read_file("/proc/self/statm");
    if (!text) return {};
    unsigned long pages = 0;
    if (std::sscanf(text->c_str(), "%*u %lu", &pages) != 1) return {};
    return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

std::optional<size_t> open_descriptors() {
    std::error_code error;
    std::filesystem::directory_iterator list("/proc/self/fd", error);
    if (error) return {};
    return static_cast<size_t>(std::distance(begin(list), end(list)));
}

Family gauge(const char* name, const char* help) {
    return {name, Type::kGauge, help};
}

Family counter(const char* name, const char* help) {
    return {name, Type::kCounter, help};
}

template <typename Number> Family single(Family family, Number value) {
    family.add(value);
    return family;
}

// How many there are of each set of labels.
Family counted(Family family, const std::map<Labels, uint64_t>& counts) {
    for (const auto& [labels, count] : counts)
        family.add(labels, count);
    return family;
}

} // namespace

api::Response RequestMetrics::serve(const api::Handler& handler, const api::Request& request) {
    const auto begin = std::chrono::steady_clock::now();
    api::Response response = handler(request);
    Labels labels = labels_of_(request, response);
    durations_.of(labels).observe(std::chrono::steady_clock::now() - begin);
    labels.emplace_back("status", std::to_string(response.status));
    requests_[labels]++;
    return response;
}

void RequestMetrics::add_to(Family& requests, Family& durations) const {
    for (const auto& [labels, count] : requests_)
        requests.add(labels, count);
    durations_.add_to(durations);
}

MetricsPart::MetricsPart(const Sources& sources, const api::HostInfo& host)
    : api(api_labels), docker(docker_labels),
      sources_(sources), build_{{"version", host.version},
                                {"maps_version", std::to_string(CNET_ABI_VERSION)},
                                {"attach", host.attach}},
      started_s_(std::time(nullptr)) {}

MetricsPart::~MetricsPart() {
    if (server_ && !sources_.config.metrics->address) unlink(sources_.config.metrics->path.c_str());
}

api::Server* MetricsPart::follow() {
    if (server_ || !sources_.config.metrics) return nullptr;
    auto server = listen();
    const std::string error =
        server ? ""
               : server.error()
                     .because("serve metrics on " + sources_.config.metrics->text())
                     .message();
    if (!error.empty() && error != error_) log_warning(error);
    error_ = error;
    if (!server) return nullptr;
    server_ = *std::move(server);
    return server_.get();
}

Result<std::unique_ptr<api::Server>> MetricsPart::listen() const {
    const ListenAt& at = *sources_.config.metrics;
    auto fd = at.address ? listen_tcp(*at.address, at.port)
                         : api::listen_unix(at.path, mode_for(sources_.config.api_group));
    if (!fd) return fd.error();
    return api::Server::open(*std::move(fd),
                             [this](const api::Request& request) { return answer(request); });
}

api::Response MetricsPart::answer(const api::Request& request) const {
    if (request.path != "/metrics")
        return api::error_response(Error(ErrorKind::kNotFound, "there is /metrics here alone"));
    if (request.method != "GET" && request.method != "HEAD") {
        auto response = api::error_response(405, "invalid", "/metrics takes GET");
        response.allow = "GET";
        return response;
    }
    auto families = collect();
    if (!families) return api::error_response(families.error());
    api::Response response;
    response.body = metrics::to_text(*families);
    response.content_type = kContentType;
    return response;
}

Result<std::vector<Family>> MetricsPart::collect() const {
    Families families;
    add_process(families);
    add_objects(families);
    if (Status status = add_counters(families); !status) return status.error();
    if (Status status = add_maps(families); !status) return status.error();
    add_flows(families);
    add_work(families);
    return families;
}

void MetricsPart::add_process(Families& families) const {
    Family build = gauge("cnet_build_info", "Which cnetd this is; always 1.");
    build.add(build_, 1);
    families.push_back(std::move(build));
    families.push_back(
        single(gauge("cnet_start_time_seconds", "When cnetd started, since 1970."), started_s_));
    if (auto bytes = resident_bytes())
        families.push_back(
            single(gauge("cnet_resident_memory_bytes", "Memory of cnetd's process."), *bytes));
    if (auto count = open_descriptors())
        families.push_back(
            single(gauge("cnet_open_fds", "Open files of cnetd's process."), *count));
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        families.push_back(
            single(gauge("cnet_max_fds", "As many as it may open; a published port holds one."),
                   limit.rlim_cur));
    const api::SockStatus sock = sources_.sock.status();
    families.push_back(single(gauge("cnet_sock_wanted", "1 when processes of the host are to reach "
                                                        "published ports, else 0."),
                              sock.enabled));
    families.push_back(
        single(gauge("cnet_sock_attached", "1 when they do."), !sock.cgroup.empty()));
}

void MetricsPart::add_objects(Families& families) const {
    const control::Controller& controller = sources_.controller;
    const control::StatusView summary = controller.summary();
    families.push_back(single(gauge("cnet_networks", "Networks."), summary.networks));
    families.push_back(single(gauge("cnet_sandboxes", "Sandboxes."), summary.sandboxes));
    families.push_back(single(gauge("cnet_uplinks", "Uplinks."), summary.uplinks));

    std::map<Labels, uint64_t> endpoints, ports, peers, bridges;
    if (auto list = controller.endpoints()) {
        for (const auto& endpoint : *list)
            endpoints[{{"state", endpoint.state}}]++;
    }
    if (auto list = controller.ports()) {
        for (const auto& port : *list)
            ports[{{"protocol", port.protocol}, {"reservation", port.reservation}}]++;
    }
    for (const auto& peer : controller.peers())
        peers[{{"origin", peer.origin}}]++;
    for (const auto& bridge : controller.adopted())
        bridges[{{"state", bridge.state}}]++;
    families.push_back(counted(gauge("cnet_endpoints", "Endpoints, by state."), endpoints));
    families.push_back(
        counted(gauge("cnet_published_ports", "Published ports and ranges, by how they are held "
                                              "against other processes of the host."),
                ports));
    families.push_back(counted(gauge("cnet_peers", "Other hosts, by who named them; \"gone\": "
                                                   "one whose lease in the cluster ended."),
                               peers));
    families.push_back(
        counted(gauge("cnet_adopted_bridges", "Adopted bridges, by state."), bridges));
    add_cluster(families, summary);
}

void MetricsPart::add_cluster(Families& families, const control::StatusView& summary) const {
    const control::ReconcileStatus& reconcile = summary.reconcile;
    families.push_back(single(
        counter("cnet_reconcile_runs_total", "Comparisons of the kernel with what is desired."),
        reconcile.runs));
    families.push_back(single(counter("cnet_reconcile_repairs_total",
                                      "Changes made because somebody else had changed the kernel."),
                              reconcile.repairs));
    families.push_back(single(counter("cnet_link_lists_total",
                                      "Times that all devices of the host were read, not only "
                                      "those that had news."),
                              reconcile.link_lists));
    families.push_back(single(
        gauge("cnet_reconcile_failing", "1 when the last comparison ended with an error, else 0."),
        reconcile.last_error.has_value()));
    Family connected = gauge("cnet_cluster_connected", "1 while etcd answers, else 0.");
    Family hosts = gauge("cnet_cluster_hosts", "Hosts alive, this one included.");
    Family conflicts = gauge("cnet_cluster_conflicts", "What the cluster has and this host cannot "
                                                       "have.");
    if (summary.cluster) {
        connected.add(summary.cluster->connected);
        hosts.add(summary.cluster->hosts);
        conflicts.add(summary.cluster->conflicts.size());
    }
    for (Family* family : {&connected, &hosts, &conflicts})
        families.push_back(std::move(*family));
}

Status MetricsPart::add_counters(Families& families) const {
    auto totals = sources_.data_path.maps().counters.totals();
    if (!totals) return totals.error();
    Family packets = counter("cnet_packets_total", "What became of packets, by hook and reason; "
                                                   "class is forward, punt, drop or event.");
    Family bytes = counter("cnet_packet_bytes_total", "The same in bytes.");
    std::map<uint32_t, uint64_t> by_reason;
    for (uint32_t hook = 0; hook < CNET_HOOK_MAX; hook++) {
        for (uint32_t number = 0; number < CNET_REASON_MAX; number++) {
            const cnet_counter& total = (*totals)[CNET_COUNTER_INDEX(hook, number)];
            by_reason[number] += total.packets;
            if (total.packets == 0) continue;
            const maps::Reason& reason = maps::reason(number);
            const Labels labels = {{"hook", std::string(maps::hook_name(hook))},
                                   {"reason", std::string(reason.name)},
                                   {"class", std::string(maps::to_string(reason.reason_class))}};
            packets.add(labels, total.packets);
            bytes.add(labels, total.bytes);
        }
    }
    Family limits = counter("cnet_limit_reached_total",
                            "Times that the data path came to a limit, by reason, at all hooks.");
    // Always shown, so that a first occurrence is an increase.
    for (cnet_reason limit : maps::limit_reasons())
        limits.add({{"reason", std::string(maps::reason(limit).name)}}, by_reason[limit]);
    for (Family* family : {&packets, &bytes, &limits})
        families.push_back(std::move(*family));
    return {};
}

Status MetricsPart::add_maps(Families& families) const {
    Family used = gauge("cnet_map_entries", "Entries of each of the data path's maps.");
    Family limit = gauge("cnet_map_max_entries", "As many as it can hold.");
    const auto& pins = sources_.paths.pins;
    auto names = loader::list_pins(maps::map_dir(pins));
    if (!names) return names.error();
    for (const std::string& name : *names) {
        auto fd = maps::open_pinned_map(maps::map_pin(pins, name), maps::Access::kReadOnly);
        if (!fd) return fd.error();
        auto info = maps::map_info(fd->get());
        if (!info) return info.error();
        // The connection table may hold a million: a sweep counts it, in pieces.
        std::optional<uint64_t> entries;
        if (name == "cnet_ct") entries = sources_.controller.flow_figures().entries;
        if (!entries) {
            auto count = maps::count_entries(fd->get(), *info);
            if (!count) return count.error();
            entries = *count;
        }
        if (!entries) continue;
        used.add({{"map", name}}, *entries);
        limit.add({{"map", name}}, info->max_entries);
    }
    families.push_back(std::move(used));
    families.push_back(std::move(limit));
    return {};
}

void MetricsPart::add_flows(Families& families) const {
    const control::FlowFigures figures = sources_.controller.flow_figures();
    Family flows = gauge("cnet_conntrack_flows", "Tracked connections, as of the last sweep.");
    for (const auto& kind : figures.kinds)
        flows.add({{"protocol", kind.protocol}, {"state", kind.state}}, kind.flows);
    families.push_back(std::move(flows));
    families.push_back(single(counter("cnet_conntrack_collected_total",
                                      "Connections collected after they were idle for too long."),
                              figures.collected_flows));
    families.push_back(single(counter("cnet_fdb_aged_total", "Learned MAC addresses that aged."),
                              figures.collected_macs));

    Family ports = gauge("cnet_nat_ports_used",
                         "Ports (of ICMP: identifiers) that translated flows use, of 65536.");
    const maps::SlotTable& slots = sources_.data_path.maps().slot;
    for (uint32_t l4 = 0; l4 < CNET_L4_MAX; l4++) {
        uint64_t used = 0;
        for (uint32_t port = 0; port < 65536; port++)
            used += slots.nat_refs(CNET_SLOT_INDEX(l4, port)) != 0;
        ports.add({{"protocol", std::string(maps::kL4Names[l4])}}, used);
    }
    families.push_back(std::move(ports));
}

void MetricsPart::add_work(Families& families) const {
    Family reconcile{"cnet_reconcile_duration_seconds", Type::kHistogram,
                     "How long a comparison of everything with the kernel took."};
    reconciles.add_to(reconcile);
    Family sweep{"cnet_sweep_duration_seconds", Type::kHistogram,
                 "How long a step of collecting idle flows took."};
    sweeps.add_to(sweep);
    Family requests = counter("cnet_api_requests_total", "Requests to the API.");
    Family durations{"cnet_api_request_duration_seconds", Type::kHistogram,
                     "How long the API took over a request."};
    api.add_to(requests, durations);
    Family calls = counter("cnet_docker_requests_total", "Calls of Docker's driver.");
    Family waits{"cnet_docker_request_duration_seconds", Type::kHistogram,
                 "How long Docker's driver took over a call."};
    docker.add_to(calls, waits);
    for (Family* family : {&reconcile, &sweep, &requests, &durations, &calls, &waits})
        families.push_back(std::move(*family));
}

} // namespace cnet::daemon
