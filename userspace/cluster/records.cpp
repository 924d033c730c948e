#include "userspace/cluster/records.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <optional>

namespace cnet::cluster {

namespace {

using Json = nlohmann::ordered_json;
constexpr unsigned kVersion = 1;

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

// Reads keys of one object; keeps the first fault.
class Reader {
public:
    static Result<Reader> open(std::string_view text) {
        Json json = Json::parse(text, nullptr, false);
        if (!json.is_object()) return invalid("it is no JSON object");
        Reader reader(std::move(json));
        uint32_t version = 0;
        reader.read("v", version);
        if (version != kVersion)
            return invalid("it is of version " + std::to_string(version) +
                           ", which this cnetd does not know");
        return reader;
    }

    void read(const char* key, bool& out) {
        read_as(key, &Json::is_boolean, [&](const Json& value) { out = value.get<bool>(); });
    }
    void read(const char* key, uint32_t& out) {
        read_as(key, &Json::is_number_unsigned, [&](const Json& value) {
            if (value.get<uint64_t>() > std::numeric_limits<uint32_t>::max()) return fail(key);
            out = value.get<uint32_t>();
        });
    }
    void read(const char* key, std::string& out) {
        read_as(key, &Json::is_string, [&](const Json& value) { out = value.get<std::string>(); });
    }
    template <typename T, typename Parse> void read_parsed(const char* key, T& out, Parse parse) {
        std::string text;
        read(key, text);
        if (text.empty()) return;
        auto parsed = parse(text);
        if (!parsed) return fail(key);
        out = *parsed;
    }
    void read(const char* key, std::vector<std::string>& out) {
        for_each(key, [&](const Json& item) {
            if (!item.is_string()) return fail(key);
            out.push_back(item.get<std::string>());
        });
    }
    void read(const char* key, std::vector<IpAddress>& out) {
        std::vector<std::string> texts;
        read(key, texts);
        for (const std::string& text : texts) {
            auto address = IpAddress::parse(text);
            if (!address) return fail(key);
            out.push_back(*address);
        }
    }
    template <typename Visit> void for_each(const char* key, Visit visit) {
        read_as(key, &Json::is_array, [&](const Json& list) {
            for (const Json& item : list)
                visit(item);
        });
    }
    void fail(const std::string& key) {
        if (!fault_) fault_ = invalid("its \"" + key + "\" makes no sense");
    }
    Status finish() const { return fault_ ? Status(*fault_) : Status(); }

private:
    explicit Reader(Json json) : json_(std::move(json)) {}

    // An absent key leaves the default.
    template <typename Take>
    void read_as(const char* key, bool (Json::*is)() const noexcept, Take take) {
        auto found = json_.find(key);
        if (found == json_.end()) return;
        if (!((*found).*is)()) return fail(key);
        take(*found);
    }

    Json json_;
    std::optional<Error> fault_;
};

Json object() {
    Json json;
    json["v"] = kVersion;
    return json;
}

template <typename T> Json texts(const std::vector<T>& values) {
    Json list = Json::array();
    for (const T& value : values)
        list.push_back(value.to_string());
    return list;
}

// Bytes that are not UTF-8 become U+FFFD rather than an exception.
std::string text_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::optional<control::Subnet> decode_subnet(const Json& item) {
    auto text = [&](const char* key) {
        auto found = item.find(key);
        return found != item.end() && found->is_string() ? found->get<std::string>() : "";
    };
    if (!item.is_object()) return std::nullopt;
    auto prefix = IpPrefix::parse(text("prefix"));
    auto gateway = IpAddress::parse(text("gateway"));
    if (!prefix || !gateway || !prefix->contains(*gateway)) return std::nullopt;
    control::Subnet subnet{IpPrefix(prefix->network(), prefix->length()), *gateway, {}};
    if (const std::string range = text("ip_range"); !range.empty()) {
        auto ip_range = IpPrefix::parse(range);
        if (!ip_range || !prefix->contains(*ip_range)) return std::nullopt;
        subnet.ip_range = *ip_range;
    }
    return subnet;
}

} // namespace

std::string encode(const control::Network& network) {
    Json subnets = Json::array();
    for (const control::Subnet& subnet : network.subnets) {
        Json item;
        item["prefix"] = subnet.prefix.to_string();
        item["gateway"] = subnet.gateway.to_string();
        if (subnet.ip_range) item["ip_range"] = subnet.ip_range->to_string();
        subnets.push_back(std::move(item));
    }
    Json json = object();
    json["vni"] = network.vni;
    if (network.pool) {
        json["pool"] = network.pool->prefix.to_string();
        json["host_prefix"] = network.pool->subnet_length;
    } else {
        json["subnets"] = std::move(subnets);
    }
    if (!network.mtu_derived) json["mtu"] = network.mtu;
    json["peer_learning"] = network.peer_learning;
    json["mode"] = control::to_string(network.mode);
    if (network.mode6) json["mode6"] = control::to_string(*network.mode6);
    json["internal"] = network.internal;
    json["icc"] = network.icc;
    json["masquerade"] = network.masquerade;
    json["nat"] = control::to_string(network.nat);
    json["learning"] = network.learning;
    json["allow_spoofing"] = network.allow_spoofing;
    json["ageing_s"] = network.ageing_s;
    json["mac_limit"] = network.mac_limit;
    json["flood_limit"] = network.flood_limit;
    json["names"] = network.names;
    return text_of(json);
}

std::string encode(const HostRecord& record) {
    Json json = object();
    json["id"] = record.id;
    json["vteps"] = texts(record.vteps);
    return text_of(json);
}

std::string encode(const Claim& record) {
    Json json = object();
    json["host"] = record.host;
    json["endpoint"] = record.endpoint;
    return text_of(json);
}

std::string encode(const SubnetRecord& record) {
    Json json = object();
    json["host"] = record.host;
    json["vtep"] = record.vtep.to_string();
    json["mac"] = record.mac.to_string();
    return text_of(json);
}

std::string encode(const EndpointRecord& record) {
    Json json = object();
    if (!record.mac.is_zero()) json["mac"] = record.mac.to_string();
    json["addresses"] = texts(record.addresses);
    json["aliases"] = record.aliases;
    return text_of(json);
}

Result<control::Network> decode_network(std::string_view text) {
    auto reader = Reader::open(text);
    if (!reader) return reader.error();
    control::Network network;
    uint32_t mtu = 0;
    reader->read("vni", network.vni);
    reader->for_each("subnets", [&](const Json& item) {
        auto subnet = decode_subnet(item);
        if (!subnet) return reader->fail("subnets");
        network.subnets.push_back(*subnet);
    });
    control::HostPool pool;
    reader->read_parsed("pool", pool.prefix, IpPrefix::parse);
    reader->read("host_prefix", pool.subnet_length);
    if (pool.subnet_length != 0) network.pool = pool;
    reader->read("mtu", mtu);
    reader->read("peer_learning", network.peer_learning);
    reader->read_parsed("mode", network.mode, control::parse_mode);
    reader->read_parsed("mode6", network.mode6, control::parse_mode);
    reader->read("internal", network.internal);
    reader->read("icc", network.icc);
    reader->read("masquerade", network.masquerade);
    reader->read_parsed("nat", network.nat, control::parse_nat);
    reader->read("learning", network.learning);
    reader->read("allow_spoofing", network.allow_spoofing);
    reader->read("ageing_s", network.ageing_s);
    reader->read("mac_limit", network.mac_limit);
    reader->read("flood_limit", network.flood_limit);
    reader->read("names", network.names);
    if (network.vni == 0 || network.vni > 0xffffff) reader->fail("vni");
    if (network.subnets.empty() == !network.pool) reader->fail("subnets");
    if (network.pool && !pool.is_sound()) reader->fail("pool");
    if (Status status = reader->finish(); !status) return status.error();
    network.mtu_derived = mtu == 0;
    if (mtu != 0) network.mtu = mtu;
    return network;
}

Result<HostRecord> decode_host(std::string_view text) {
    auto reader = Reader::open(text);
    if (!reader) return reader.error();
    HostRecord record;
    reader->read("id", record.id);
    reader->read("vteps", record.vteps);
    if (Status status = reader->finish(); !status) return status.error();
    return record;
}

Result<Claim> decode_claim(std::string_view text) {
    auto reader = Reader::open(text);
    if (!reader) return reader.error();
    Claim record;
    reader->read("host", record.host);
    reader->read("endpoint", record.endpoint);
    if (Status status = reader->finish(); !status) return status.error();
    return record;
}

Result<SubnetRecord> decode_subnet_record(std::string_view text) {
    auto reader = Reader::open(text);
    if (!reader) return reader.error();
    SubnetRecord record;
    reader->read("host", record.host);
    reader->read_parsed("vtep", record.vtep, IpAddress::parse);
    reader->read_parsed("mac", record.mac, MacAddress::parse);
    if (record.host.empty()) reader->fail("host");
    if (!record.vtep.is_v4() || record.vtep.is_unspecified() || record.vtep.is_multicast())
        reader->fail("vtep");
    if (record.mac.is_zero() || record.mac.is_multicast()) reader->fail("mac");
    if (Status status = reader->finish(); !status) return status.error();
    return record;
}

Result<EndpointRecord> decode_endpoint(std::string_view text) {
    auto reader = Reader::open(text);
    if (!reader) return reader.error();
    EndpointRecord record;
    reader->read_parsed("mac", record.mac, MacAddress::parse);
    reader->read("addresses", record.addresses);
    reader->read("aliases", record.aliases);
    if (record.mac.is_multicast()) reader->fail("mac");
    if (Status status = reader->finish(); !status) return status.error();
    return record;
}

} // namespace cnet::cluster
