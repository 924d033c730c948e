#include "userspace/api/answers.h"
#include "userspace/api/handlers.h"
#include "userspace/api/requests.h"
#include "userspace/control/controller.h"

namespace cnet::api {

void add_flow_routes(Router& router, control::Controller& controller) {
    router.add({"GET",
                "/v1/ct",
                200,
                {"proto", "src", "dst", "sport", "dport", "network", "endpoint", "state", "type"},
                {},
                [&controller](const Call& call) -> Result<Pieces> {
                    auto filter = parse_ct_filter(call.query);
                    if (!filter) return filter.error();
                    auto connections = controller.connections(*filter);
                    if (!connections) return connections.error();
                    return answer_in_pieces<control::CtView>(*std::move(connections));
                }});
    router.add({"GET", "/v1/ct/count", 200, {}, [&controller](const Call&) -> Result<std::string> {
                    return answer(controller.count_connections());
                }});
    router.add(
        {"POST", "/v1/ct/flush", 200, {}, [&controller](const Call& call) -> Result<std::string> {
             auto filter = parse_ct_filter(std::string_view(call.body));
             if (!filter) return filter.error();
             return answer_flushed(controller.flush_connections(*filter));
         }});
    router.add({"GET", "/v1/nat", 200, {}, [&controller](const Call&) -> Result<std::string> {
                    return answer_list(controller.nat());
                }});
    router.add({"GET", "/v1/drops", 200, {}, [&controller](const Call&) -> Result<std::string> {
                    return answer_list(controller.drops());
                }});
    router.add({"POST",
                "/v1/drops/reset",
                200,
                {},
                [&controller](const Call& call) -> Result<std::string> {
                    if (Status body = parse_nothing(call.body); !body) return body.error();
                    return answer_done(controller.reset_drops());
                }});
}

} // namespace cnet::api
