#include "userspace/api/answers.h"
#include "userspace/api/handlers.h"
#include "userspace/api/requests.h"
#include "userspace/control/controller.h"

namespace cnet::api {

void add_sandbox_routes(Router& router, control::Controller& controller) {
    router.add({"GET", "/v1/sandboxes", 200, {}, [&controller](const Call&) -> Result<std::string> {
                    return answer_list(controller.sandboxes());
                }});
    router.add(
        {"POST", "/v1/sandboxes", 201, {}, [&controller](const Call& call) -> Result<std::string> {
             auto name = parse_single(call.body, "name");
             if (!name) return name.error();
             return answer(controller.create_sandbox(*name));
         }});
    router.add({"DELETE",
                "/v1/sandboxes/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    if (Status body = parse_nothing(call.body); !body) return body.error();
                    return answer_done(controller.delete_sandbox(call.name));
                }});
}

void add_endpoint_routes(Router& router, control::Controller& controller) {
    router.add({"GET",
                "/v1/endpoints",
                200,
                {"network"},
                [&controller](const Call& call) -> Result<std::string> {
                    return answer_list(controller.endpoints(call.query_value("network")));
                }});
    router.add(
        {"POST", "/v1/endpoints", 201, {}, [&controller](const Call& call) -> Result<std::string> {
             auto spec = parse_endpoint_spec(call.body);
             if (!spec) return spec.error();
             return answer(controller.create_endpoint(*spec));
         }});
    router.add({"GET",
                "/v1/endpoints/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    return answer(controller.endpoint(call.name));
                }});
    router.add({"DELETE",
                "/v1/endpoints/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    if (Status body = parse_nothing(call.body); !body) return body.error();
                    return answer_done(controller.delete_endpoint(call.name));
                }});
}

} // namespace cnet::api
