#include "userspace/cni/run.h"

#include <filesystem>
#include <ostream>

#include "userspace/base/paths.h"
#include "userspace/cni/add.h"
#include "userspace/cni/check.h"
#include "userspace/cni/collect.h"
#include "userspace/cni/config.h"

namespace cnet::cni {
namespace {

std::filesystem::path socket_of(const std::string& root) {
    if (root.empty() || root == "/") return Paths::system().socket;
    return Paths::below(root).socket;
}

Json versions() {
    Json list = Json::array();
    for (const char* version : kVersions)
        list.push_back(version);
    return list;
}

Outcome<Json> version(const std::string& input) {
    auto document = parse_object(input.empty() ? "{}" : input);
    if (!document) return document.fault();
    std::optional<Fault> fault;
    std::string asked = Reader(*document, "", fault).text("cniVersion");
    if (fault) return *fault;
    return Json{{"cniVersion", asked.empty() ? kLatestVersion : asked},
                {"supportedVersions", versions()}};
}

// The version that brought the verb.
const char* least_version(const std::string& verb) {
    if (verb == "CHECK") return "0.4.0";
    return verb == "GC" || verb == "STATUS" ? "1.1.0" : kVersions[0];
}

Outcome<Json> without_result(const Done& done) {
    if (!done) return done.fault();
    return Json();
}

Outcome<Json> execute(const Environment& environment, const std::string& input) {
    if (Done done = check_environment(environment); !done) return done.fault();
    const std::string& verb = environment.command;
    if (verb == "VERSION") return version(input);
    auto arguments = parse_arguments(environment.args);
    if (!arguments) return arguments.fault();
    auto config = parse_config(input, *arguments);
    if (!config) return config.fault();
    if (!version_at_least(config->version, least_version(verb)))
        return Fault{Code::kVersion, "config version does not allow " + verb,
                     "config is \"" + config->version + "\""};
    const auto socket = socket_of(environment.root);
    if (verb == "STATUS") {
        // Asked again and again: the runtime's patience counts, not ours.
        Daemon daemon(socket, std::chrono::milliseconds(0));
        return without_result(status(daemon, *config, environment));
    }
    Daemon daemon(socket);
    if (verb == "ADD") return add(daemon, *config, environment);
    if (verb == "DEL") return without_result(del(daemon, *config, environment));
    if (verb == "CHECK") return without_result(check(daemon, *config, environment));
    return without_result(collect(daemon, *config, environment));
}

// The JSON library throws where a key is missing or is of another type. What others wrote is read
// with Reader; that leaves the answers of a cnetd that is not of this version.
Outcome<Json> execute_safely(const Environment& environment, const std::string& input) {
    try {
        return execute(environment, input);
    } catch (const Json::exception& error) {
        return Fault{Code::kRefused, "cnetd's answer is not one that this plugin understands",
                     error.what()};
    }
}

// An error has the configuration's version, as far as there is one.
std::string version_of(const std::string& input) {
    auto document = parse_object(input);
    std::optional<Fault> fault;
    std::string asked = document ? Reader(*document, "", fault).text("cniVersion") : "";
    return version_at_least(asked, kVersions[0]) ? asked : kLatestVersion;
}

std::string printed(const Json& json) {
    return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace

int run(const Environment& environment, const std::string& input, std::ostream& out,
        std::ostream& err) {
    if (environment.command.empty()) {
        err << "CNI plugin cnet (cnet-bpf " CNET_VERSION ")\nCNI protocol versions supported:";
        for (const char* version : kVersions)
            err << " " << version;
        err << std::endl;
        return 0;
    }
    auto result = execute_safely(environment, input);
    if (result) {
        if (!result->is_null()) out << printed(*result);
    } else {
        const Fault& fault = result.fault();
        Json error = {{"cniVersion", version_of(input)},
                      {"code", static_cast<unsigned>(fault.code)},
                      {"msg", fault.message}};
        if (!fault.details.empty()) error["details"] = fault.details;
        out << printed(error);
    }
    out.flush();
    return result && out ? 0 : 1;
}

} // namespace cnet::cni
