#include "userspace/docker/plugin.h"

#include <algorithm>

#include "userspace/base/log.h"

namespace cnet::docker {

// Each call of the protocol, and what does it.
struct Calls {
    using Do = Result<Json> (*)(Plugin&, const Reader&);

    struct Call {
        std::string_view path;
        bool has_arguments;
        Do run;
    };

    template <Result<Json> (NetworkDriver::*Method)(const Reader&)>
    static Result<Json> network(Plugin& plugin, const Reader& request) {
        return (plugin.network_.*Method)(request);
    }
    template <Result<Json> (IpamDriver::*Method)(const Reader&)>
    static Result<Json> ipam(Plugin& plugin, const Reader& request) {
        return (plugin.ipam_.*Method)(request);
    }
    static Result<Json> activate(Plugin& plugin, const Reader& request) {
        return plugin.activate(request);
    }

    static const Call* find(std::string_view path);
};

const Calls::Call* Calls::find(std::string_view path) {
    static constexpr Call kCalls[] = {
        {"/Plugin.Activate", false, activate},
        {"/NetworkDriver.GetCapabilities", false, network<&NetworkDriver::get_capabilities>},
        {"/NetworkDriver.CreateNetwork", true, network<&NetworkDriver::create_network>},
        {"/NetworkDriver.DeleteNetwork", true, network<&NetworkDriver::delete_network>},
        {"/NetworkDriver.CreateEndpoint", true, network<&NetworkDriver::create_endpoint>},
        {"/NetworkDriver.EndpointOperInfo", true, network<&NetworkDriver::endpoint_info>},
        {"/NetworkDriver.DeleteEndpoint", true, network<&NetworkDriver::delete_endpoint>},
        {"/NetworkDriver.Join", true, network<&NetworkDriver::join>},
        {"/NetworkDriver.Leave", true, network<&NetworkDriver::leave>},
        {"/NetworkDriver.ProgramExternalConnectivity", true,
         network<&NetworkDriver::program_connectivity>},
        {"/NetworkDriver.RevokeExternalConnectivity", true,
         network<&NetworkDriver::revoke_connectivity>},
        {"/NetworkDriver.DiscoverNew", true, network<&NetworkDriver::discover>},
        {"/NetworkDriver.DiscoverDelete", true, network<&NetworkDriver::discover>},
        {"/NetworkDriver.AllocateNetwork", true, network<&NetworkDriver::refuse_swarm>},
        {"/NetworkDriver.FreeNetwork", true, network<&NetworkDriver::refuse_swarm>},
        {"/IpamDriver.GetCapabilities", false, ipam<&IpamDriver::get_capabilities>},
        {"/IpamDriver.GetDefaultAddressSpaces", false, ipam<&IpamDriver::get_address_spaces>},
        {"/IpamDriver.RequestPool", true, ipam<&IpamDriver::request_pool>},
        {"/IpamDriver.ReleasePool", true, ipam<&IpamDriver::release_pool>},
        {"/IpamDriver.RequestAddress", true, ipam<&IpamDriver::request_address>},
        {"/IpamDriver.ReleaseAddress", true, ipam<&IpamDriver::release_address>},
    };
    auto found = std::ranges::find_if(kCalls, [&](const Call& call) { return call.path == path; });
    return found == std::end(kCalls) ? nullptr : found;
}

namespace {

std::string to_text(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Shown to whoever typed the docker command. With a status other than 200 Docker would not look
// for it under IPAM's key.
api::Response error_answer(const std::string& path, const Error& error, int status = 200) {
    log_warning("Docker: " + path.substr(1) + ": " + error.message());
    const char* key = path.starts_with("/IpamDriver.") ? "Error" : "Err";
    return {status, to_text(Json{{key, error.message()}}), ""};
}

// Docker sends a request again when the connection breaks, but its body only once.
Result<Json> arguments_of(const std::string& body) {
    if (body.find_first_not_of(" \r\n\t") == body.npos) {
        return Error(ErrorKind::kInvalid, "the request has no body: Docker repeats one that was "
                                          "broken off without it; repeat the command");
    }
    Json arguments = Json::parse(body, nullptr, false);
    if (!arguments.is_object())
        return Error(ErrorKind::kInvalid, "the request's body is not a JSON object");
    return arguments;
}

} // namespace

Result<Json> Plugin::activate(const Reader&) {
    // Once by each dockerd.
    controller_.docker_started();
    return Json{{"Implements", {"NetworkDriver", "IpamDriver"}}};
}

api::Response Plugin::handle(const api::Request& request) {
    const Calls::Call* call = Calls::find(request.path);
    if (!call)
        return error_answer(request.path, {ErrorKind::kNotFound, "there is no such call"}, 404);
    if (request.peer_uid != 0)
        return error_answer(request.path, {ErrorKind::kDenied, "only root may call"}, 403);
    if (request.method != "POST")
        return error_answer(request.path, {ErrorKind::kInvalid, "a call is a POST"}, 405);
    auto arguments = call->has_arguments ? arguments_of(request.body) : Json::object();
    if (!arguments) return error_answer(request.path, arguments.error());
    const Reader reader(*arguments);
    auto answer = call->run(*this, reader);
    if (!answer) return error_answer(request.path, answer.error());
    return {200, to_text(*answer), ""};
}

} // namespace cnet::docker
