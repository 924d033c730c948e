// The programs of one hook, built to tell what a packet meets, on the maps of a running data path:
// one packet at a time by BPF_PROG_TEST_RUN. Nothing is attached, pinned, written or sent, and it
// all goes with the object. Calls must come from the network namespace of the data path.
#pragma once

#include <cstdint>
#include <vector>

#include "loader/data_path.h"
#include "loader/object.h"
#include "maps/abi.h"
#include "maps/abi_trace.h"

namespace cnet::loader {

struct Explained {
    int verdict = 0;            // what the program answered: TC_ACT_*
    std::vector<uint8_t> frame; // what it made of the frame
    std::vector<cnet_trace_step>
        steps; // the last one is CNET_STEP_EXIT, unless there were too many
};

class Explainer {
public:
    // kInvalid when the hook sees no packets.
    static Result<Explainer> load(const DataPath& data_path, cnet_hook hook);

    // An Ethernet frame as it comes in at the device, or, of a hook on egress, leaves it. With
    // `gso_size` its payload is segments of so many bytes.
    Result<Explained> run(uint32_t ifindex, const std::vector<uint8_t>& frame,
                          uint32_t gso_size = 0) const;

private:
    Explainer(Object object, int program) : object_(std::move(object)), program_(program) {}

    Object object_;
    int program_; // the object's
};

} // namespace cnet::loader
