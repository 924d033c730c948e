#include <algorithm>
#include <array>

#include "userspace/cnet-bpf/flow_view.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/text.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kCt = "/v1/ct";
constexpr std::array<std::string_view, 9> kFilterKeys = {
    "proto", "src", "dst", "sport", "dport", "network", "endpoint", "state", "type"};

struct Condition {
    std::string key;
    std::string value;
};

// "proto tcp dport=80": words in pairs, or with '=' between. ICMP's identifier is a port here.
Result<std::vector<Condition>> parse_filter(const std::vector<std::string>& words) {
    std::vector<Condition> conditions;
    for (size_t i = 0; i < words.size(); i++) {
        Condition condition{words[i], {}};
        if (size_t equals = words[i].find('='); equals != std::string::npos) {
            condition = {words[i].substr(0, equals), words[i].substr(equals + 1)};
        } else if (i + 1 < words.size()) {
            condition.value = words[++i];
        }
        const std::string& key = condition.key;
        if (std::find(kFilterKeys.begin(), kFilterKeys.end(), key) == kFilterKeys.end()) {
            return Error(ErrorKind::kInvalid, "no filter '" + key +
                                                  "'; there are: proto, src, dst, sport, dport, "
                                                  "network, endpoint, state, type");
        }
        if (condition.value.empty()) {
            return Error(ErrorKind::kInvalid, "filter " + key + " needs a value");
        }
        auto number = parse_number(condition.value);
        if ((key == "sport" || key == "dport") && (!number || *number > 0xffff)) {
            return Error(ErrorKind::kInvalid, "filter " + key +
                                                  " takes a port from 0 to 65535, "
                                                  "not '" +
                                                  condition.value + "'");
        }
        for (const Condition& earlier : conditions) {
            if (earlier.key != key) continue;
            return Error(ErrorKind::kInvalid, "filter " + key + " is given twice");
        }
        conditions.push_back(std::move(condition));
    }
    return conditions;
}

struct Tuple {
    const char *src, *src_port, *dst, *dst_port;
    const char* icmp_id; // where an echo's identifier stands, instead of ports
};
constexpr Tuple kOriginal{"src", "src_port", "dst", "dst_port", "src_port"};
constexpr Tuple kReply{"reply_src", "reply_src_port", "reply_dst", "reply_dst_port",
                       "reply_dst_port"};

std::string side(const Json& flow, const char* address, const char* port) {
    std::string text = text_at(flow, address);
    if (text.find(':') != std::string::npos) text = "[" + text + "]";
    return text + ":" + text_at(flow, port);
}

std::string tuple(const Json& flow, const Tuple& keys) {
    if (text_at(flow, "protocol").starts_with("icmp")) {
        return text_at(flow, keys.src) + " -> " + text_at(flow, keys.dst) + " id " +
               text_at(flow, keys.icmp_id);
    }
    const bool no_ports = number_at(flow, "src_port") == 0 && number_at(flow, "dst_port") == 0;
    if (no_ports) return text_at(flow, keys.src) + " -> " + text_at(flow, keys.dst);
    return side(flow, keys.src, keys.src_port) + " -> " + side(flow, keys.dst, keys.dst_port);
}

std::string original(const Json& flow) {
    return tuple(flow, kOriginal);
}
std::string reply(const Json& flow) {
    return "reply " + tuple(flow, kReply);
}

Cell state_of(const Json& flow) {
    std::string state = text_at(flow, "state");
    return {state, state == "established" ? Style::kGood : Style::kPlain};
}

int list(Context& context, const Verb&, const Arguments& arguments) {
    auto filter = parse_filter(arguments.positionals);
    if (!filter) return context.fail(kUsage, "ct list: " + filter.error().message());
    std::string target = kCt;
    for (const Condition& condition : *filter) {
        target += target == kCt ? "?" : "&";
        target += condition.key + "=" + url_encode(condition.value);
    }
    Reply answer = get_list(context, target);
    if (!answer.ok()) return context.fail(answer);
    if (context.settings.json) {
        context.print_json(answer.body);
    } else {
        print_table(context, flow_view(), answer.body, Table::Header::kHidden);
    }
    return kDone;
}

int count(Context& context, const Verb&, const Arguments&) {
    return show_object(context, std::string(kCt) + "/count",
                       {{"FLOWS", key("flows")},
                        {"ENTRIES", key("entries")},
                        {"MAX-ENTRIES", key("max_entries")}});
}

std::string flushed(const Json& answer) {
    return "flushed " + std::to_string(number_at(answer, "flushed")) + " flows";
}

int flush(Context& context, const Verb&, const Arguments& arguments) {
    auto filter = parse_filter(arguments.positionals);
    if (!filter) return context.fail(kUsage, "ct flush: " + filter.error().message());
    Json body = Json::object();
    for (const Condition& condition : *filter) {
        bool is_port = condition.key == "sport" || condition.key == "dport";
        body[condition.key] =
            is_port ? Json(parse_number(condition.value).value_or(0)) : Json(condition.value);
    }
    return change(context, "POST", std::string(kCt) + "/flush", body, flushed);
}

// What an endpoint-independent mapping leads to.
std::string inside_of(const Json& row) {
    return text_at(row, "inside").empty() ? "" : side(row, "inside", "inside_port");
}

int list_nat(Context& context, const Verb&, const Arguments&) {
    return show_list(context, "/v1/nat",
                     {{"PROTOCOL", key("protocol")},
                      {"ADDRESS", key("address")},
                      {"PORT", key("port"), Align::kRight},
                      {"FLOWS", key("flows"), Align::kRight},
                      {"INSIDE", plain(inside_of)},
                      {"NETWORK", key("network")}});
}

} // namespace

View flow_view() {
    return {
        {"", key("protocol")},
        {"", state_of},
        {"", key("type")},
        {"", plain(original)},
        {"", plain(reply)},
        {"", plain([](const Json& flow) { return text_at(flow, "network"); })},
        {"", plain([](const Json& flow) { return "expires " + seconds_at(flow, "expires_s"); })},
        {"", plain([](const Json& flow) { return "age " + seconds_at(flow, "age_s"); }),
         Align::kLeft, false, true},
        {"", plain([](const Json& flow) { return "idle " + seconds_at(flow, "idle_s"); }),
         Align::kLeft, false, true},
    };
}

Object ct_object() {
    return {"ct",
            "tracked connections",
            {
                {{"list", "show", "ls"},
                 "Every flow, or those that fit all conditions of FILTER: proto, src, dst, sport, "
                 "dport, network, endpoint, state or type, each followed by its value.",
                 {{"FILTER", false, true}},
                 {},
                 list,
                 Verb::Repeat::kWatch},
                {{"count"}, "How many, and how many fit.", {}, {}, count, Verb::Repeat::kWatch},
                {{"flush"},
                 "Forgets the flows that FILTER fits, or every flow.",
                 {{"FILTER", false, true}},
                 {},
                 flush},
            }};
}

Object nat_object() {
    return {
        "nat",
        "ports of the host that translated flows use",
        {
            {{"list", "show", "ls"}, "Every port in use.", {}, {}, list_nat, Verb::Repeat::kWatch},
        }};
}

} // namespace cnet::cli
