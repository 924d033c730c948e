// What etcd keeps, and what it is asked to do with it. Keys and values are bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace cnet::etcd {

struct KeyValue {
    std::string key;
    std::string value;
    int64_t create_revision = 0;
    int64_t mod_revision = 0;
    int64_t version = 0; // 1 at its creation
    int64_t lease = 0;   // 0: none

    bool operator==(const KeyValue&) const = default;
};

// The first key that does not begin with the prefix: [prefix, prefix_end(prefix)) is all that does.
std::string prefix_end(std::string_view prefix);

// A condition of a transaction. A key that does not exist has 0 for all four numbers, and any
// comparison of its value fails.
struct Compare {
    enum class Target { kCreateRevision, kModRevision, kVersion, kLease, kValue };
    enum class Relation { kEqual, kNotEqual, kGreater, kLess };

    std::string key;
    std::string range_end; // empty: the key alone; else each existing key in [key, range_end)
    Target target = Target::kCreateRevision;
    Relation relation = Relation::kEqual;
    int64_t number = 0;     // for all targets but kValue
    std::string value = {}; // for kValue

    static Compare absent(std::string key) { return {std::move(key), {}}; }
    static Compare exists(std::string key) {
        return {std::move(key), {}, Target::kCreateRevision, Relation::kGreater};
    }
    // Neither written nor removed since it was read.
    static Compare unchanged(const KeyValue& read) {
        return {read.key, {}, Target::kModRevision, Relation::kEqual, read.mod_revision};
    }
};

struct Put {
    std::string key;
    std::string value;
    int64_t lease = 0; // 0: none
};

// Of `key`, or of [key, range_end) unless that is empty.
struct Delete {
    std::string key;
    std::string range_end = {};
};
struct Get {
    std::string key;
    std::string range_end = {};
};

using Operation = std::variant<Put, Delete, Get>;

struct TxnResult {
    bool succeeded = false; // all conditions held, so `then` ran; else `otherwise` did
    int64_t revision = 0;   // after the transaction
    std::vector<std::vector<KeyValue>> gets; // one for each Get of the branch that ran
};

struct Range {
    int64_t revision = 0; // at which all of it was read
    std::vector<KeyValue> kvs;
};

struct Event {
    enum class Type { kPut, kDelete };

    Type type = Type::kPut;
    KeyValue kv; // of a deletion: key, and as mod_revision the revision that deleted it
};

} // namespace cnet::etcd
