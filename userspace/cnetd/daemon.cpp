#include "userspace/cnetd/daemon.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <csignal>

#include "userspace/api/handlers.h"
#include "userspace/cnetd/explain_programs.h"

namespace cnet::daemon {
namespace {

using namespace std::chrono_literals;
using std::chrono::microseconds;
using std::chrono::steady_clock;

// Links rarely change alone: an endpoint is half a dozen notifications.
constexpr microseconds kLinksDelay = 50ms;
constexpr microseconds kLinksDelayMax = 2s;
constexpr std::chrono::milliseconds kLastAnswers = 1s;
constexpr microseconds kHastySweep = 1s; // while the connection table fills up
// DHCP messages at a time: one transaction of the store for all of them.
constexpr size_t kDhcpBatch = 64;

Status make_directory(const std::filesystem::path& path, mode_t mode) {
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) return Error::system("make " + path.parent_path().string(), error.value());
    if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
        return Error::system("make " + path.string());
    return {};
}

Result<Config> config_of(const Options& options) {
    auto config = load_config(options.config.value_or(options.paths().config));
    if (!config && config.error().kind() == ErrorKind::kNotFound && !options.config)
        return Config{};
    return config;
}

// Each published port holds a socket.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_warning("raise the limit of open files: " + std::string(std::strerror(errno)));
}

std::string kernel_release() {
    utsname name{};
    return uname(&name) == 0 ? name.release : "";
}

} // namespace

Result<std::unique_ptr<Daemon>> Daemon::start(const Options& options) {
    if (geteuid() != 0)
        return Error(ErrorKind::kDenied, "cnetd must run as root: it loads BPF programs and "
                                         "configures network devices");
    auto config = config_of(options);
    if (!config) return config.error();
    set_up_log(options.log_level.value_or(config->log_level), detect_log_style());
    umask(0022);
    std::signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();

    Paths paths = options.paths();
    if (Status made = make_directory(paths.lock.parent_path(), 0755); !made) return made.error();
    if (Status made = make_directory(paths.socket.parent_path(), 0755); !made) return made.error();
    if (Status made = make_directory(paths.state, 0700); !made) return made.error();
    auto lock = FileLock::acquire(paths.lock);
    if (!lock) {
        return lock.error().kind() == ErrorKind::kConflict
                   ? lock.error().because("another cnetd runs already")
                   : lock.error();
    }

    std::unique_ptr<Daemon> daemon(new Daemon(options, *std::move(config), *std::move(lock)));
    for (auto step :
         {&Daemon::open_files, &Daemon::open_kernel, &Daemon::open_controller, &Daemon::open_api}) {
        if (Status status = (daemon.get()->*step)(); !status) return status.error();
    }
    return daemon;
}

Daemon::~Daemon() {
    server_.reset();
    docker_server_.reset();
    metrics_.reset();
    if (sockets_.api.own) unlink(paths_.socket.c_str());
    if (sockets_.docker.own) unlink(paths_.docker_socket.c_str());
}

Status Daemon::open_files() {
    // Before anything in the kernel is touched: a state that cannot be read changes nothing.
    auto store = store::SqliteStore::open(paths_.state);
    if (!store) return store.error();
    store_ = *std::move(store);
    // Long before it is served, so that clients of a daemon that restarts wait instead of failing.
    auto sockets = open_sockets(paths_, config_.api_group);
    if (!sockets) return sockets.error();
    sockets_ = std::move(*sockets);
    return {};
}

Status Daemon::open_kernel() {
    loader::DataPathSettings settings;
    settings.max_entries = config_.map_sizes;
    settings.vxlan_port = config_.overlay.port;
    auto data_path = loader::DataPath::open(paths_, settings);
    if (!data_path) return data_path.error();
    data_path_ = *std::move(data_path);
    log_warnings();
    hooks_ = std::make_unique<DataPathHooks>(*data_path_);
    tables_ = std::make_unique<control::KernelTables>(data_path_->maps());

    // Before anything is read, so that no change falls between the two.
    auto monitor = netlink::Monitor::open();
    if (!monitor) return monitor.error();
    monitor_ = std::make_unique<netlink::Monitor>(*std::move(monitor));
    auto rtnl = netlink::KernelRtnl::open();
    if (!rtnl) return rtnl.error();
    rtnl_ = *std::move(rtnl);
    return {};
}

Status Daemon::open_controller() {
    config_.overlay.receiver_netns = paths_.netns / "cnvxlan";
    if (!config_.cluster.etcd.endpoints.empty()) {
        auto cluster = ClusterPart::open(config_, paths_.state);
        if (!cluster) return cluster.error().because("join the cluster");
        cluster_ = *std::move(cluster);
    }
    auto controller = control::Controller::start(
        {*store_, *rtnl_, *hooks_, *tables_, namespaces_, clock_,
         cluster_ ? &cluster_->member() : nullptr, config_.docker_grace_s, config_.adopt_docker,
         config_.endpoint_flows},
        config_.timeouts,
        config_.auto_uplinks ? control::UplinkPolicy::kAutomatic
                             : control::UplinkPolicy::kAddedOnly,
        config_.overlay);
    if (!controller) return controller.error();
    controller_ = *std::move(controller);
    // Only now do the maps say which ports are published.
    sock_ = std::make_unique<SockHooks>(*data_path_, config_);
    sock_->follow();
    return {};
}

Status Daemon::open_api() {
    const api::HostInfo host{CNET_VERSION,        options_.root.string(),
                             kernel_release(),    std::string(to_string(data_path_->attach_kind())),
                             steady_clock::now(), [this] { return sock_->status(); }};
    metrics_ = std::make_unique<MetricsPart>(
        MetricsPart::Sources{*controller_, *data_path_, *sock_, config_, paths_}, host);
    router_ = api::make_router(*controller_, host);
    api::add_metrics_routes(router_, [this] { return metrics_->collect(); });
    api::add_explain_routes(router_, *controller_, explain_programs(*data_path_, *rtnl_));
    const api::Handler route = [this](const api::Request& request) {
        return router_.handle(request);
    };
    auto server =
        api::Server::open(std::move(sockets_.api.fd), [this, route](const api::Request& request) {
            return metrics_->api.serve(route, request);
        });
    if (!server) return server.error();
    server_ = *std::move(server);
    if (Status status = open_docker(); !status) return status;

    auto loop = EventLoop::open();
    if (!loop) return loop.error();
    loop_ = *std::move(loop);
    for (auto step :
         {&Daemon::wire_signals, &Daemon::wire_api, &Daemon::wire_timers, &Daemon::wire_cluster,
          &Daemon::wire_dhcp, &Daemon::wire_names, &Daemon::wire_docker}) {
        if (Status status = (this->*step)(); !status) return status;
    }
    serve_metrics();
    return loop_->feed_watchdog();
}

Status Daemon::open_docker() {
    if (!sockets_.docker.fd) return {};
    docker_ = std::make_unique<docker::Plugin>(*controller_);
    // Docker keeps connections for half a minute, and a request that it sends on one which is being
    // closed comes again without its body: it is Docker that closes them.
    api::ServerOptions options;
    options.idle_timeout = options.request_timeout = 24h;
    const api::Handler call = [this](const api::Request& request) {
        return docker_->handle(request);
    };
    auto server = api::Server::open(
        std::move(sockets_.docker.fd),
        [this, call](const api::Request& request) { return metrics_->docker.serve(call, request); },
        options);
    if (!server) return server.error();
    docker_server_ = *std::move(server);
    return {};
}

void Daemon::serve_metrics() {
    api::Server* server = metrics_->follow();
    if (!server) return;
    if (Status status = wire_server(*server, metrics_timer_); !status)
        log_warning(status.error().because("serve metrics").message());
}

Status Daemon::wire_signals() {
    for (int signal : {SIGTERM, SIGINT}) {
        if (Status status = loop_->on_signal(signal, [this] { loop_->stop(); }); !status)
            return status;
    }
    return loop_->on_signal(SIGHUP, [this] { reload_log_level(); });
}

Status Daemon::wire_server(api::Server& server, Timer& timer) {
    auto made = loop_->make_timer([&server] { server.run(); });
    if (!made) return made.error();
    timer = *std::move(made);
    Status status = loop_->before_wait([&server, &timer] {
        if (auto due = server.timeout())
            timer.arm(*due);
        else
            timer.disarm();
    });
    if (!status) return status;
    return loop_->on_readable(server.poll_fd(), [&server] { server.run(); });
}

Status Daemon::wire_api() {
    Status status = wire_server(*server_, api_timer_);
    if (status && docker_server_) status = wire_server(*docker_server_, docker_timer_);
    return status;
}

Status Daemon::wire_timers() {
    struct {
        Timer& timer;
        void (Daemon::*action)();
    } timers[] = {{links_timer_, &Daemon::follow_links},
                  {reconcile_timer_, &Daemon::reconcile},
                  {sweep_timer_, &Daemon::sweep}};
    for (auto& entry : timers) {
        auto timer = loop_->make_timer([this, action = entry.action] { (this->*action)(); });
        if (!timer) return timer.error();
        entry.timer = *std::move(timer);
    }
    reconcile_timer_.arm(std::chrono::seconds(config_.reconcile_period_s));
    sweep_timer_.arm(std::chrono::seconds(config_.sweep_period_s));
    return loop_->on_readable(monitor_->fd(), [this] { on_netlink(); });
}

Status Daemon::wire_cluster() {
    if (!cluster_) return {};
    return cluster_->start(*loop_, [this] {
        report("follow the cluster", controller_->follow_cluster(), cluster_error_);
    });
}

Status Daemon::wire_dhcp() {
    auto ring = maps::Ring::open(maps::map_pin(paths_.pins, "cnet_dhcp"));
    if (!ring) return ring.error();
    dhcp_ = *std::move(ring);
    return loop_->on_readable(dhcp_->poll_fd(), [this] { hear_dhcp(); });
}

Status Daemon::wire_names() {
    auto names = NamesPart::start(config_);
    if (!names) return names.error().because("[names]");
    names_ = *std::move(names);
    return loop_->before_wait([this] { names_->follow(*controller_); });
}

Status Daemon::wire_docker() {
    auto part = DockerPart::start(config_, *loop_, *controller_);
    if (!part) return part.error().because("[adopt]");
    adopted_docker_ = *std::move(part);
    return {};
}

Status Daemon::run() {
    log_info("cnetd " CNET_VERSION " is ready on " +
             (sockets_.api.own ? paths_.socket.string() : "a socket from systemd"));
    sd_notify(0, "READY=1");
    tell_systemd();
    Status status = loop_->run();
    sd_notify(0, "STOPPING=1");
    // Who has come this far would get no answer; who is still in the socket's queue is the next
    // cnetd's.
    for (const auto* server : {&server_, &docker_server_})
        if (*server) (*server)->finish(kLastAnswers);
    log_info("cnetd stops; the data path stays");
    return status;
}

void Daemon::reload_log_level() {
    auto config = config_of(options_);
    if (!config) return log_error("reload: " + config.error().message());
    set_up_log(options_.log_level.value_or(config->log_level), detect_log_style());
    log_info("log level taken from the configuration again; other settings need a restart");
}

void Daemon::on_netlink() {
    drain_netlink();
    if (!news_.any() || links_timer_.armed()) return;
    // Reading a thousand links takes longer than reading ten; never more than a fifth of the time.
    links_timer_.arm(std::clamp<microseconds>(4 * links_duration_, kLinksDelay, kLinksDelayMax));
}

void Daemon::drain_netlink() {
    auto events = monitor_->drain();
    if (events) return news_.add(*std::move(events));
    log_error("watch links: " + events.error().message());
    news_.overrun = true;
}

void Daemon::follow_links() {
    auto begin = steady_clock::now();
    drain_netlink(); // what commands have done since the last time is known already
    Status status;
    if (news_.overrun) {
        status = reconcile_all();
    } else {
        const netlink::Events news = std::exchange(news_, {});
        status = controller_->links_changed(news);
        if (status && news.settings_changed) status = controller_->settings_changed();
    }
    report("follow links", status, links_error_);
    links_duration_ = std::chrono::duration_cast<microseconds>(steady_clock::now() - begin);
}

Status Daemon::reconcile_all() {
    drain_netlink();
    news_ = {}; // all of it is in what is read now
    return controller_->reconcile();
}

void Daemon::reconcile() {
    {
        const metrics::Stopwatch stopwatch(metrics_->reconciles);
        Status status = data_path_->restore_pins();
        if (status) status = reconcile_all();
        report("reconcile", status, reconcile_error_);
    }
    sock_->follow();
    serve_metrics();
    reconcile_timer_.arm(std::chrono::seconds(config_.reconcile_period_s));
}

void Daemon::sweep() {
    auto swept = [this] {
        const metrics::Stopwatch stopwatch(metrics_->sweeps);
        return controller_->sweep();
    }();
    if (swept && !swept->done) return sweep_timer_.arm(std::chrono::microseconds(0));
    report("collect dead flows", swept ? Status() : swept.error(), sweep_error_);
    tell_systemd();
    const bool is_filling = swept && swept->is_filling;
    sweep_timer_.arm(is_filling ? kHastySweep : std::chrono::seconds(config_.sweep_period_s));
}

void Daemon::hear_dhcp() {
    std::vector<control::DhcpSeen> heard;
    Status status = dhcp_->read(kDhcpBatch, [&](std::span<const uint8_t> record) {
        if (auto seen = control::parse_dhcp_seen(record)) heard.push_back(*seen);
    });
    if (status) status = controller_->follow_leases(heard);
    report("follow DHCP leases", status, dhcp_error_);
}

void Daemon::tell_systemd() {
    const control::StatusView status = controller_->summary();
    std::string text = "STATUS=" + std::to_string(status.networks) + " networks, " +
                       std::to_string(status.endpoints) + " endpoints, " +
                       std::to_string(status.ports) + " published ports";
    if (text == told_systemd_) return;
    sd_notify(0, text.c_str());
    told_systemd_ = std::move(text);
}

void Daemon::log_warnings() {
    for (const std::string& warning : data_path_->take_warnings())
        log_warning(warning);
}

void Daemon::report(const char* attempted, const Status& status, std::string& last_error) {
    std::string error = status ? "" : status.error().message();
    if (!error.empty() && error != last_error) log_error(std::string(attempted) + ": " + error);
    last_error = std::move(error);
    log_warnings();
}

} // namespace cnet::daemon
