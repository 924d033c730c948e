// cnetd, put together: the data path, the store, the controller over them, and the API, all on one
// event loop. start() returns when the kernel agrees with the desired state and the API answers.
// Destruction ends the API and leaves the data path as it is.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "loader/data_path.h"
#include "maps/ring.h"
#include "userspace/api/routes.h"
#include "userspace/api/server.h"
#include "userspace/base/clock.h"
#include "userspace/base/file.h"
#include "userspace/cnetd/cluster_part.h"
#include "userspace/cnetd/config.h"
#include "userspace/cnetd/data_path_hooks.h"
#include "userspace/cnetd/docker_part.h"
#include "userspace/cnetd/event_loop.h"
#include "userspace/cnetd/metrics_part.h"
#include "userspace/cnetd/names_part.h"
#include "userspace/cnetd/options.h"
#include "userspace/cnetd/sock_hooks.h"
#include "userspace/cnetd/sockets.h"
#include "userspace/control/controller.h"
#include "userspace/control/kernel_namespaces.h"
#include "userspace/control/kernel_tables.h"
#include "userspace/docker/plugin.h"
#include "userspace/netlink/kernel_rtnl.h"
#include "userspace/netlink/monitor.h"
#include "userspace/store/sqlite_store.h"

namespace cnet::daemon {

class Daemon {
public:
    static Result<std::unique_ptr<Daemon>> start(const Options& options);
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;
    ~Daemon();

    // Until SIGTERM or SIGINT.
    Status run();

private:
    Daemon(Options options, Config config, FileLock lock)
        : options_(std::move(options)), paths_(options_.paths()), config_(std::move(config)),
          lock_(std::move(lock)), namespaces_(paths_.netns) {}

    Status open_files();
    Status open_kernel();
    Status open_controller();
    Status open_api();
    Status open_docker();
    void serve_metrics();
    Status wire_signals();
    Status wire_server(api::Server& server, Timer& timer);
    Status wire_api();
    Status wire_timers();
    Status wire_cluster();
    Status wire_dhcp();
    Status wire_names();
    Status wire_docker();

    void reload_log_level();
    void on_netlink();
    void drain_netlink();
    void follow_links();
    Status reconcile_all();
    void reconcile();
    void sweep();
    void hear_dhcp();
    void tell_systemd();
    void log_warnings(); // the data path's
    // Logs a failure of something that is tried again and again, once until it changes.
    void report(const char* attempted, const Status& status, std::string& last_error);

    Options options_;
    Paths paths_;
    Config config_;
    FileLock lock_;
    SystemClock clock_;
    control::KernelNamespaces namespaces_;
    Sockets sockets_; // without their descriptors once the servers have them

    std::unique_ptr<netlink::KernelRtnl> rtnl_;
    std::unique_ptr<netlink::Monitor> monitor_;
    std::unique_ptr<loader::DataPath> data_path_;
    std::unique_ptr<DataPathHooks> hooks_;
    std::unique_ptr<SockHooks> sock_;
    std::unique_ptr<control::KernelTables> tables_;
    std::unique_ptr<maps::Ring> dhcp_;
    std::unique_ptr<store::SqliteStore> store_;
    std::unique_ptr<ClusterPart> cluster_; // none: a host by itself
    std::unique_ptr<control::Controller> controller_;
    std::optional<NamesPart> names_;
    api::Router router_;
    std::unique_ptr<api::Server> server_;
    std::unique_ptr<docker::Plugin> docker_;
    std::unique_ptr<api::Server> docker_server_; // none: Docker's driver is not served
    std::unique_ptr<MetricsPart> metrics_;
    std::unique_ptr<DockerPart> adopted_docker_;
    std::unique_ptr<EventLoop> loop_;

    Timer api_timer_;
    Timer docker_timer_;
    Timer metrics_timer_;
    Timer links_timer_;
    Timer reconcile_timer_;
    Timer sweep_timer_;
    netlink::Events news_;                        // not yet looked into
    std::chrono::microseconds links_duration_{0}; // of the last follow_links()
    std::string links_error_;
    std::string reconcile_error_;
    std::string sweep_error_;
    std::string cluster_error_;
    std::string dhcp_error_;
    std::string told_systemd_;
};

} // namespace cnet::daemon
