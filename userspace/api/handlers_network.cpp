#include "userspace/api/answers.h"
#include "userspace/api/handlers.h"
#include "userspace/api/requests.h"
#include "userspace/control/controller.h"

namespace cnet::api {

void add_network_routes(Router& router, control::Controller& controller) {
    router.add({"GET", "/v1/networks", 200, {}, [&controller](const Call&) -> Result<std::string> {
                    return answer_list(controller.networks());
                }});
    router.add(
        {"POST", "/v1/networks", 201, {}, [&controller](const Call& call) -> Result<std::string> {
             auto spec = parse_network_spec(call.body);
             if (!spec) return spec.error();
             return answer(controller.create_network(*spec));
         }});
    router.add({"GET",
                "/v1/networks/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    return answer(controller.network(call.name));
                }});
    router.add({"PATCH",
                "/v1/networks/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    auto patch = parse_network_patch(call.body);
                    if (!patch) return patch.error();
                    return answer(controller.update_network(call.name, *patch));
                }});
    router.add({"POST",
                "/v1/networks/{name}/attach",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    auto device = parse_single(call.body, "device");
                    if (!device) return device.error();
                    return answer(controller.attach_device(call.name, *device));
                }});
    router.add({"POST",
                "/v1/networks/{name}/detach",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    auto device = parse_single(call.body, "device");
                    if (!device) return device.error();
                    return answer(controller.detach_device(call.name, *device));
                }});
    router.add({"DELETE",
                "/v1/networks/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    if (Status body = parse_nothing(call.body); !body) return body.error();
                    return answer_done(controller.delete_network(call.name));
                }});
}

} // namespace cnet::api
