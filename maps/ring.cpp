#include "maps/ring.h"

#include <bpf/libbpf.h>

#include "maps/map_fd.h"

namespace cnet::maps {

Result<std::unique_ptr<Ring>> Ring::open(const std::filesystem::path& pin) {
    auto fd = open_pinned_map(pin, Access::kReadWrite);
    if (!fd) return fd.error();
    std::unique_ptr<Ring> ring(new Ring(std::move(*fd)));
    ring->ring_ = ring_buffer__new(ring->fd_.get(), take, ring.get(), nullptr);
    if (!ring->ring_) return Error::system("map ring buffer " + pin.string());
    return ring;
}

Ring::~Ring() {
    ring_buffer__free(ring_);
}

int Ring::poll_fd() const {
    return ring_buffer__epoll_fd(ring_);
}

// libbpf counts a record as read before it looks at the answer.
int Ring::take(void* context, void* data, size_t size) {
    auto* ring = static_cast<Ring*>(context);
    (*ring->visit_)({static_cast<const uint8_t*>(data), size});
    return --ring->left_ == 0 ? -ECANCELED : 0;
}

Status Ring::read(size_t max, const Visitor& visit) {
    visit_ = &visit;
    left_ = max;
    const int got = ring_buffer__consume(ring_);
    visit_ = nullptr;
    if (got < 0 && got != -ECANCELED) return Error::system("read a ring buffer", -got);
    return {};
}

} // namespace cnet::maps
