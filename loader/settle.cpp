#include "loader/settle.h"

#include "loader/migrate.h"
#include "loader/pin.h"
#include "maps/abi.h"
#include "maps/pin_path.h"
#include "maps/typed_map.h"

namespace cnet::loader {

namespace {

constexpr const char* kMetaMap = "cnet_meta";

enum class Pinned { kNothing, kHalfMade, kOtherNamespace, kOtherVersion, kOurs };

Error other_version(const std::filesystem::path& pins, const std::string& remedy) {
    return {ErrorKind::kConflict,
            "the data path pinned at " + pins.string() + " is of another version: " + remedy};
}

Result<Pinned> examine_pins(const std::filesystem::path& pins, uint64_t cookie) {
    auto names = list_pins(maps::map_dir(pins));
    if (!names) return names.error();
    if (names->empty()) return Pinned::kNothing;
    auto map = maps::TypedMapRo<uint32_t, cnet_meta>::open(maps::map_pin(pins, kMetaMap));
    if (!map) {
        if (map.error().kind() == ErrorKind::kNotFound) return Pinned::kHalfMade;
        // All versions have the same, or nothing can be said of the other maps.
        if (map.error().kind() == ErrorKind::kInvalid)
            return other_version(pins, "release it with the version that made it, or remove that "
                                       "directory; both cut all connections of its containers");
        return map.error();
    }
    auto meta = map->lookup(0);
    if (!meta) return meta.error();
    if (!*meta || (*meta)->abi_version == 0) return Pinned::kHalfMade;
    if ((*meta)->netns_cookie != cookie) return Pinned::kOtherNamespace;
    return (*meta)->abi_version == CNET_ABI_VERSION ? Pinned::kOurs : Pinned::kOtherVersion;
}

Status check_dry(const std::filesystem::path& pins, Pinned pinned) {
    if (pinned == Pinned::kOurs) return {};
    if (pinned == Pinned::kOtherVersion) return other_version(pins, "restart cnetd");
    return Error(ErrorKind::kNotFound, "no data path is running from " + pins.string());
}

} // namespace

Result<Settled> settle_pins(const Paths& paths, bool dry_run, uint64_t netns_cookie,
                            std::vector<std::string>& warnings) {
    auto pinned = examine_pins(paths.pins, netns_cookie);
    if (!pinned) return pinned.error();
    if (dry_run) {
        if (auto status = check_dry(paths.pins, *pinned); !status) return status.error();
        return Settled::kReady;
    }
    auto aside = has_maps_aside(paths.pins);
    if (!aside) return aside.error();
    Status status;
    switch (*pinned) {
    case Pinned::kOurs:
        return *aside ? Settled::kToFinish : Settled::kReady;
    case Pinned::kOtherVersion:
        status = set_maps_aside(paths.pins);
        if (!status) return status.error();
        return Settled::kToMigrate;
    case Pinned::kNothing:
    case Pinned::kHalfMade:
        // With others aside, what is attached runs on those: it stays.
        status = *aside ? remove_maps(paths.pins) : remove_all_pins(paths.pins);
        break;
    case Pinned::kOtherNamespace:
        warnings.push_back("the pins at " + paths.pins.string() +
                           " belong to another network namespace: rebuilding everything, which "
                           "cuts all connections");
        // Links go with their pins. Not detach(): the device indices mean another namespace's
        // devices.
        status = remove_all_pins(paths.pins);
        break;
    }
    if (status) status = make_pin_directories(paths.pins);
    if (!status) return status.error();
    return *aside && *pinned != Pinned::kOtherNamespace ? Settled::kToMigrate : Settled::kReady;
}

} // namespace cnet::loader
