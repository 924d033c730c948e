#include "userspace/cni/delegate.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <vector>

#include "userspace/base/unique_fd.h"

namespace cnet::cni {
namespace {

constexpr size_t kOutputLimit = 4u << 20;

Outcome<std::string> find_plugin(const std::string& type, std::string_view path) {
    if (type.find('/') != type.npos || type == "." || type == "..")
        return Fault{Code::kConfig, "ipam.type \"" + type + "\" is not a plugin's name"};
    const std::string searched(path);
    while (!path.empty()) {
        const std::string_view directory = path.substr(0, path.find(':'));
        path.remove_prefix(std::min(path.size(), directory.size() + 1));
        if (directory.empty()) continue;
        std::string file = std::string(directory) + "/" + type;
        if (access(file.c_str(), X_OK) == 0) return file;
    }
    return Fault{Code::kConfig, "the IPAM plugin \"" + type + "\" is in no directory of CNI_PATH",
                 "CNI_PATH=" + searched};
}

// In memory, so that no pipe's size decides who must read first.
Result<UniqueFd> memory_file(const std::string& content) {
    UniqueFd fd(memfd_create("cni-config", MFD_CLOEXEC));
    if (!fd) return Error::system("memfd_create");
    for (std::string_view rest = content; !rest.empty();) {
        const ssize_t written = write(fd.get(), rest.data(), rest.size());
        if (written < 0) return Error::system("write the configuration");
        rest.remove_prefix(static_cast<size_t>(written));
    }
    if (lseek(fd.get(), 0, SEEK_SET) != 0) return Error::system("lseek");
    return fd;
}

// Ours, with another verb. An environment that the caller changes is put back by nobody: it is the
// child's alone.
std::vector<std::string> environment_for(const std::string& command) {
    std::vector<std::string> entries;
    for (char** entry = environ; *entry; entry++) {
        if (!std::string_view(*entry).starts_with("CNI_COMMAND=")) entries.emplace_back(*entry);
    }
    entries.push_back("CNI_COMMAND=" + command);
    return entries;
}

struct FileActions {
    FileActions() { posix_spawn_file_actions_init(&actions); }
    ~FileActions() { posix_spawn_file_actions_destroy(&actions); }
    FileActions(const FileActions&) = delete;
    FileActions& operator=(const FileActions&) = delete;
    posix_spawn_file_actions_t actions;
};

Result<pid_t> spawn(const std::string& file, const std::string& command, int input, int output) {
    FileActions files;
    posix_spawn_file_actions_adddup2(&files.actions, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files.actions, output, STDOUT_FILENO);
    std::vector<std::string> entries = environment_for(command);
    std::vector<char*> environment;
    for (std::string& entry : entries)
        environment.push_back(entry.data());
    environment.push_back(nullptr);
    std::string name = file;
    std::array<char*, 2> arguments{name.data(), nullptr};
    pid_t pid = 0;
    const int error = posix_spawn(&pid, file.c_str(), &files.actions, nullptr, arguments.data(),
                                  environment.data());
    if (error != 0) return Error::system("run " + file, error);
    return pid;
}

std::string read_all(int fd) {
    std::string text;
    std::array<char, 16384> buffer;
    while (true) {
        const ssize_t got = read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0 || text.size() > kOutputLimit) return text;
        text.append(buffer.data(), static_cast<size_t>(got));
    }
}

struct Finished {
    int status = 0; // of waitpid()
    std::string output;
};

Result<Finished> run(const std::string& file, const std::string& command,
                     const std::string& input) {
    auto config = memory_file(input);
    if (!config) return config.error();
    std::array<int, 2> pipe{};
    if (pipe2(pipe.data(), O_CLOEXEC) != 0) return Error::system("pipe2");
    const UniqueFd reading(pipe[0]);
    UniqueFd writing(pipe[1]);
    auto pid = spawn(file, command, config->get(), writing.get());
    if (!pid) return pid.error();
    writing = UniqueFd();
    Finished finished;
    finished.output = read_all(reading.get());
    while (waitpid(*pid, &finished.status, 0) < 0) {
        if (errno != EINTR) return Error::system("waitpid");
    }
    return finished;
}

// The plugin's own words, when it has any.
Fault fault_of(const std::string& type, const Finished& finished) {
    const Json said = Json::parse(finished.output, nullptr, false);
    if (said.is_object() && said.contains("code") && said["code"].is_number_unsigned()) {
        auto text = [&](const char* key) {
            return said.contains(key) && said[key].is_string() ? said[key].get<std::string>() : "";
        };
        return {static_cast<Code>(said["code"].get<unsigned>()),
                "IPAM plugin " + type + ": " + text("msg"), text("details")};
    }
    const bool ended = WIFEXITED(finished.status);
    return {Code::kIpam, "the IPAM plugin " + type + " ended with " +
                             (ended ? "status " + std::to_string(WEXITSTATUS(finished.status))
                                    : "signal " + std::to_string(WTERMSIG(finished.status))) +
                             " and without an error in JSON"};
}

} // namespace

Outcome<Json> delegate(const Config& config, const Environment& environment,
                       const std::string& command) {
    if (!config.delegates()) return Json();
    auto file = find_plugin(config.ipam_type, environment.path);
    if (!file) return file.fault();
    auto finished = run(*file, command, config.text);
    if (!finished) return Fault{Code::kIo, finished.error().message()};
    if (finished->status != 0) return fault_of(config.ipam_type, *finished);
    if (finished->output.empty()) return Json();
    Json result = Json::parse(finished->output, nullptr, false);
    if (result.is_discarded())
        return Fault{Code::kDecode,
                     "the IPAM plugin " + config.ipam_type + " printed a result that is not JSON"};
    return result;
}

Done delegate_if_known(const Config& config, const Environment& environment,
                       const std::string& command) {
    auto done = delegate(config, environment, command);
    // What skel answers to a verb that it does not know.
    if (!done && done.fault().code != Code::kEnvironment) return done.fault();
    return {};
}

} // namespace cnet::cni
