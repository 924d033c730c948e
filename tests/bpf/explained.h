// What every packet of these tests goes through first: `explain` must change nothing, and say what
// then becomes of it.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "loader/explainer.h"
#include "tests/bpf/packet.h"

namespace cnet::test {

// Every entry of every pinned map but the scratch memory, as bytes.
std::map<std::string, Bytes> contents_of_maps(const std::filesystem::path& pins);

class Explainers {
public:
    // Not for each of the thousands that fill a table, nor for what has no such program.
    bool wants(const std::string& program) { return hook_of(program) && explained_++ < 12; }
    // Explains the packet on this program's hook, and fails the test when a map has changed.
    loader::Explained explain(const loader::DataPath& data_path, const std::string& program,
                              uint32_t ifindex, const Bytes& packet, uint32_t gso_size = 0);

private:
    static std::optional<cnet_hook> hook_of(const std::string& program);

    unsigned explained_ = 0;
    std::map<cnet_hook, std::unique_ptr<loader::Explainer>> loaded_;
};

// The last step, where it ended.
const cnet_trace_step& exit_of(const loader::Explained& explained);
// The first step of this kind, or nullptr.
const cnet_trace_step* step_of(const loader::Explained& explained, cnet_step step);

} // namespace cnet::test
