#include "loader/release.h"

#include "loader/link.h"
#include "loader/pin.h"
#include "loader/sock_link.h"
#include "maps/pin_path.h"
#include "maps/typed_map.h"
#include "userspace/base/netns.h"

namespace cnet::loader {
namespace {

// What cannot be read is of no namespace that could be missed.
Status check_namespace(const Paths& paths) {
    using Meta = maps::TypedMapRo<uint32_t, cnet_meta>;
    auto meta = Meta::open(maps::map_pin(paths.pins, "cnet_meta"));
    if (!meta) return {};
    auto value = meta->lookup(0);
    auto cookie = netns_cookie();
    if (!cookie) return cookie.error();
    if (!value || !*value || (*value)->netns_cookie == *cookie || (*value)->netns_cookie == 0)
        return {};
    return Error(ErrorKind::kConflict, "what is pinned below " + paths.pins.native() +
                                           " belongs to another network namespace than this one");
}

} // namespace

Status release(const Paths& paths) {
    if (Status status = check_namespace(paths); !status) return status;
    if (Status status = SockLinks(paths.pins).detach(); !status) return status;
    LinkTable links(paths.pins, AttachKind::kTcx);
    if (Status status = links.detach_all(); !status) return status;
    return remove_pins(paths);
}

} // namespace cnet::loader
