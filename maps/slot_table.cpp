#include "maps/slot_table.h"

#include <atomic>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <utility>

namespace cnet::maps {

namespace {

constexpr size_t kBytes = size_t{CNET_SLOT_COUNT} * sizeof(cnet_slot);

} // namespace

Result<SlotTableRo> SlotTableRo::map(const std::filesystem::path& pin, Access access) {
    // The kernel maps no read-only descriptor, so a reader is held back by its mapping alone.
    auto fd = open_pinned_map(pin, Access::kReadWrite);
    if (!fd) return fd.error();
    auto info = check_layout(fd->get(), sizeof(uint32_t), sizeof(cnet_slot));
    if (!info) return info.error();
    if (info->max_entries != CNET_SLOT_COUNT || (info->flags & BPF_F_MMAPABLE) == 0) {
        return Error(ErrorKind::kInvalid, "map " + info->name +
                                              " cannot be mapped as the table of " +
                                              std::to_string(CNET_SLOT_COUNT) + " slots");
    }
    int protection = access == Access::kReadOnly ? PROT_READ : PROT_READ | PROT_WRITE;
    // The mapping holds the map; the descriptor is not needed any more.
    void* memory = ::mmap(nullptr, kBytes, protection, MAP_SHARED, fd->get(), 0);
    if (memory == MAP_FAILED) return Error::system("mmap " + pin.string());
    return SlotTableRo(static_cast<cnet_slot*>(memory));
}

Result<SlotTableRo> SlotTableRo::open(const std::filesystem::path& pin) {
    return map(pin, Access::kReadOnly);
}

SlotTableRo::SlotTableRo(SlotTableRo&& other) noexcept
    : slots_(std::exchange(other.slots_, nullptr)) {}

SlotTableRo& SlotTableRo::operator=(SlotTableRo&& other) noexcept {
    std::swap(slots_, other.slots_);
    return *this;
}

SlotTableRo::~SlotTableRo() {
    if (slots_ != nullptr) ::munmap(slots_, kBytes);
}

uint32_t SlotTableRo::binding(uint32_t index) const {
    CNET_CHECK(index < size());
    return std::atomic_ref(slots_[index].binding_id).load(std::memory_order_relaxed);
}

uint32_t SlotTableRo::nat_refs(uint32_t index) const {
    CNET_CHECK(index < size());
    return std::atomic_ref(slots_[index].nat_refs).load(std::memory_order_relaxed);
}

Result<SlotTable> SlotTable::open(const std::filesystem::path& pin) {
    auto table = SlotTableRo::map(pin, Access::kReadWrite);
    if (!table) return table.error();
    return SlotTable(std::move(*table));
}

void SlotTable::set_binding(uint32_t index, uint32_t id) {
    set_range(index, 1, id);
}

void SlotTable::set_range(uint32_t first, uint32_t count, uint32_t id) {
    CNET_CHECK(first < size() && count <= size() - first);
    for (uint32_t index = first; index < first + count; index++) {
        // Release: what the id points to was written before.
        std::atomic_ref(table_.slots_[index].binding_id).store(id, std::memory_order_release);
    }
}

} // namespace cnet::maps
