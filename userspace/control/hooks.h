// What control/ needs of the programs, as an interface: cnetd wires it to loader/, tests to a fake.
#pragma once

#include <cstdint>
#include <vector>

#include "maps/abi.h"
#include "userspace/base/result.h"

namespace cnet::control {

struct Attachment {
    cnet_hook hook;
    uint32_t ifindex;

    auto operator<=>(const Attachment&) const = default;
};

class Hooks {
public:
    virtual ~Hooks() = default;

    // Attached and pinned; the same attachment again is success. `ethernet` is false for a device
    // without an Ethernet header (uplinks alone).
    virtual Status attach(Attachment attachment, bool ethernet) = 0;
    // Absent is success, a device that is gone too.
    virtual Status detach(Attachment attachment) = 0;
    // What is attached and alive now, by our pins.
    virtual Result<std::vector<Attachment>> attachments() = 0;
    // Runs the collector on up to CNET_GC_BATCH_MAX candidates; how many it deleted.
    virtual Result<unsigned> collect(const std::vector<cnet_gc_ct>& candidates) = 0;
    virtual Result<unsigned> collect(const std::vector<cnet_gc_fdb>& candidates) = 0;
    // Likewise has it store what was counted of quotas.
    virtual Result<unsigned> collect(const std::vector<cnet_gc_quota>& counted) = 0;
};

} // namespace cnet::control
