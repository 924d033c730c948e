#include "userspace/cnetd/docker_part.h"

#include "userspace/base/log.h"

namespace cnet::daemon {

Result<std::unique_ptr<DockerPart>> DockerPart::start(const Config& config, EventLoop& loop,
                                                      control::Controller& controller) {
    auto follower = docker::AdoptFollower::open(config.docker_api);
    if (!follower) return follower.error();
    std::unique_ptr<DockerPart> part(new DockerPart(*std::move(follower), controller));
    Status status =
        loop.on_readable(part->follower_->fd(), [self = part.get()] { self->on_news(); });
    if (status) status = loop.before_wait([self = part.get()] { self->keep_up(); });
    if (!status) return status.error();
    return part;
}

void DockerPart::keep_up() {
    if (!controller_.adopts_docker()) return follower_->stop();
    std::set<std::string> bridges = controller_.bridge_devices();
    if (!follower_->runs())
        follower_->start();
    else if (bridges != bridges_)
        follower_->look();
    bridges_ = std::move(bridges);
}

void DockerPart::on_news() {
    const auto news = follower_->take();
    if (!news || !controller_.adopts_docker()) return;
    Status status = *news ? controller_.follow_docker(**news) : Status(news->error());
    if (!*news) controller_.docker_away(news->error().message());
    std::string error = status ? "" : status.error().message();
    if (!error.empty() && error != error_) log_warning("adopt Docker's bridges: " + error);
    if (error.empty() && !error_.empty()) log_info("Docker's bridges are followed again");
    error_ = std::move(error);
}

} // namespace cnet::daemon
