#include "maps/written.h"

#include <atomic>
#include <sys/mman.h>
#include <utility>

#include "maps/map_fd.h"

namespace cnet::maps {

Result<Written> Written::open(const std::filesystem::path& pin) {
    auto fd = open_pinned_map(pin, Access::kReadWrite);
    if (!fd) return fd.error();
    auto info = check_layout(fd->get(), sizeof(uint32_t), sizeof(cnet_written));
    if (!info) return info.error();
    // The mapping holds the map; the descriptor is not needed any more.
    void* memory =
        ::mmap(nullptr, sizeof(cnet_written), PROT_READ | PROT_WRITE, MAP_SHARED, fd->get(), 0);
    if (memory == MAP_FAILED) return Error::system("mmap " + pin.string());
    return Written(static_cast<cnet_written*>(memory));
}

Written::Written(Written&& other) noexcept : written_(std::exchange(other.written_, nullptr)) {}

Written& Written::operator=(Written&& other) noexcept {
    std::swap(written_, other.written_);
    return *this;
}

Written::~Written() {
    if (written_ != nullptr) ::munmap(written_, sizeof(cnet_written));
}

void Written::add() {
    std::atomic_ref(written_->changes).fetch_add(1);
}

} // namespace cnet::maps
