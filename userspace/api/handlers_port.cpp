#include "userspace/api/answers.h"
#include "userspace/api/handlers.h"
#include "userspace/api/requests.h"
#include "userspace/control/controller.h"

namespace cnet::api {

void add_port_routes(Router& router, control::Controller& controller) {
    router.add({"GET",
                "/v1/ports",
                200,
                {"endpoint"},
                [&controller](const Call& call) -> Result<std::string> {
                    return answer_list(controller.ports(call.query_value("endpoint")));
                }});
    router.add(
        {"POST", "/v1/ports", 201, {}, [&controller](const Call& call) -> Result<std::string> {
             auto request = parse_port_publication(call.body);
             if (!request) return request.error();
             return answer(controller.publish(request->endpoint, request->spec, request->allow_from,
                                              request->reserve ? control::Holder::kDaemon
                                                               : control::Holder::kPublisher,
                                              request->new_limit));
         }});
    router.add(
        {"PATCH", "/v1/ports", 200, {}, [&controller](const Call& call) -> Result<std::string> {
             auto request = parse_port_patch(call.body);
             if (!request) return request.error();
             return answer(
                 controller.update_port(request->endpoint, request->spec, request->patch));
         }});
    router.add(
        {"DELETE", "/v1/ports", 200, {}, [&controller](const Call& call) -> Result<std::string> {
             auto request = parse_port_request(call.body);
             if (!request) return request.error();
             return answer_done(controller.unpublish(request->endpoint, request->spec));
         }});
}

void add_uplink_routes(Router& router, control::Controller& controller) {
    router.add({"GET", "/v1/uplinks", 200, {}, [&controller](const Call&) -> Result<std::string> {
                    return answer_list(controller.uplinks());
                }});
    router.add(
        {"POST", "/v1/uplinks", 201, {}, [&controller](const Call& call) -> Result<std::string> {
             auto device = parse_single(call.body, "device");
             if (!device) return device.error();
             return answer(controller.add_uplink(*device));
         }});
    router.add({"PATCH",
                "/v1/uplinks/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    auto native = parse_uplink_patch(call.body);
                    if (!native) return native.error();
                    return answer(controller.set_uplink_xdp(call.name, *native));
                }});
    router.add({"DELETE",
                "/v1/uplinks/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    if (Status body = parse_nothing(call.body); !body) return body.error();
                    return answer_done(controller.delete_uplink(call.name));
                }});
}

} // namespace cnet::api
