#include "userspace/cnet-bpf/monitor_words.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <optional>

#include "maps/flow_key.h"
#include "maps/flow_names.h"
#include "maps/reasons.h"
#include "userspace/base/clock.h"
#include "userspace/base/ip.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

struct Kind {
    std::string_view word; // of the filter
    uint32_t kinds;
};
constexpr std::array<Kind, 4> kKinds{{{"drops", CNET_EVENT_DROP},
                                      {"flows", CNET_EVENT_FLOW_NEW | CNET_EVENT_FLOW_END},
                                      {"macs", CNET_EVENT_MAC_NEW | CNET_EVENT_MAC_MOVED},
                                      {"packets", CNET_EVENT_PACKET}}};

struct Event {
    uint32_t kind;
    const char* name;
};
constexpr std::array<Event, 5> kEvents{{{CNET_EVENT_DROP, "drop"},
                                        {CNET_EVENT_FLOW_NEW, "flow_new"},
                                        {CNET_EVENT_FLOW_END, "flow_end"},
                                        {CNET_EVENT_MAC_NEW, "mac_new"},
                                        {CNET_EVENT_MAC_MOVED, "mac_moved"}}};

Error refused(const std::string& what) {
    return {ErrorKind::kInvalid, what};
}

Status take_name(const std::map<std::string, uint32_t>& known, const char* what,
                 const std::string& name, uint32_t& out) {
    auto found = known.find(name);
    if (found == known.end())
        return Error(ErrorKind::kNotFound, std::string("no ") + what + " is named " + name);
    out = found->second;
    return {};
}

Status take_address(const std::string& value, cnet_watcher& wanted) {
    auto address = IpAddress::parse(value);
    if (!address) return refused("'" + value + "' is no address");
    wanted.addr = address->to_abi();
    return {};
}

Status take_protocol(const std::string& value, cnet_watcher& wanted) {
    wanted.l4_proto = maps::parse_protocol(value).value_or(0);
    return wanted.l4_proto ? Status() : refused("there is no protocol '" + value + "'");
}

Status take_pair(const std::string& word, const std::string& value, const MonitorNames& names,
                 cnet_watcher& wanted) {
    if (value.empty()) return refused(word + " needs a value");
    if (word == "endpoint") return take_name(names.endpoints, "endpoint", value, wanted.ifindex);
    if (word == "network") return take_name(names.networks, "network", value, wanted.network_id);
    if (word == "addr") return take_address(value, wanted);
    if (word == "proto") return take_protocol(value, wanted);
    if (word == "device") {
        wanted.ifindex = if_nametoindex(value.c_str());
        return wanted.ifindex ? Status()
                              : Error(ErrorKind::kNotFound, "there is no device " + value);
    }
    if (word == "hook") {
        auto hook = maps::parse_hook(value);
        if (!hook) return refused("there is no hook '" + value + "'");
        wanted.hook = *hook + 1u;
        return {};
    }
    if (word == "reason") {
        auto reason = maps::parse_reason(value);
        if (!reason) return refused("there is no reason '" + value + "'");
        wanted.reason = *reason + 1u;
        return {};
    }
    auto port = parse_number(value);
    if (!port || *port == 0 || *port > 0xffff) return refused("'" + value + "' is no port");
    wanted.port_be = htons(static_cast<uint16_t>(*port));
    return {};
}

Json tuple_json(const cnet_ct_key& key) {
    return {{"src", IpAddress::from_abi(key.src).to_string()},
            {"src_port", ntohs(key.src_port_be)},
            {"dst", IpAddress::from_abi(key.dst).to_string()},
            {"dst_port", ntohs(key.dst_port_be)}};
}

std::string mac_text(const uint8_t* mac) {
    std::array<uint8_t, CNET_MAC_LEN> bytes;
    std::copy_n(mac, bytes.size(), bytes.begin());
    return MacAddress(bytes).to_string();
}

std::string device_name(uint32_t ifindex) {
    char name[IF_NAMESIZE];
    return if_indextoname(ifindex, name) ? name : "#" + std::to_string(ifindex);
}

std::string network_name(uint32_t id, const MonitorNames& names) {
    for (const auto& [name, number] : names.networks)
        if (number == id) return name;
    return "#" + std::to_string(id);
}

std::string clock_text(uint64_t wall_ns) {
    const auto seconds = static_cast<time_t>(wall_ns / kSecondNs);
    tm parts{};
    localtime_r(&seconds, &parts);
    char text[16];
    strftime(text, sizeof(text), "%H:%M:%S", &parts);
    std::string fraction = std::to_string(wall_ns % kSecondNs / 1'000'000 + 1000);
    return std::string(text) + "." + fraction.substr(1);
}

} // namespace

Result<cnet_watcher> parse_monitor(const std::vector<std::string>& words, const MonitorNames& names,
                                   uint32_t usual) {
    static constexpr std::array<std::string_view, 8> kKeys{"endpoint", "device", "network", "hook",
                                                           "reason",   "proto",  "addr",    "port"};
    cnet_watcher wanted{};
    for (size_t i = 0; i < words.size(); i++) {
        auto kind = std::find_if(kKinds.begin(), kKinds.end(),
                                 [&](const Kind& candidate) { return candidate.word == words[i]; });
        if (kind != kKinds.end()) {
            wanted.kinds |= kind->kinds;
            continue;
        }
        if (std::find(kKeys.begin(), kKeys.end(), words[i]) == kKeys.end())
            return refused("no filter '" + words[i] +
                           "'; there are: drops, flows, macs, packets, and with a value endpoint, "
                           "device, network, hook, reason, proto, addr, port");
        const std::string value = i + 1 < words.size() ? words[i + 1] : "";
        if (Status taken = take_pair(words[i], value, names, wanted); !taken) return taken.error();
        i++;
    }
    if (!wanted.kinds) wanted.kinds = usual;
    return wanted;
}

Json event_json(const cnet_event& event, uint64_t wall_ns, const MonitorNames& names) {
    const auto& reason = maps::reason(event.reason);
    Json kinds = Json::array();
    for (const Event& kind : kEvents)
        if (event.kinds & kind.kind) kinds.push_back(kind.name);
    auto endpoint = names.devices.find(event.ifindex);
    Json json = {
        {"time_ns", wall_ns},
        {"events", std::move(kinds)},
        {"hook", maps::hook_name(event.hook)},
        {"reason", reason.name},
        {"class", maps::to_string(reason.reason_class)},
        {"device", event.ifindex ? Json(device_name(event.ifindex)) : Json()},
        {"endpoint", endpoint == names.devices.end() ? Json() : Json(endpoint->second)},
        {"network", event.network_id ? Json(network_name(event.network_id, names)) : Json()},
        {"bytes", event.len},
        {"src_mac", mac_text(event.src_mac)},
        {"dst_mac", mac_text(event.dst_mac)},
        {"protocol", Json()},
        {"packet", Json()},
        {"becomes", Json()}};
    if (event.tuple.l4_proto) {
        json["protocol"] = maps::protocol_name(event.tuple.l4_proto);
        json["packet"] = tuple_json(event.tuple);
    }
    if (event.kinds & CNET_EVENT_FLOW_NEW)
        json["becomes"] = tuple_json(maps::reversed(event.reply));
    return json;
}

std::string event_words(const Json& event) {
    std::string text = text_at(event, "hook");
    std::string device = text_at(event, "device");
    if (const std::string endpoint = text_at(event, "endpoint"); !endpoint.empty())
        device += " (" + endpoint + ")";
    if (!device.empty()) text += "  " + device;
    const std::string kinds = text_of(value_at(event, "events"));
    text += "  " + (kinds.empty() ? text_at(event, "class") : kinds) + "  " +
            text_at(event, "reason") + "  ";
    const Json& packet = value_at(event, "packet");
    if (packet.is_null()) {
        text += text_at(event, "src_mac") + " -> " + text_at(event, "dst_mac");
    } else {
        text += text_at(event, "protocol") + " " + side_of(packet, "src", "src_port") + " -> " +
                side_of(packet, "dst", "dst_port");
    }
    if (const Json& becomes = value_at(event, "becomes"); !becomes.is_null())
        text += "  becomes " + side_of(becomes, "src", "src_port") + " -> " +
                side_of(becomes, "dst", "dst_port");
    return text;
}

std::string event_text(const Json& event) {
    return clock_text(number_at(event, "time_ns")) + "  " + event_words(event) + "  " +
           text_at(event, "bytes") + " bytes";
}

} // namespace cnet::cli
