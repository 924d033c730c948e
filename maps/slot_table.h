// cnet_slot mapped into memory: publishing a range of 10,000 ports is 10,000 stores, not system
// calls.
//
// Each 32-bit field is read and written atomically; BPF sees a binding change whole. Only
// binding_id is ever written here: nat_refs is BPF's, on the same cache line, hence never a store
// of the whole slot.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>

#include "maps/abi.h"
#include "maps/map_fd.h"
#include "userspace/base/result.h"

namespace cnet::maps {

class SlotTableRo {
public:
    static Result<SlotTableRo> open(const std::filesystem::path& pin);

    SlotTableRo(SlotTableRo&& other) noexcept;
    SlotTableRo& operator=(SlotTableRo&& other) noexcept;
    ~SlotTableRo();

    // `index` is CNET_SLOT_INDEX(l4, port).
    uint32_t binding(uint32_t index) const;
    uint32_t nat_refs(uint32_t index) const;
    static constexpr uint32_t size() { return CNET_SLOT_COUNT; }

private:
    friend class SlotTable;
    static Result<SlotTableRo> map(const std::filesystem::path& pin, Access access);
    explicit SlotTableRo(cnet_slot* slots) : slots_(slots) {}

    cnet_slot* slots_ = nullptr;
};

class SlotTable {
public:
    static Result<SlotTable> open(const std::filesystem::path& pin);

    // The id of a binding, CNET_BINDING_NONE or CNET_BINDING_BY_ADDR.
    void set_binding(uint32_t index, uint32_t id);
    // `count` slots from `first` on; they must exist.
    void set_range(uint32_t first, uint32_t count, uint32_t id);

    uint32_t binding(uint32_t index) const { return table_.binding(index); }
    uint32_t nat_refs(uint32_t index) const { return table_.nat_refs(index); }
    static constexpr uint32_t size() { return CNET_SLOT_COUNT; }
    const SlotTableRo& read_only() const { return table_; }

private:
    explicit SlotTable(SlotTableRo table) : table_(std::move(table)) {}

    SlotTableRo table_;
};

} // namespace cnet::maps
