#include "userspace/cnetd/options.h"

#include <CLI/CLI.hpp>

namespace cnet::daemon {
namespace {

// Absolute, since it outlives every change of directory, and without a slash at the end.
std::filesystem::path tidy(const std::string& root) {
    std::filesystem::path path = std::filesystem::absolute(root).lexically_normal();
    return path.has_filename() ? path : path.parent_path();
}

std::string check_log_level(const std::string& text) {
    auto level = parse_log_level(text);
    return level ? "" : level.error().message();
}

} // namespace

Invocation parse_command_line(int argc, char** argv) {
    CLI::App app("The daemon of cnet-bpf: keeps its state, maps and programs, and serves its API.",
                 "cnetd");
    std::string root, config, log_level;
    app.add_option("--root", root, "Keep everything below DIR instead of the system's places")
        ->envname("CNET_ROOT")
        ->type_name("DIR");
    app.add_option("--config", config, "Read FILE instead of cnetd.toml")->type_name("FILE");
    app.add_option("--log-level", log_level, "debug, info, warning or error")
        ->check(CLI::Validator(check_log_level, "LEVEL"))
        ->type_name("");
    Invocation invocation;
    app.add_flag(
        "--release", invocation.release,
        "Take programs, maps, devices and sandboxes off the host, keep the state, and end");
    app.failure_message([](const CLI::App*, const CLI::Error& error) {
        return std::string("cnetd: ") + error.what() + " (cnetd --help tells the options)\n";
    });
    app.set_version_flag("--version", "cnetd " CNET_VERSION);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        invocation.exit_status = app.exit(error) == 0 ? 0 : 1;
        return invocation;
    }
    Options& options = invocation.options;
    if (!root.empty()) options.root = tidy(root);
    if (!config.empty()) options.config = config;
    if (!log_level.empty()) options.log_level = *parse_log_level(log_level);
    return invocation;
}

} // namespace cnet::daemon
