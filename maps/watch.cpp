#include "maps/watch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <vector>

#include "maps/map_fd.h"
#include "maps/pin_path.h"
#include "userspace/base/clock.h"

namespace cnet::maps {

namespace {

constexpr uint32_t kFrameRing = 8 * CNET_WATCH_RING; // of who wants frames too

uint64_t lease_end_ns() {
    return clock_ns(CLOCK_MONOTONIC) +
           static_cast<uint64_t>(std::chrono::nanoseconds(kWatchLease).count());
}

size_t state_bytes() {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    return (sizeof(cnet_watch) + page - 1) / page * page;
}

} // namespace

Result<std::unique_ptr<Watch>> Watch::begin(const std::filesystem::path& pins,
                                            const cnet_watcher& wanted) {
    std::unique_ptr<Watch> watch(new Watch());
    if (auto status = watch->open(pins); !status) return status.error();
    if (auto status = watch->claim(); !status) return status.error();
    auto lost = watch->lost_ever();
    if (!lost) return lost.error();
    watch->lost_before_ = *lost;
    const uint32_t ring_bytes = wanted.snap_bytes ? kFrameRing : CNET_WATCH_RING;
    watch->ring_fd_ = UniqueFd(
        bpf_map_create(BPF_MAP_TYPE_RINGBUF, "cnet_watch_ring", 0, 0, ring_bytes, nullptr));
    if (!watch->ring_fd_) return Error::system("make a ring buffer");
    const int ring_fd = watch->ring_fd_.get();
    watch->ring_ = ring_buffer__new(ring_fd, take, watch.get(), nullptr);
    if (!watch->ring_) return Error::system("map a ring buffer");
    cnet_watcher& mine = watch->state_->watchers[watch->place_];
    const uint64_t until_ns = mine.until_ns;
    mine = wanted;
    mine.until_ns = until_ns;
    watch->kinds_ = wanted.kinds;
    watch->renew();
    // Comes last: with it events begin to come.
    if (bpf_map_update_elem(watch->rings_fd_.get(), &watch->place_, &ring_fd, BPF_ANY) != 0)
        return Error::system("hand the programs a ring buffer");
    return watch;
}

Watch::~Watch() {
    if (ring_) ring_buffer__free(ring_);
    if (state_ && place_ < CNET_WATCHERS) {
        state_->watchers[place_].kinds = 0;
        bpf_map_delete_elem(rings_fd_.get(), &place_);
        __atomic_store_n(&state_->watchers[place_].until_ns, 0, __ATOMIC_RELEASE);
        // Others say again what they want before long; what nobody wants costs nothing from here.
        uint32_t kinds = 0;
        for (const cnet_watcher& watcher : state_->watchers)
            if (watcher.until_ns > clock_ns(CLOCK_MONOTONIC)) kinds |= watcher.kinds;
        __atomic_store_n(&state_->kinds, kinds, __ATOMIC_RELEASE);
    }
    if (state_) munmap(state_, state_bytes());
}

Status Watch::open(const std::filesystem::path& pins) {
    const auto open_one = [&](UniqueFd& fd, const char* name) -> Status {
        auto opened = open_pinned_map(map_pin(pins, name), Access::kReadWrite);
        if (!opened) return opened.error();
        fd = std::move(*opened);
        return {};
    };
    if (auto status = open_one(state_fd_, "cnet_watch"); !status) return status;
    if (auto status = open_one(cpu_fd_, "cnet_watch_cpu"); !status) return status;
    if (auto status = open_one(rings_fd_, "cnet_rings"); !status) return status;
    if (auto fits = check_layout(state_fd_.get(), 4, sizeof(cnet_watch)); !fits)
        return fits.error();
    void* memory =
        mmap(nullptr, state_bytes(), PROT_READ | PROT_WRITE, MAP_SHARED, state_fd_.get(), 0);
    if (memory == MAP_FAILED) return Error::system("map cnet_watch");
    state_ = static_cast<cnet_watch*>(memory);
    return {};
}

Status Watch::claim() {
    for (uint32_t place = 0; place < CNET_WATCHERS; place++) {
        __u64 seen = __atomic_load_n(&state_->watchers[place].until_ns, __ATOMIC_ACQUIRE);
        if (seen > clock_ns(CLOCK_MONOTONIC)) continue;
        if (!__atomic_compare_exchange_n(&state_->watchers[place].until_ns, &seen, lease_end_ns(),
                                         false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            continue;
        place_ = place;
        state_->watchers[place].kinds = 0;
        bpf_map_delete_elem(rings_fd_.get(), &place_); // of one that was killed
        return {};
    }
    return Error(ErrorKind::kExhausted,
                 std::to_string(CNET_WATCHERS) + " are watching already, which is the limit");
}

void Watch::renew() {
    __atomic_store_n(&state_->watchers[place_].until_ns, lease_end_ns(), __ATOMIC_RELEASE);
    __atomic_fetch_or(&state_->kinds, kinds_, __ATOMIC_ACQ_REL);
}

Result<uint64_t> Watch::lost_ever() const {
    auto cpus = possible_cpus();
    if (!cpus) return cpus.error();
    std::vector<cnet_watch_cpu> values(*cpus);
    if (bpf_map_lookup_elem(cpu_fd_.get(), &place_, values.data()) != 0)
        return Error::system("read cnet_watch_cpu");
    uint64_t lost = 0;
    for (const cnet_watch_cpu& value : values)
        lost += value.lost;
    return lost;
}

Result<uint64_t> Watch::lost() const {
    auto ever = lost_ever();
    if (!ever) return ever.error();
    return *ever - lost_before_;
}

int Watch::take(void* context, void* data, size_t size) {
    auto* watch = static_cast<Watch*>(context);
    if (size < sizeof(cnet_event)) return 0;
    const auto& event = *static_cast<const cnet_event*>(data);
    if (size < sizeof(event) + event.snap_bytes) return 0;
    const auto* frame = static_cast<const uint8_t*>(data) + sizeof(event);
    return (*watch->visit_)(event, {frame, event.snap_bytes}) ? 0 : -ECANCELED;
}

Result<bool> Watch::poll(const Visitor& visit, std::chrono::milliseconds at_most) {
    renew();
    visit_ = &visit;
    const int got = ring_buffer__poll(ring_, static_cast<int>(at_most.count()));
    visit_ = nullptr;
    if (got == -ECANCELED) return false;
    if (got < 0 && got != -EINTR) return Error::system("read a ring buffer", -got);
    return true;
}

} // namespace cnet::maps
