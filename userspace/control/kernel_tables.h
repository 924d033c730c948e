// Tables over the pinned maps.
#pragma once

#include "maps/maps.h"
#include "userspace/control/tables.h"

namespace cnet::control {

class KernelTables final : public Tables {
public:
    // `maps` outlives this.
    explicit KernelTables(maps::DataPathMaps& maps) : maps_(maps) {}

    Result<MapContents> read() override;
    Status apply(const TableChange& change) override;
    Status apply(const SlotChange& change) override;
    Status for_each_ct(const CtVisitor& visit) override;
    std::unique_ptr<CtWalk> walk_ct() override;
    uint64_t ct_max_entries() const override;
    Result<Entries<uint32_t, cnet_quota>> quotas() override;
    Result<uint64_t> leave_to_kernel(uint32_t network_id, const std::vector<IpPrefix>& sources,
                                     uint64_t now_ns) override;
    Status for_each_fdb(const FdbVisitor& visit) override;
    Status drop_fragments_before(uint64_t monotonic_ns) override;
    Result<std::optional<cnet_fdb_entry>> find_fdb(const cnet_fdb_key& key) override;
    Result<std::vector<cnet_counter>> counters() override;
    Status reset_counters() override;

private:
    maps::DataPathMaps& maps_;
};

} // namespace cnet::control
