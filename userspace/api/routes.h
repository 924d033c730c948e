// Which request goes to which action. The router answers what is no action's business: unknown
// paths (404), methods a path does not have (405), query keys that nobody knows (400), changes by
// anybody but root (403).
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/api/http.h"
#include "userspace/base/result.h"

namespace cnet::api {

struct Call {
    std::string name; // what stands for {name} in the path, decoded
    const std::map<std::string, std::string>& query;
    const std::string& body;

    // Empty when the query does not have it.
    std::string query_value(const std::string& key) const;
};

// What the action answers is the body's JSON.
using Action = std::function<Result<std::string>(const Call&)>;

// For an answer that may be too large to be made at once.
using StreamAction = std::function<Result<Pieces>(const Call&)>;

class Router {
public:
    struct Route {
        std::string method;
        std::string path; // "/v1/networks/{name}"
        int status;       // of success
        std::vector<std::string> query_keys;
        Action action;
        StreamAction stream = {}; // in place of an action
    };

    void add(Route route);
    Response handle(const Request& request) const;

private:
    Response handle_with(const Route& route, const std::string& name, const Request& request) const;

    std::vector<Route> routes_;
};

} // namespace cnet::api
