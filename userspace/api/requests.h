// What the API's requests say, as the structs that control/ takes. Only the form is checked here;
// what makes sense is control's to say.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "userspace/base/result.h"
#include "userspace/control/views.h"

namespace cnet::api {

struct PortRequest {
    std::string endpoint;
    std::string spec;
    // Of a publication alone:
    std::vector<IpPrefix> allow_from;
    control::NewLimit new_limit;
    bool reserve = true;
    // Of a change alone:
    control::PortPatch patch;
};

struct FdbRequest {
    std::string network;
    MacAddress mac;
    control::FdbPlace place; // of an addition alone
};

struct PeerRequest {
    IpAddress address;
    std::string name; // empty: none
};

Result<control::NetworkSpec> parse_network_spec(std::string_view body);
Result<control::NetworkPatch> parse_network_patch(std::string_view body);
Result<control::EndpointSpec> parse_endpoint_spec(std::string_view body);
Result<PortRequest> parse_port_request(std::string_view body);
Result<PortRequest> parse_port_publication(std::string_view body);
Result<PortRequest> parse_port_patch(std::string_view body);
Result<FdbRequest> parse_fdb_addition(std::string_view body);
Result<PeerRequest> parse_peer_request(std::string_view body);
// Whether XDP is to be native.
Result<bool> parse_uplink_patch(std::string_view body);
Result<control::AdoptSpec> parse_adopt_spec(std::string_view body);
Result<FdbRequest> parse_fdb_deletion(std::string_view body);
// {"network"}, {"name"}, {"device"}: the one string below `key`.
Result<std::string> parse_single(std::string_view body, const char* key);
// No body, or {}.
Status parse_nothing(std::string_view body);

Result<control::CtFilter> parse_ct_filter(std::string_view body);
Result<control::CtFilter> parse_ct_filter(const std::map<std::string, std::string>& query);

} // namespace cnet::api
