// A BPF map with its key and value as types. TypedMapRo<K, V> only reads and needs no write
// permission on the pin; TypedMap<K, V> also writes; they are different types so that a signature
// says which it needs.
//
//   auto ports = TypedMap<uint32_t, cnet_port>::open(map_pin(paths.pins, "cnet_port"));
//   if (auto status = ports->update(ifindex, port); !status) return status.error();
//
// Opening compares sizeof(K) and sizeof(V) with the kernel's map: kInvalid when they differ. Keys
// are hashed as bytes, so K has no hidden padding. Not for per-CPU maps: see
// per_cpu_array.h.
#pragma once

#include <cstring>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "maps/map_fd.h"

namespace cnet::maps {

template <typename K, typename V> class TypedMapRo {
    static_assert(std::has_unique_object_representations_v<K>, "the key has hidden padding");
    static_assert(std::is_trivially_copyable_v<V>);

public:
    using Entry = std::pair<K, V>;

    static Result<TypedMapRo> open(const std::filesystem::path& pin) {
        auto fd = open_pinned_map(pin, Access::kReadOnly);
        if (!fd) return fd.error();
        return from_fd(std::move(*fd));
    }

    static Result<TypedMapRo> from_fd(UniqueFd fd) {
        auto info = check_layout(fd.get(), sizeof(K), sizeof(V));
        if (!info) return info.error();
        return TypedMapRo(std::move(fd), std::move(*info));
    }

    Result<std::optional<V>> lookup(const K& key) const {
        V value{};
        auto found = lookup_raw(fd_.get(), info_.name, &key, &value);
        if (!found) return found.error();
        return *found ? std::optional<V>(value) : std::optional<V>();
    }

    // `visit(const K&, const V&)` for every entry; see for_each_raw for what concurrent changes
    // mean. `visit` may return bool: false stops.
    template <typename Visit> Status for_each(Visit&& visit) const {
        return for_each_raw(fd_.get(), info_, sizeof(V), [&](const void* key, const void* value) {
            // The kernel's buffers are not aligned for K and V.
            K typed_key;
            V typed_value;
            std::memcpy(&typed_key, key, sizeof(K));
            std::memcpy(&typed_value, value, sizeof(V));
            if constexpr (std::is_void_v<std::invoke_result_t<Visit&, const K&, const V&>>) {
                visit(typed_key, typed_value);
                return true;
            } else {
                return static_cast<bool>(visit(typed_key, typed_value));
            }
        });
    }

    Result<std::vector<Entry>> snapshot() const {
        std::vector<Entry> entries;
        auto status =
            for_each([&](const K& key, const V& value) { entries.emplace_back(key, value); });
        if (!status) return status.error();
        return entries;
    }

    // Entries now, by walking the map.
    Result<size_t> count() const {
        size_t entries = 0;
        auto status = for_each_raw(fd_.get(), info_, sizeof(V), [&](const void*, const void*) {
            entries++;
            return true;
        });
        if (!status) return status.error();
        return entries;
    }

    const MapInfo& info() const { return info_; }
    int fd() const { return fd_.get(); }

private:
    TypedMapRo(UniqueFd fd, MapInfo info) : fd_(std::move(fd)), info_(std::move(info)) {}

    UniqueFd fd_;
    MapInfo info_;
};

template <typename K, typename V> class TypedMap {
public:
    using Entry = typename TypedMapRo<K, V>::Entry;

    static Result<TypedMap> open(const std::filesystem::path& pin) {
        auto fd = open_pinned_map(pin, Access::kReadWrite);
        if (!fd) return fd.error();
        return from_fd(std::move(*fd));
    }

    static Result<TypedMap> from_fd(UniqueFd fd) {
        auto map = TypedMapRo<K, V>::from_fd(std::move(fd));
        if (!map) return map.error();
        return TypedMap(std::move(*map));
    }

    Status update(const K& key, const V& value, UpdateFlag flag = UpdateFlag::kAny) {
        return update_raw(map_.fd(), map_.info().name, &key, &value, flag);
    }
    // Absent is success.
    Status erase(const K& key) { return erase_raw(map_.fd(), map_.info().name, &key); }

    Result<std::optional<V>> lookup(const K& key) const { return map_.lookup(key); }
    template <typename Visit> Status for_each(Visit&& visit) const {
        return map_.for_each(std::forward<Visit>(visit));
    }
    Result<std::vector<Entry>> snapshot() const { return map_.snapshot(); }
    Result<size_t> count() const { return map_.count(); }
    const MapInfo& info() const { return map_.info(); }
    int fd() const { return map_.fd(); }

    // For what only reads.
    const TypedMapRo<K, V>& read_only() const { return map_; }

private:
    explicit TypedMap(TypedMapRo<K, V> map) : map_(std::move(map)) {}

    TypedMapRo<K, V> map_;
};

} // namespace cnet::maps
