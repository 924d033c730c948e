#include "userspace/docker/adopt_picture.h"

#include <algorithm>
#include <set>
#include <sstream>

#include "userspace/docker/adopt_ports.h"
#include "userspace/docker/adopt_rules.h"
#include "userspace/docker/reader.h"

namespace cnet::docker {
namespace {

constexpr size_t kIdDigits = 12;
constexpr std::string_view kOverlaysBridge = "docker_gwbridge";
const std::string kOption = "com.docker.network.bridge.";

struct Firewall {
    Rules rules4;
    Rules rules6;
    bool dockers = false;  // it does NAT and isolation by itself
    bool nftables = false; // by rules that iptables-save does not show
    std::string hidden;    // somebody else's that it does not show
    std::string unknown;

    std::string refusal(const std::string& bridge) const {
        if (!unknown.empty()) return unknown;
        if (nftables) return "Docker's rules are nftables', which nobody reads here";
        if (!hidden.empty()) return hidden;
        const std::string refusal = rules4.refusal(bridge);
        return refusal.empty() ? rules6.refusal(bridge) : refusal;
    }
};

Result<Json> parse(const std::string& text, const char* what) {
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_discarded()) return json;
    return Error(ErrorKind::kInvalid, std::string(what) + " is not JSON");
}

Result<Firewall> firewall_of(const Answers& answers) {
    auto info = parse(answers.info, "Docker's answer to /info");
    if (!info) return info.error();
    const Reader reader(*info);
    // Since Docker 28.
    const std::string driver = reader.inside("FirewallBackend").text("Driver");
    if (Status fault = reader.fault(); !fault) return fault.error();
    Firewall firewall;
    firewall.rules4 = Rules::parse(answers.rules4);
    firewall.rules6 = Rules::parse(answers.rules6);
    firewall.hidden = answers.chains
                          ? hidden_refusal(*answers.chains, firewall.rules4, firewall.rules6)
                          : answers.chains.error().message();
    firewall.unknown = answers.unknown;
    firewall.nftables = driver.starts_with("nftables");
    // What nobody knows is better left to whoever has done it so far.
    firewall.dockers = !firewall.unknown.empty() || firewall.nftables ||
                       firewall.rules4.are_dockers() || firewall.rules6.are_dockers();
    return firewall;
}

std::string bridge_name(const std::string& id, const Reader& options) {
    std::string name = options.text((kOption + "name").c_str());
    return name.empty() ? "br-" + id.substr(0, kIdDigits) : name;
}

bool is_off(const Reader& options, const char* option) {
    const std::string value = options.text((kOption + option).c_str());
    return value == "false" || value == "0";
}

// What Docker, had it rules, would do about one family ("4"). Of the default network it says that
// it does not masquerade as soon as it has none, whatever its `ip-masq` is. None: nobody knows.
std::optional<control::Outside> outside_of(const Reader& options, const std::string& family) {
    const bool is_default = options.text((kOption + "default_bridge").c_str()) == "true";
    const bool keeps = !is_default && is_off(options, "enable_ip_masquerade");
    const std::string mode = options.text((kOption + "gateway_mode_ipv" + family).c_str());
    control::Outside outside;
    // Isolated networks are internal ones.
    if (!mode.empty() && mode != "isolated") {
        auto known = control::parse_gateway(mode);
        const bool is_dockers = known && (*known == control::Gateway::kNat ||
                                          *known == control::Gateway::kUnprotected ||
                                          *known == control::Gateway::kRouted);
        if (!is_dockers) return std::nullopt;
        outside.gateway = *known;
    }
    if (keeps && outside.gateway == control::Gateway::kNat)
        outside.gateway = control::Gateway::kKept;
    if (keeps && outside.gateway == control::Gateway::kUnprotected)
        outside.gateway = control::Gateway::kKeptUnprotected;
    const auto snat =
        IpAddress::parse(options.text(("com.docker.network.host_ipv" + family).c_str()));
    if (snat && snat->is_v4() == (family == "4")) outside.snat = *snat;
    return outside;
}

std::vector<std::string> trusted_of(const Reader& options) {
    std::vector<std::string> devices;
    std::istringstream text(options.text((kOption + "trusted_host_interfaces").c_str()));
    for (std::string device; std::getline(text, device, ':');)
        if (!device.empty()) devices.push_back(device);
    return devices;
}

// Without rules of Docker's it is all ours.
void take_over(control::AdoptedBridge& adopted, const Reader& network, const Reader& options) {
    adopted.icc = !is_off(options, "enable_icc");
    adopted.internal = network.flag("Internal");
    adopted.masquerade = !adopted.internal;
    adopted.trusted = trusted_of(options);
    for (auto [family, outside] : {std::pair("4", &adopted.outside4), {"6", &adopted.outside6}}) {
        if (auto known = outside_of(options, family))
            *outside = *known;
        else
            adopted.docker->left = "nobody knows its gateway_mode";
    }
}

control::AdoptedBridge bridge_of(const Reader& network, const Firewall& firewall) {
    const Reader options = network.inside("Options");
    control::AdoptedBridge adopted;
    control::DockerBridge& docker = adopted.docker.emplace();
    docker.id = network.text("Id");
    docker.network = network.text("Name");
    adopted.bridge = bridge_name(docker.id, options);
    if (!firewall.dockers)
        take_over(adopted, network, options);
    else if (is_off(options, "enable_icc"))
        docker.left = "containers may not talk, but for links (icc is off)";
    if (std::string rule = firewall.refusal(adopted.bridge); !rule.empty())
        docker.filtered = "netfilter sees its frames (br_netfilter) and may refuse them: " + rule;
    return adopted;
}

} // namespace

std::vector<std::string> containers_to_ask(const Answers& answers) {
    std::vector<std::string> ids;
    const Json whole = {{"networks", Json::parse(answers.networks, nullptr, false)},
                        {"containers", Json::parse(answers.containers, nullptr, false)}};
    const Reader reader(whole);
    std::set<std::string> routed;
    for (const Reader& network : reader.each("networks")) {
        const Reader options = network.inside("Options");
        for (const char* family : {"4", "6"})
            if (options.text((kOption + "gateway_mode_ipv" + family).c_str()) == "routed")
                routed.insert(network.text("Id"));
    }
    if (routed.empty()) return ids;
    for (const Reader& container : reader.each("containers")) {
        const Reader networks = container.inside("NetworkSettings").inside("Networks");
        const auto items = networks.object().items();
        const bool on_one = std::any_of(items.begin(), items.end(), [&](const auto& item) {
            return routed.contains(networks.inside(item.key().c_str()).text("NetworkID"));
        });
        if (on_one) ids.push_back(container.text("Id"));
    }
    return ids;
}

Result<control::DockerPicture> picture_of(const Answers& answers) {
    auto firewall = firewall_of(answers);
    if (!firewall) return firewall.error();
    auto networks = parse(answers.networks, "Docker's answer to /networks");
    if (!networks) return networks.error();
    const Json whole = {{"networks", *std::move(networks)}};
    const Reader reader(whole);
    control::DockerPicture picture;
    for (const Reader& network : reader.each("networks")) {
        if (network.text("Driver") != "bridge" || network.flag("ConfigOnly")) continue;
        control::AdoptedBridge bridge = bridge_of(network, *firewall);
        if (bridge.bridge != kOverlaysBridge) picture.bridges.push_back(std::move(bridge));
    }
    if (Status fault = reader.fault(); !fault)
        return fault.error().because("Docker's answer to /networks");
    if (firewall->dockers) return picture;
    auto ports = published_ports(answers.containers, answers.inspected, picture.bridges);
    if (!ports) return ports.error();
    picture.ports = *std::move(ports);
    return picture;
}

} // namespace cnet::docker
