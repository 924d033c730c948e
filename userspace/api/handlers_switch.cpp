#include "userspace/api/answers.h"
#include "userspace/api/handlers.h"
#include "userspace/api/requests.h"
#include "userspace/control/controller.h"

namespace cnet::api {

void add_switch_routes(Router& router, control::Controller& controller) {
    router.add({"GET",
                "/v1/fdb",
                200,
                {"network"},
                [&controller](const Call& call) -> Result<std::string> {
                    return answer_list(controller.fdb(call.query_value("network")));
                }});
    router.add({"POST", "/v1/fdb", 201, {}, [&controller](const Call& call) -> Result<std::string> {
                    auto request = parse_fdb_addition(call.body);
                    if (!request) return request.error();
                    return answer(
                        controller.add_fdb(request->network, request->mac, request->place));
                }});
    router.add(
        {"DELETE", "/v1/fdb", 200, {}, [&controller](const Call& call) -> Result<std::string> {
             auto request = parse_fdb_deletion(call.body);
             if (!request) return request.error();
             return answer_done(controller.delete_fdb(request->network, request->mac));
         }});
    router.add(
        {"POST", "/v1/fdb/flush", 200, {}, [&controller](const Call& call) -> Result<std::string> {
             auto network = parse_single(call.body, "network");
             if (!network) return network.error();
             return answer_flushed(controller.flush_fdb(*network));
         }});
    router.add({"GET",
                "/v1/neigh",
                200,
                {"network"},
                [&controller](const Call& call) -> Result<std::string> {
                    return answer_list(controller.neighbours(call.query_value("network")));
                }});
}

} // namespace cnet::api
