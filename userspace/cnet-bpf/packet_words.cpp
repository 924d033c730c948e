#include "userspace/cnet-bpf/packet_words.h"

#include <algorithm>
#include <array>
#include <optional>

#include "userspace/base/ip.h"
#include "userspace/cnet-bpf/text.h"

namespace cnet::cli {
namespace {

struct Side {
    std::string address; // may be empty: cnetd knows
    std::optional<uint64_t> port;
};

// "10.0.0.1", "10.0.0.1:80", "[fd00::1]:80", "fd00::1", ":80"
Result<Side> parse_side(const std::string& word) {
    Side side{word, {}};
    const Error wrong(ErrorKind::kInvalid, "'" + word +
                                               "' is no address: there are 10.0.0.1, 10.0.0.1:80, "
                                               "fd00::1, [fd00::1]:80 and :80");
    const size_t colon = word.rfind(':');
    const bool bracketed = word.starts_with('[');
    const bool has_port =
        colon != std::string::npos &&
        (bracketed ? colon > 0 && word[colon - 1] == ']' : word.find(':') == colon);
    if (has_port) {
        side.port = parse_number(word.substr(colon + 1));
        if (!side.port || *side.port > 0xffff) return wrong;
        side.address = word.substr(0, colon);
    }
    if (bracketed) {
        if (side.address.size() < 3 || !side.address.ends_with(']')) return wrong;
        side.address = side.address.substr(1, side.address.size() - 2);
    }
    if (side.address.empty() ? !side.port : !IpAddress::parse(side.address)) return wrong;
    return side;
}

Status take_side(Json& body, const std::string& word, const char* address, const char* port) {
    auto side = parse_side(word);
    if (!side) return side.error();
    if (!side->address.empty()) body[address] = side->address;
    if (side->port) body[port] = *side->port;
    return {};
}

struct Key {
    std::string_view word;
    const char* key;
    bool number;
};
constexpr std::array<Key, 7> kKeys{{{"sport", "src_port", true},
                                    {"dport", "dst_port", true},
                                    {"src", "src", false},
                                    {"mac", "dst_mac", false},
                                    {"flags", "flags", false},
                                    {"size", "size", true},
                                    {"ttl", "ttl", true}}};

Status take_pair(Json& body, const std::string& word, const std::string& value) {
    auto key = std::find_if(kKeys.begin(), kKeys.end(),
                            [&](const Key& candidate) { return candidate.word == word; });
    if (key == kKeys.end())
        return Error(ErrorKind::kInvalid,
                     "'" + word +
                         "' is no part of a packet; there are: sport, dport, src, mac, "
                         "flags, size, ttl");
    if (value.empty()) return Error(ErrorKind::kInvalid, word + " needs a value");
    auto number = parse_number(value);
    if (key->number && !number)
        return Error(ErrorKind::kInvalid, word + " takes a number, not '" + value + "'");
    body[key->key] = key->number ? Json(*number) : Json(value);
    return {};
}

} // namespace

Result<Json> parse_packet(const std::vector<std::string>& words, bool place_only) {
    if (words.size() < 2 || (words[0] != "from" && words[0] != "in"))
        return Error(ErrorKind::kInvalid, "a packet begins with 'from ENDPOINT' or 'in UPLINK'");
    const bool inward = words[0] == "in";
    Json body = {{words[0], words[1]}};
    if (place_only && words.size() > 2)
        return Error(ErrorKind::kInvalid, "with --pcap the file says what the packets are");
    if (place_only) return body;
    if (words.size() < 4)
        return Error(ErrorKind::kInvalid,
                     "then come the protocol (tcp, udp, icmp, arp) and an address, as in '" +
                         words[0] + " " + words[1] + " tcp 93.184.216.34:443'");
    body["protocol"] = words[2];
    size_t next = 4;
    const bool both = words.size() > 4 && words[4] == "to";
    if (both && words.size() < 6) return Error(ErrorKind::kInvalid, "to needs an address");
    const bool first_is_source = inward || both;
    Status taken = first_is_source ? take_side(body, words[3], "src", "src_port")
                                   : take_side(body, words[3], "dst", "dst_port");
    if (taken && both) {
        taken = take_side(body, words[5], "dst", "dst_port");
        next = 6;
    }
    if (!taken) return taken.error();
    for (; next < words.size(); next += 2) {
        taken = take_pair(body, words[next], next + 1 < words.size() ? words[next + 1] : "");
        if (!taken) return taken.error();
    }
    return body;
}

} // namespace cnet::cli
