#include "userspace/cnetd/names_part.h"

namespace cnet::daemon {
namespace {

names::ZoneSpec zone_of(control::NamesView view) {
    names::ZoneSpec zone;
    zone.network_id = view.network_id;
    zone.network = std::move(view.network);
    zone.device = std::move(view.device);
    zone.ifindex = view.ifindex;
    zone.addresses = std::move(view.gateways);
    zone.subnets = std::move(view.subnets);
    // A question is a way out, too.
    zone.forwards = !view.internal;
    for (control::NamedView& one : view.names) {
        zone.names.push_back(
            {std::move(one.name), std::move(one.aliases), std::move(one.addresses)});
    }
    return zone;
}

} // namespace

Result<NamesPart> NamesPart::start(const Config& config) {
    if (!config.names) return NamesPart(nullptr);
    auto server = names::Server::start({config.resolvers});
    if (!server) return server.error();
    return NamesPart(std::move(*server));
}

void NamesPart::follow(const control::Controller& controller) {
    if (!server_ || followed_ == controller.names_revision()) return;
    followed_ = controller.names_revision();
    std::vector<names::ZoneSpec> zones;
    for (control::NamesView& view : controller.names())
        zones.push_back(zone_of(std::move(view)));
    server_->update(std::move(zones));
}

} // namespace cnet::daemon
