#include "userspace/api/answers.h"
#include "userspace/api/handlers.h"
#include "userspace/api/requests.h"
#include "userspace/control/controller.h"

namespace cnet::api {

namespace {

// Before those of bridges: no bridge is called so.
void add_docker_routes(Router& router, control::Controller& controller) {
    const std::string path = "/v1/adopted/" + std::string(control::kDocker);
    router.add({"GET", path, 200, {}, [&controller](const Call&) -> Result<std::string> {
                    return render(controller.docker_adoption());
                }});
    router.add({"POST", path, 201, {}, [&controller](const Call& call) -> Result<std::string> {
                    if (Status body = parse_nothing(call.body); !body) return body.error();
                    return answer(controller.adopt_docker());
                }});
    router.add({"DELETE", path, 200, {}, [&controller](const Call& call) -> Result<std::string> {
                    if (Status body = parse_nothing(call.body); !body) return body.error();
                    return answer_done(controller.release_docker());
                }});
}

} // namespace

void add_adopted_routes(Router& router, control::Controller& controller) {
    router.add({"GET", "/v1/adopted", 200, {}, [&controller](const Call&) -> Result<std::string> {
                    return answer_list(controller.adopted());
                }});
    router.add(
        {"POST", "/v1/adopted", 201, {}, [&controller](const Call& call) -> Result<std::string> {
             auto spec = parse_adopt_spec(call.body);
             if (!spec) return spec.error();
             return answer(controller.adopt_bridge(*spec));
         }});
    add_docker_routes(router, controller);
    router.add({"DELETE",
                "/v1/adopted/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    if (Status body = parse_nothing(call.body); !body) return body.error();
                    return answer_done(controller.release_bridge(call.name));
                }});
}

} // namespace cnet::api
