// A table of which the programs remember entries for the rest of a tick (bpf/lib/memo.h). A change
// is in force when the call that makes it returns: each is followed by Written::add().
#pragma once

#include <utility>

#include "maps/typed_map.h"
#include "maps/written.h"

namespace cnet::maps {

template <typename K, typename V> class RememberedMap {
public:
    // cnet_written is pinned beside it.
    static Result<RememberedMap> open(const std::filesystem::path& pin) {
        auto map = TypedMap<K, V>::open(pin);
        if (!map) return map.error();
        auto written = Written::open(pin.parent_path() / "cnet_written");
        if (!written) return written.error();
        return RememberedMap(std::move(*map), std::move(*written));
    }

    Status update(const K& key, const V& value, UpdateFlag flag = UpdateFlag::kAny) {
        auto status = map_.update(key, value, flag);
        written_.add();
        return status;
    }
    // Absent is success.
    Status erase(const K& key) {
        auto status = map_.erase(key);
        written_.add();
        return status;
    }

    Result<std::optional<V>> lookup(const K& key) const { return map_.lookup(key); }
    template <typename Visit> Status for_each(Visit&& visit) const {
        return map_.for_each(std::forward<Visit>(visit));
    }
    Result<std::vector<typename TypedMap<K, V>::Entry>> snapshot() const { return map_.snapshot(); }
    Result<size_t> count() const { return map_.count(); }
    const MapInfo& info() const { return map_.info(); }
    int fd() const { return map_.fd(); } // to read

private:
    RememberedMap(TypedMap<K, V> map, Written written)
        : map_(std::move(map)), written_(std::move(written)) {}

    TypedMap<K, V> map_;
    Written written_;
};

} // namespace cnet::maps
