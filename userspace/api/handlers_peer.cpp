#include "userspace/api/answers.h"
#include "userspace/api/handlers.h"
#include "userspace/api/requests.h"
#include "userspace/control/controller.h"

namespace cnet::api {

void add_peer_routes(Router& router, control::Controller& controller) {
    router.add({"GET", "/v1/peers", 200, {}, [&controller](const Call&) -> Result<std::string> {
                    return answer_list(controller.peers());
                }});
    router.add(
        {"POST", "/v1/peers", 201, {}, [&controller](const Call& call) -> Result<std::string> {
             auto request = parse_peer_request(call.body);
             if (!request) return request.error();
             return answer(controller.add_peer(request->address, request->name));
         }});
    router.add({"DELETE",
                "/v1/peers/{name}",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    if (Status body = parse_nothing(call.body); !body) return body.error();
                    auto address = IpAddress::parse(call.name);
                    if (!address) return address.error();
                    return answer_done(controller.delete_peer(*address));
                }});
}

} // namespace cnet::api
