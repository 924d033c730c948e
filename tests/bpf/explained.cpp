#include "tests/bpf/explained.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "loader/link.h"
#include "loader/pin.h"
#include "maps/map_fd.h"
#include "maps/pin_path.h"

namespace cnet::test {
namespace {

size_t value_bytes(const maps::MapInfo& info) {
    if (info.type != BPF_MAP_TYPE_PERCPU_ARRAY) return info.value_size;
    return (info.value_size + 7) / 8 * 8 * static_cast<size_t>(libbpf_num_possible_cpus());
}

Bytes mapped_contents(int fd, const maps::MapInfo& info) {
    const size_t size = value_bytes(info) * info.max_entries;
    void* memory = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    EXPECT_NE(memory, MAP_FAILED) << info.name;
    if (memory == MAP_FAILED) return {};
    const auto* bytes = static_cast<const uint8_t*>(memory);
    Bytes contents(bytes, bytes + size);
    munmap(memory, size);
    return contents;
}

Bytes array_contents(int fd, const maps::MapInfo& info) {
    if (info.flags & BPF_F_MMAPABLE) return mapped_contents(fd, info);
    Bytes values(value_bytes(info) * info.max_entries);
    std::vector<uint32_t> keys(info.max_entries);
    uint32_t count = info.max_entries, next = 0;
    bpf_map_batch_opts options{};
    options.sz = sizeof(options);
    int error =
        bpf_map_lookup_batch(fd, nullptr, &next, keys.data(), values.data(), &count, &options);
    EXPECT_TRUE(error == 0 || error == -ENOENT) << info.name;
    EXPECT_EQ(count, info.max_entries) << info.name;
    return values;
}

// In the order of the hash: the same map without a change gives the same bytes.
Bytes hash_contents(int fd, const maps::MapInfo& info) {
    Bytes all, key(info.key_size), value(info.value_size);
    const void* previous = nullptr;
    while (bpf_map_get_next_key(fd, previous, key.data()) == 0) {
        if (bpf_map_lookup_elem(fd, key.data(), value.data()) == 0) {
            all.insert(all.end(), key.begin(), key.end());
            all.insert(all.end(), value.begin(), value.end());
        }
        previous = key.data();
    }
    return all;
}

} // namespace

std::optional<cnet_hook> Explainers::hook_of(const std::string& program) {
    for (uint32_t hook = 0; hook < CNET_HOOK_MAX; hook++) {
        auto names = loader::programs_of(static_cast<cnet_hook>(hook));
        if (!names.empty() && names.front() == program) return static_cast<cnet_hook>(hook);
    }
    return std::nullopt;
}

std::map<std::string, Bytes> contents_of_maps(const std::filesystem::path& pins) {
    std::map<std::string, Bytes> contents;
    auto names = loader::list_pins(maps::map_dir(pins));
    EXPECT_TRUE(names);
    for (const std::string& name : *names) {
        if (name == "cnet_scratch") continue;
        auto fd = maps::open_pinned_map(maps::map_pin(pins, name), maps::Access::kReadWrite);
        EXPECT_TRUE(fd);
        auto info = maps::map_info(fd->get());
        EXPECT_TRUE(info);
        if (info->type == BPF_MAP_TYPE_HASH || info->type == BPF_MAP_TYPE_LPM_TRIE)
            contents[name] = hash_contents(fd->get(), *info);
        else if (info->type == BPF_MAP_TYPE_ARRAY || info->type == BPF_MAP_TYPE_PERCPU_ARRAY)
            contents[name] = array_contents(fd->get(), *info);
    }
    return contents;
}

loader::Explained Explainers::explain(const loader::DataPath& data_path, const std::string& program,
                                      uint32_t ifindex, const Bytes& packet, uint32_t gso_size) {
    const cnet_hook hook = *hook_of(program);
    auto& explainer = loaded_[hook];
    if (!explainer) {
        auto loaded = loader::Explainer::load(data_path, hook);
        EXPECT_TRUE(loaded) << loaded.error().message();
        if (!loaded) return {};
        explainer = std::make_unique<loader::Explainer>(std::move(*loaded));
    }
    auto before = contents_of_maps(data_path.pins());
    auto explained = explainer->run(ifindex, packet, gso_size);
    EXPECT_TRUE(explained) << explained.error().message();
    for (const auto& [name, bytes] : contents_of_maps(data_path.pins()))
        EXPECT_EQ(before[name] == bytes, true) << "explaining a packet has changed " << name;
    return explained ? *explained : loader::Explained{};
}

const cnet_trace_step& exit_of(const loader::Explained& explained) {
    static const cnet_trace_step kNone{};
    if (explained.steps.empty() || explained.steps.back().step != CNET_STEP_EXIT) return kNone;
    return explained.steps.back();
}

const cnet_trace_step* step_of(const loader::Explained& explained, cnet_step step) {
    for (const auto& candidate : explained.steps)
        if (candidate.step == step) return &candidate;
    return nullptr;
}

} // namespace cnet::test
