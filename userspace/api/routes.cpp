#include "userspace/api/routes.h"

#include <algorithm>

#include "userspace/base/log.h"

namespace cnet::api {
namespace {

constexpr std::string_view kPlaceholder = "{name}";

std::vector<std::string_view> segments_of(std::string_view path) {
    std::vector<std::string_view> segments;
    while (!path.empty()) {
        size_t end = std::min(path.find('/'), path.size());
        segments.push_back(path.substr(0, end));
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return segments;
}

// What stands for the placeholder, still encoded ("" where there is none), when the path matches.
std::optional<std::string_view> match(std::string_view pattern, std::string_view path) {
    auto wanted = segments_of(pattern);
    auto given = segments_of(path);
    if (wanted.size() != given.size() || path.ends_with('/')) return {};
    std::string_view name;
    for (size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i] == kPlaceholder && !given[i].empty())
            name = given[i];
        else if (wanted[i] != given[i])
            return {};
    }
    return name;
}

bool only_reads(std::string_view method) {
    return method == "GET" || method == "HEAD";
}

Response method_not_allowed(const Request& request, const std::string& allow) {
    Response response = error_response(
        405, "invalid", request.path + " takes " + allow + ", not " + request.method);
    response.allow = allow;
    return response;
}

} // namespace

std::string Call::query_value(const std::string& key) const {
    auto found = query.find(key);
    return found == query.end() ? std::string() : found->second;
}

void Router::add(Route route) {
    routes_.push_back(std::move(route));
}

Response Router::handle(const Request& request) const {
    const std::string method = request.method == "HEAD" ? "GET" : request.method;
    std::string allow;
    for (const Route& route : routes_) {
        auto encoded = match(route.path, request.path);
        if (!encoded) continue;
        if (route.method == method) {
            auto name = percent_decode(*encoded);
            Response response = name ? handle_with(route, *name, request)
                                     : error_response(Error(ErrorKind::kInvalid,
                                                            "the path is not encoded as a URL is"));
            response.route = route.path;
            return response;
        }
        allow += (allow.empty() ? "" : ", ") + route.method;
    }
    if (!allow.empty()) return method_not_allowed(request, allow);
    return error_response(Error(ErrorKind::kNotFound, "there is no path " + request.path));
}

Response Router::handle_with(const Route& route, const std::string& name,
                             const Request& request) const {
    if (!only_reads(request.method) && request.peer_uid != 0)
        return error_response(Error(ErrorKind::kDenied, "only root (uid 0) may change anything"));

    std::map<std::string, std::string> query;
    for (const auto& [key, encoded] : request.query) {
        if (std::find(route.query_keys.begin(), route.query_keys.end(), key) ==
            route.query_keys.end())
            return error_response(
                Error(ErrorKind::kInvalid, "unknown query parameter \"" + key + '"'));
        auto value = percent_decode(encoded);
        if (!value)
            return error_response(
                Error(ErrorKind::kInvalid, "the query is not encoded as a URL is"));
        query[key] = *value;
    }

    auto failed = [&](const Error& error) {
        if (error.kind() == ErrorKind::kSystem)
            log_error(request.method + ' ' + request.path + ": " + error.message());
        return error_response(error);
    };
    if (route.stream) {
        auto pieces = route.stream({name, query, request.body});
        if (!pieces) return failed(pieces.error());
        return {route.status, {}, {}, *std::move(pieces)};
    }
    auto answer = route.action({name, query, request.body});
    if (!answer) return failed(answer.error());
    return {route.status, *std::move(answer), {}};
}

} // namespace cnet::api
