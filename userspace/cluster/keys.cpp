#include "userspace/cluster/keys.h"

#include <charconv>
#include <vector>

namespace cnet::cluster {

namespace {

template <class... Ts> struct Overloaded : Ts... { using Ts::operator()...; };
// clang 16 does not deduce it by itself.
template <class... Ts> Overloaded(Ts...) -> Overloaded<Ts...>;

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> parts;
    while (true) {
        const size_t slash = text.find('/');
        parts.push_back(text.substr(0, slash));
        if (slash == text.npos) return parts;
        text.remove_prefix(slash + 1);
    }
}

std::optional<uint32_t> parse_vni(std::string_view text) {
    uint32_t vni = 0;
    auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), vni);
    if (fault != std::errc() || end != text.data() + text.size()) return std::nullopt;
    if (vni == 0 || vni > 0xffffff) return std::nullopt;
    return vni;
}

std::optional<Key> parse_claim(std::string_view kind, std::string_view vni_text,
                               std::string_view what) {
    const auto vni = parse_vni(vni_text);
    if (!vni) return std::nullopt;
    if (kind == "addresses") {
        auto address = IpAddress::parse(what);
        if (!address) return std::nullopt;
        return AddressKey{*vni, *address};
    }
    if (kind == "subnets") {
        std::string text(what);
        if (const size_t dash = text.find('-'); dash != text.npos) text[dash] = '/';
        auto prefix = IpPrefix::parse(text);
        if (!prefix || prefix->address() != prefix->network()) return std::nullopt;
        return SubnetKey{*vni, *prefix};
    }
    auto mac = MacAddress::parse(what);
    if (!mac) return std::nullopt;
    return MacKey{*vni, *mac};
}

} // namespace

std::string Keys::addresses(uint32_t vni) const {
    return root_ + "addresses/" + std::to_string(vni) + "/";
}

std::string Keys::subnets(uint32_t vni) const {
    return root_ + "subnets/" + std::to_string(vni) + "/";
}

std::string Keys::endpoints(uint32_t vni) const {
    return root_ + "endpoints/" + std::to_string(vni) + "/";
}

std::string Keys::of(const Key& key) const {
    return std::visit(
        Overloaded{
            [&](const NetworkKey& k) { return networks() + k.name; },
            [&](const VniKey& k) { return root_ + "vnis/" + std::to_string(k.vni); },
            [&](const HostKey& k) { return root_ + "hosts/" + k.name; },
            [&](const AliveKey& k) { return root_ + "alive/" + k.name; },
            [&](const AddressKey& k) { return addresses(k.vni) + k.address.to_string(); },
            [&](const MacKey& k) {
                return root_ + "macs/" + std::to_string(k.vni) + "/" + k.mac.to_string();
            },
            [&](const SubnetKey& k) {
                return subnets(k.vni) + k.prefix.address().to_string() + "-" +
                       std::to_string(k.prefix.length());
            },
            [&](const EndpointKey& k) { return endpoints(k.vni) + k.host + "/" + k.name; },
        },
        key);
}

std::optional<Key> Keys::parse(std::string_view text) const {
    if (!text.starts_with(root_)) return std::nullopt;
    const auto parts = split(text.substr(root_.size()));
    const std::string_view kind = parts[0];
    for (std::string_view part : parts) {
        if (part.empty()) return std::nullopt;
    }
    if (parts.size() == 2) {
        const std::string name(parts[1]);
        if (kind == "networks") return NetworkKey{name};
        if (kind == "hosts") return HostKey{name};
        if (kind == "alive") return AliveKey{name};
        if (kind != "vnis") return std::nullopt;
        const auto vni = parse_vni(name);
        if (!vni) return std::nullopt;
        return VniKey{*vni};
    }
    if (parts.size() == 3 && (kind == "addresses" || kind == "macs" || kind == "subnets"))
        return parse_claim(kind, parts[1], parts[2]);
    if (parts.size() != 4 || kind != "endpoints") return std::nullopt;
    const auto vni = parse_vni(parts[1]);
    if (!vni) return std::nullopt;
    return EndpointKey{*vni, std::string(parts[2]), std::string(parts[3])};
}

} // namespace cnet::cluster
