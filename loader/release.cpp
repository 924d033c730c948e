#include "loader/release.h"

#include "loader/link.h"
#include "loader/pin.h"
#include "loader/sock_link.h"

namespace cnet::loader {
namespace {

Status check_namespace(const Paths& paths) {
    auto elsewhere = is_of_another_namespace(paths.pins);
    if (!elsewhere) return elsewhere.error();
    if (!*elsewhere) return {};
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
