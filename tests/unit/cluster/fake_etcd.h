// etcd in memory: one store with transactions, leases and a history that every host sees at its own
// pace. `calls_left` ends the connection of one host after so many calls; `answers_lost`
// carries calls out and loses their answers.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "userspace/cluster/follower.h"
#include "userspace/cluster/kv.h"

namespace cnet::test {

class FakeEtcd {
public:
    int64_t revision = 1;
    std::map<std::string, etcd::KeyValue> entries;
    std::vector<etcd::Event> history;

    etcd::TxnResult txn(const std::vector<etcd::Compare>& conditions,
                        const std::vector<etcd::Operation>& then,
                        const std::vector<etcd::Operation>& otherwise) {
        etcd::TxnResult result;
        result.succeeded = true;
        for (const etcd::Compare& condition : conditions)
            result.succeeded = result.succeeded && holds(condition);
        revision_used_ = false;
        for (const etcd::Operation& operation : result.succeeded ? then : otherwise) {
            if (const auto* put = std::get_if<etcd::Put>(&operation))
                apply(*put);
            else if (const auto* gone = std::get_if<etcd::Delete>(&operation))
                remove(gone->key);
            else
                result.gets.push_back(read(std::get<etcd::Get>(operation)));
        }
        result.revision = revision;
        return result;
    }

    etcd::Range range(const std::string& prefix) const {
        etcd::Range range{revision, {}};
        for (const auto& [key, kv] : entries) {
            if (key.starts_with(prefix)) range.kvs.push_back(kv);
        }
        return range;
    }

    std::set<int64_t> expired;

    void expire(int64_t lease) {
        expired.insert(lease);
        std::vector<std::string> keys;
        for (const auto& [key, kv] : entries) {
            if (kv.lease == lease) keys.push_back(key);
        }
        revision_used_ = false;
        for (const std::string& key : keys)
            remove(key);
    }

    std::vector<std::string> keys(const std::string& prefix = {}) const {
        std::vector<std::string> found;
        for (const auto& [key, kv] : entries) {
            if (key.starts_with(prefix)) found.push_back(key);
        }
        return found;
    }

private:
    static bool compare(int64_t is, etcd::Compare::Relation relation, int64_t number) {
        switch (relation) {
        case etcd::Compare::Relation::kEqual:
            return is == number;
        case etcd::Compare::Relation::kNotEqual:
            return is != number;
        case etcd::Compare::Relation::kGreater:
            return is > number;
        case etcd::Compare::Relation::kLess:
            return is < number;
        }
        return false;
    }

    static bool holds_for(const etcd::Compare& condition, const etcd::KeyValue& kv) {
        using Target = etcd::Compare::Target;
        switch (condition.target) {
        case Target::kCreateRevision:
            return compare(kv.create_revision, condition.relation, condition.number);
        case Target::kModRevision:
            return compare(kv.mod_revision, condition.relation, condition.number);
        case Target::kVersion:
            return compare(kv.version, condition.relation, condition.number);
        case Target::kLease:
            return compare(kv.lease, condition.relation, condition.number);
        case Target::kValue:
            return compare(kv.value.compare(condition.value), condition.relation, 0);
        }
        return false;
    }

    bool holds(const etcd::Compare& condition) const {
        std::vector<const etcd::KeyValue*> found;
        for (const auto& [key, kv] : entries) {
            const bool in = condition.range_end.empty()
                                ? key == condition.key
                                : key >= condition.key && key < condition.range_end;
            if (in) found.push_back(&kv);
        }
        // As etcd's applyCompare(): what is not there has zeros, and no value.
        if (found.empty())
            return condition.target != etcd::Compare::Target::kValue && holds_for(condition, {});
        for (const etcd::KeyValue* kv : found) {
            if (!holds_for(condition, *kv)) return false;
        }
        return true;
    }

    void use_revision() {
        if (!revision_used_) revision++;
        revision_used_ = true;
    }

    void apply(const etcd::Put& put) {
        use_revision();
        etcd::KeyValue& kv = entries[put.key];
        if (kv.create_revision == 0) kv.create_revision = revision;
        kv.key = put.key;
        kv.value = put.value;
        kv.lease = put.lease;
        kv.mod_revision = revision;
        kv.version++;
        history.push_back({etcd::Event::Type::kPut, kv});
    }

    void remove(const std::string& key) {
        if (entries.erase(key) == 0) return;
        use_revision();
        etcd::KeyValue gone;
        gone.key = key;
        gone.mod_revision = revision;
        history.push_back({etcd::Event::Type::kDelete, gone});
    }

    std::vector<etcd::KeyValue> read(const etcd::Get& get) const {
        auto it = entries.find(get.key);
        return it == entries.end() ? std::vector<etcd::KeyValue>()
                                   : std::vector<etcd::KeyValue>{it->second};
    }

    bool revision_used_ = false;
};

// One host's way to it.
class FakeKv final : public cluster::Kv {
public:
    explicit FakeKv(FakeEtcd& etcd) : etcd_(etcd) {}

    std::optional<int> calls_left;
    int answers_lost = 0; // of the next transactions
    unsigned calls = 0;

    Result<etcd::TxnResult> txn(const std::vector<etcd::Compare>& conditions,
                                const std::vector<etcd::Operation>& then,
                                const std::vector<etcd::Operation>& otherwise) override {
        if (!spend()) return Error(ErrorKind::kUnavailable, "etcd is away");
        EXPECT_LE(conditions.size(), 128u);
        EXPECT_LE(then.size(), 128u);
        for (const etcd::Operation& operation : then) {
            const auto* put = std::get_if<etcd::Put>(&operation);
            if (put && etcd_.expired.contains(put->lease))
                return Error(ErrorKind::kNotFound, "requested lease not found");
        }
        auto result = etcd_.txn(conditions, then, otherwise);
        if (answers_lost > 0 && answers_lost--)
            return Error(ErrorKind::kUnknown, "the answer was lost");
        return result;
    }
    Result<etcd::Range> range(const std::string& prefix) override {
        if (!spend()) return Error(ErrorKind::kUnavailable, "etcd is away");
        return etcd_.range(prefix);
    }

private:
    bool spend() {
        calls++;
        if (!calls_left) return true;
        if (*calls_left == 0) return false;
        --*calls_left;
        return true;
    }

    FakeEtcd& etcd_;
};

} // namespace cnet::test
