#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <memory>
#include <ostream>

#include "userspace/base/file.h"
#include "userspace/cnet-bpf/decode.h"
#include "userspace/cnet-bpf/doctor.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/pins.h"
#include "userspace/cnet-bpf/tar.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr size_t kEntriesMax = 20000; // of one map
constexpr size_t kOutputMax = 8u << 20;

struct Question {
    const char* file;
    const char* target; // of the API
};
constexpr Question kQuestions[] = {{"api/status.json", "/v1/status"},
                                   {"api/networks.json", "/v1/networks"},
                                   {"api/endpoints.json", "/v1/endpoints"},
                                   {"api/ports.json", "/v1/ports"},
                                   {"api/sandboxes.json", "/v1/sandboxes"},
                                   {"api/uplinks.json", "/v1/uplinks"},
                                   {"api/peers.json", "/v1/peers"},
                                   {"api/adopted.json", "/v1/adopted"},
                                   {"api/fdb.json", "/v1/fdb"},
                                   {"api/neigh.json", "/v1/neigh"},
                                   {"api/drops.json", "/v1/drops"},
                                   {"api/metrics.json", "/v1/metrics"}};

struct Command {
    const char* file;
    const char* line; // for the shell
};
constexpr Command kCommands[] = {
    {"host/addresses.txt", "ip -details -statistics address"},
    {"host/routes.txt", "ip route show table all; ip -6 route show table all; ip rule"},
    {"host/neighbours.txt", "ip neigh"},
    {"host/qdiscs.txt", "tc -statistics qdisc"},
    {"host/sockets.txt", "ss -s"},
    {"host/release.txt", "uname -a; cat /etc/os-release; uptime"},
    {"host/mounts.txt", "grep -E 'bpf|cgroup|netns' /proc/self/mountinfo"},
    {"host/sysctl.txt",
     "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding net.core.bpf_jit_enable "
     "net.ipv4.conf.all.rp_filter net.core.netdev_max_backlog net.core.optmem_max "
     "net.ipv4.ip_local_port_range net.ipv4.ip_local_reserved_ports net.bridge"},
    {"host/journal.txt", "journalctl --no-pager --unit=cnetd --lines=2000"}};

constexpr const char* kReadme =
    "What `cnet-bpf dump` has collected, for whoever is to find out what is wrong.\n"
    "\n"
    "version.json    of cnet-bpf and of the maps\n"
    "cnetd.toml      the configuration; passwords are in a file of their own, which is not here\n"
    "doctor.json     what `cnet-bpf doctor` found\n"
    "api/            what cnetd answers: networks, endpoints, ports, peers, counters, metrics\n"
    "pins/           maps and programs, and entries of each map, 20000 at most\n"
    "host/           addresses, routes, neighbours, sysctls, cnetd's log\n"
    "\n"
    "It has names and addresses of containers and hosts, and who talks to whom (pins/cnet_ct.txt). "
    "It has\nno packets, no keys, no passwords, no environment, and nothing from inside "
    "containers.\n";

std::string output_of(const char* line) {
    const std::string command = "{ " + std::string(line) + "; } 2>&1";
    std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "re"), &pclose);
    if (!pipe) return "cannot be run\n";
    std::string text;
    char buffer[4096];
    for (size_t got; (got = fread(buffer, 1, sizeof(buffer), pipe.get())) > 0;) {
        if (text.size() < kOutputMax) text.append(buffer, got);
    }
    return text;
}

std::string pretty(const Json& document) {
    return document.dump(2, ' ', true, Json::error_handler_t::replace) + "\n";
}

std::string answer_to(Context& context, const char* target) {
    Reply reply = context.api.get(target);
    return reply.ok() ? pretty(reply.body) : reply.message + "\n";
}

std::string pretty(const Result<Json>& list) {
    return list ? pretty(*list) : list.error().message() + "\n";
}

std::string entries_of(const Context& context, const std::string& map) {
    std::string text;
    size_t count = 0;
    auto status = dump_map(context.paths.pins, map, [&](const Json& entry) {
        if (count++ >= kEntriesMax) return;
        text += printable(flat_text(entry["key"])) + "  ->  " +
                printable(flat_text(entry["value"])) + "\n";
    });
    if (!status) return status.error().message() + "\n";
    if (count > kEntriesMax) text += "... " + std::to_string(count) + " in all\n";
    return text;
}

void add_pins(const Context& context, Tar& tar) {
    auto maps = list_maps(context.paths.pins);
    tar.add("pins/maps.json", pretty(maps));
    tar.add("pins/programs.json", pretty(list_programs(context.paths.pins)));
    if (!maps) return;
    for (const Json& map : *maps) {
        const std::string name = text_at(map, "name");
        tar.add("pins/" + name + ".txt", entries_of(context, name));
    }
}

std::string collect(Context& context, const std::string& name, std::time_t now) {
    Tar tar(name, now);
    tar.add("README.txt", kReadme);
    tar.add("version.json",
            pretty(Json{{"version", CNET_VERSION}, {"abi_version", CNET_ABI_VERSION}}));
    auto config = read_file(context.paths.config);
    tar.add("cnetd.toml", config ? *config : config.error().message() + "\n");
    tar.add("doctor.json", pretty(findings_json(examine(context))));
    for (const Question& question : kQuestions)
        tar.add(question.file, answer_to(context, question.target));
    add_pins(context, tar);
    for (const Command& command : kCommands)
        tar.add(command.file, output_of(command.line));
    return std::move(tar).finish();
}

int dump(Context& context, const Verb&, const Arguments& arguments) {
    if (geteuid() != 0)
        return context.fail(kRefused, "dump reads pinned maps and programs, so it needs root");
    const std::time_t now = std::time(nullptr);
    char date[32] = "";
    tm utc{};
    if (gmtime_r(&now, &utc)) std::strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", &utc);
    const std::string name = "cnet-dump-" + std::string(date);
    const std::string path = arguments.positional(0).value_or(name + ".tar");
    const std::string archive = collect(context, name, now);
    if (path == "-") {
        context.out << archive;
        return kDone;
    }
    if (Status written = write_file_atomically(path, archive, 0600); !written)
        return context.fail(written.error());
    if (context.settings.json) {
        context.print_json({{"path", path}, {"bytes", archive.size()}});
    } else {
        context.out << path << ": " << human_bytes(archive.size())
                    << "; README.txt in it says what it holds\n";
    }
    return kDone;
}

} // namespace

Object dump_object() {
    return {"dump",
            "a bundle of all that helps to find out what is wrong",
            {{{""},
              "Writes a tar file with the configuration, doctor's findings, everything that cnetd "
              "answers, maps, programs, and the host's addresses and routes; \"-\" is standard "
              "output. It has names and addresses, no packets and no secrets.",
              {{"FILE", false}},
              {},
              dump}}};
}

} // namespace cnet::cli
