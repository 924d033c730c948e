// Where everything lives: the system's places, or all of them below one directory (--root DIR,
// CNET_ROOT), so that several independent hosts run on one machine.
#pragma once

#include <filesystem>

namespace cnet {

struct Paths {
    std::filesystem::path config;        // cnetd.toml
    std::filesystem::path socket;        // the API
    std::filesystem::path state;         // the store's directory
    std::filesystem::path pins;          // on a bpffs: maps/, progs/, links/ below
    std::filesystem::path lock;          // held by a running cnetd
    std::filesystem::path netns;         // sandboxes' namespaces, as ip-netns(8) keeps them
    std::filesystem::path docker_socket; // its driver plugin; the file's name is the driver's
    bool own_bpffs = false;              // mount a bpffs on `pins` when there is none

    static Paths system() {
        return {"/etc/cnet/cnetd.toml",
                "/run/cnet/cnetd.sock",
                "/var/lib/cnet",
                "/sys/fs/bpf/cnet",
                "/run/cnet/cnetd.lock",
                "/run/netns",
                "/run/docker/plugins/cnet.sock",
                false};
    }

    static Paths below(const std::filesystem::path& root) {
        return {root / "etc/cnetd.toml",
                root / "run/cnetd.sock",
                root / "lib",
                root / "bpf",
                root / "run/cnetd.lock",
                root / "run/netns",
                root / "run/docker/cnet.sock",
                true};
    }
};

} // namespace cnet
