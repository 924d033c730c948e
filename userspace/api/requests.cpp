#include "userspace/api/requests.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "userspace/api/json.h"

namespace cnet::api {
namespace {

// Parses the body, lets `read_keys` take what it wants into `out`, and refuses the rest.
template <typename T, typename ReadKeys>
Result<T> parse_with(std::string_view body, ReadKeys read_keys) {
    auto object = parse_object(body);
    if (!object) return object.error();
    ObjectReader reader(*object);
    T out{};
    read_keys(reader, out);
    if (Status status = reader.finish(); !status) return status.error();
    return out;
}

// A query's values are strings; the body's keys of the same name are numbers.
Result<Json> typed_query(const std::map<std::string, std::string>& query) {
    Json object = Json::object();
    for (const auto& [key, text] : query) {
        if (key != "sport" && key != "dport") {
            object[key] = text;
            continue;
        }
        uint64_t number = 0;
        auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (fault != std::errc() || end != text.data() + text.size() || text.empty())
            return Error(ErrorKind::kInvalid, key + " must be a number");
        object[key] = number;
    }
    return object;
}

Result<control::CtFilter> read_ct_filter(const Json& object) {
    ObjectReader reader(object);
    control::CtFilter filter;
    reader.read_optional("proto", filter.proto);
    reader.read_optional("src", filter.src);
    reader.read_optional("dst", filter.dst);
    reader.read_optional("sport", filter.sport);
    reader.read_optional("dport", filter.dport);
    reader.read_optional("network", filter.network);
    reader.read_optional("endpoint", filter.endpoint);
    reader.read_optional("state", filter.state);
    reader.read_optional("type", filter.type);
    if (Status status = reader.finish(); !status) return status.error();
    return filter;
}

void read_limits(ObjectReader& in, control::EndpointSpec& out) {
    in.read("ingress_rate", out.ingress.bits_per_s);
    in.read("ingress_burst", out.ingress.burst_bits);
    in.read("egress_rate", out.egress.bits_per_s);
    in.read("egress_burst", out.egress.burst_bits);
}

} // namespace

Result<control::NetworkSpec> parse_network_spec(std::string_view body) {
    return parse_with<control::NetworkSpec>(body, [](ObjectReader& in, control::NetworkSpec& out) {
        in.read_required("name", out.name);
        in.read("subnets", out.subnets);
        in.read("layer2", out.layer2);
        in.read("gateways", out.gateways);
        in.read("ip_ranges", out.ip_ranges);
        in.read_optional("mtu", out.mtu);
        out.vni_auto = in.is_text("vni", "auto");
        if (!out.vni_auto) in.read_nullable("vni", out.vni);
        in.read_nullable("host_prefix", out.host_prefix);
        in.read_optional("peer_learning", out.peer_learning);
        in.read("mode", out.mode);
        in.read_nullable("mode6", out.mode6);
        in.read("internal", out.internal);
        in.read("icc", out.icc);
        in.read("masquerade", out.masquerade);
        in.read_nullable("snat", out.snat);
        in.read_nullable("snat6", out.snat6);
        in.read("nat", out.nat);
        in.read("learning", out.learning);
        in.read("ageing_s", out.ageing_s);
        in.read("mac_limit", out.mac_limit);
        in.read("flood_limit", out.flood_limit);
        in.read("names", out.names);
        in.read("allow_spoofing", out.allow_spoofing);
    });
}

Result<control::NetworkPatch> parse_network_patch(std::string_view body) {
    return parse_with<control::NetworkPatch>(
        body, [](ObjectReader& in, control::NetworkPatch& out) {
            in.read_optional("mtu", out.mtu);
            in.read_optional("mode", out.mode);
            if (in.has("mode6")) in.read_nullable("mode6", out.mode6.emplace());
            in.read_optional("icc", out.icc);
            in.read_optional("masquerade", out.masquerade);
            if (in.has("snat")) in.read_nullable("snat", out.snat.emplace());
            if (in.has("snat6")) in.read_nullable("snat6", out.snat6.emplace());
            in.read_optional("nat", out.nat);
            in.read_optional("learning", out.learning);
            in.read_optional("peer_learning", out.peer_learning);
            in.read_optional("ageing_s", out.ageing_s);
            in.read_optional("mac_limit", out.mac_limit);
            in.read_optional("flood_limit", out.flood_limit);
            in.read_optional("names", out.names);
            in.read_optional("allow_spoofing", out.allow_spoofing);
        });
}

Result<control::EndpointSpec> parse_endpoint_spec(std::string_view body) {
    return parse_with<control::EndpointSpec>(body,
                                             [](ObjectReader& in, control::EndpointSpec& out) {
                                                 in.read_required("network", out.network);
                                                 in.read_required("name", out.name);
                                                 in.read_required("netns", out.netns);
                                                 in.read("ifname", out.ifname);
                                                 in.read("ips", out.ips);
                                                 in.read("layer2", out.layer2);
                                                 in.read_nullable("mac", out.mac);
                                                 in.read("default_route", out.default_route);
                                                 in.read("disabled", out.disabled);
                                                 in.read("aliases", out.aliases);
                                                 read_limits(in, out);
                                             });
}

Result<PortRequest> parse_port_request(std::string_view body) {
    return parse_with<PortRequest>(body, [](ObjectReader& in, PortRequest& out) {
        in.read_required("endpoint", out.endpoint);
        in.read_required("spec", out.spec);
    });
}

Result<PortRequest> parse_port_publication(std::string_view body) {
    return parse_with<PortRequest>(body, [](ObjectReader& in, PortRequest& out) {
        in.read_required("endpoint", out.endpoint);
        in.read_required("spec", out.spec);
        in.read("allow_from", out.allow_from);
        in.read("new_rate", out.new_limit.per_second);
        in.read("new_burst", out.new_limit.burst);
        in.read("reserve", out.reserve);
    });
}

Result<PortRequest> parse_port_patch(std::string_view body) {
    return parse_with<PortRequest>(body, [](ObjectReader& in, PortRequest& out) {
        in.read_required("endpoint", out.endpoint);
        in.read_required("spec", out.spec);
        in.read_optional("allow_from", out.patch.allow_from);
        in.read_optional("new_rate", out.patch.new_rate);
        in.read_optional("new_burst", out.patch.new_burst);
    });
}

Result<FdbRequest> parse_fdb_addition(std::string_view body) {
    return parse_with<FdbRequest>(body, [](ObjectReader& in, FdbRequest& out) {
        in.read_required("network", out.network);
        in.read_required("mac", out.mac);
        in.read("endpoint", out.place.endpoint);
        in.read("device", out.place.device);
        in.read_optional("peer", out.place.peer);
    });
}

Result<PeerRequest> parse_peer_request(std::string_view body) {
    return parse_with<PeerRequest>(body, [](ObjectReader& in, PeerRequest& out) {
        in.read_required("address", out.address);
        in.read("name", out.name);
    });
}

Result<control::AdoptSpec> parse_adopt_spec(std::string_view body) {
    return parse_with<control::AdoptSpec>(body, [](ObjectReader& in, control::AdoptSpec& out) {
        in.read_required("bridge", out.bridge);
        in.read_optional("masquerade", out.masquerade);
        in.read_optional("icc", out.icc);
        in.read_optional("internal", out.internal);
    });
}

Result<bool> parse_uplink_patch(std::string_view body) {
    auto xdp = parse_single(body, "xdp");
    if (!xdp) return xdp.error();
    if (*xdp == "native" || *xdp == "off") return *xdp == "native";
    return Error(ErrorKind::kInvalid, "xdp is native or off");
}

Result<FdbRequest> parse_fdb_deletion(std::string_view body) {
    return parse_with<FdbRequest>(body, [](ObjectReader& in, FdbRequest& out) {
        in.read_required("network", out.network);
        in.read_required("mac", out.mac);
    });
}

Result<std::string> parse_single(std::string_view body, const char* key) {
    return parse_with<std::string>(
        body, [key](ObjectReader& in, std::string& out) { in.read_required(key, out); });
}

Status parse_nothing(std::string_view body) {
    if (body.empty()) return {};
    auto parsed = parse_with<bool>(body, [](ObjectReader&, bool&) {});
    if (!parsed) return parsed.error();
    return {};
}

Result<control::CtFilter> parse_ct_filter(std::string_view body) {
    auto object = parse_object(body);
    if (!object) return object.error();
    return read_ct_filter(*object);
}

Result<control::CtFilter> parse_ct_filter(const std::map<std::string, std::string>& query) {
    auto object = typed_query(query);
    if (!object) return object.error();
    return read_ct_filter(*object);
}

} // namespace cnet::api
