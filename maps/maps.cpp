#include "maps/maps.h"

#include <optional>

#include "maps/pin_path.h"

namespace cnet::maps {

namespace {

// Opens one map after the other and remembers the first failure, so that a bundle reads as a list.
class Opener {
public:
    explicit Opener(const std::filesystem::path& pins) : pins_(pins) {}

    template <typename Map> std::optional<Map> open(const char* name) {
        if (error_) return std::nullopt;
        auto map = Map::open(map_pin(pins_, name));
        if (!map) {
            error_ = map.error();
            return std::nullopt;
        }
        return std::move(*map);
    }

    const std::optional<Error>& error() const { return error_; }

private:
    const std::filesystem::path& pins_;
    std::optional<Error> error_;
};

template <typename Bundle> Result<Bundle> open_bundle(const std::filesystem::path& pins) {
    Opener opener(pins);
    auto meta = opener.open<decltype(Bundle::meta)>("cnet_meta");
    auto port = opener.open<decltype(Bundle::port)>("cnet_port");
    auto network = opener.open<decltype(Bundle::network)>("cnet_network");
    auto flood = opener.open<decltype(Bundle::flood)>("cnet_flood");
    auto flood_rate = opener.open<decltype(Bundle::flood_rate)>("cnet_flood_rate");
    auto fdb = opener.open<decltype(Bundle::fdb)>("cnet_fdb");
    auto fdb_count = opener.open<decltype(Bundle::fdb_count)>("cnet_fdb_count");
    auto neigh = opener.open<decltype(Bundle::neigh)>("cnet_neigh");
    auto uplink = opener.open<decltype(Bundle::uplink)>("cnet_uplinks");
    auto host_addr = opener.open<decltype(Bundle::host_addr)>("cnet_host_addr");
    auto slot = opener.open<decltype(Bundle::slot)>("cnet_slot");
    auto bind_addr = opener.open<decltype(Bundle::bind_addr)>("cnet_bind_addr");
    auto trusted = opener.open<decltype(Bundle::trusted)>("cnet_trusted");
    auto binding = opener.open<decltype(Bundle::binding)>("cnet_binding");
    auto allow = opener.open<decltype(Bundle::allow)>("cnet_allow");
    auto peer = opener.open<decltype(Bundle::peer)>("cnet_peer");
    auto vtep = opener.open<decltype(Bundle::vtep)>("cnet_vtep");
    auto vni = opener.open<decltype(Bundle::vni)>("cnet_vni");
    auto flood_peer = opener.open<decltype(Bundle::flood_peer)>("cnet_flood_peer");
    auto ct = opener.open<decltype(Bundle::ct)>("cnet_ct");
    auto quota = opener.open<decltype(Bundle::quota)>("cnet_quota");
    auto frag = opener.open<decltype(Bundle::frag)>("cnet_frag");
    auto frag_held = opener.open<decltype(Bundle::frag_held)>("cnet_frag_held");
    auto counters = opener.open<decltype(Bundle::counters)>("cnet_counters");
    if (opener.error()) return *opener.error();
    return Bundle{std::move(*meta),       std::move(*port),       std::move(*network),
                  std::move(*flood),      std::move(*flood_rate), std::move(*fdb),
                  std::move(*fdb_count),  std::move(*neigh),      std::move(*uplink),
                  std::move(*host_addr),  std::move(*slot),       std::move(*bind_addr),
                  std::move(*trusted),    std::move(*binding),    std::move(*allow),
                  std::move(*peer),       std::move(*vtep),       std::move(*vni),
                  std::move(*flood_peer), std::move(*ct),         std::move(*quota),
                  std::move(*frag),       std::move(*frag_held),  std::move(*counters)};
}

} // namespace

Result<DataPathMaps> DataPathMaps::open(const std::filesystem::path& pins) {
    return open_bundle<DataPathMaps>(pins);
}

Result<DataPathMapsRo> DataPathMapsRo::open(const std::filesystem::path& pins) {
    return open_bundle<DataPathMapsRo>(pins);
}

} // namespace cnet::maps
