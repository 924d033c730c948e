// The two things that a cluster's host asks of etcd in the middle of a command.
#pragma once

#include <string>
#include <vector>

#include "userspace/etcd/client.h"

namespace cnet::cluster {

class Kv {
public:
    virtual ~Kv() = default;

    virtual Result<etcd::TxnResult> txn(const std::vector<etcd::Compare>& conditions,
                                        const std::vector<etcd::Operation>& then,
                                        const std::vector<etcd::Operation>& otherwise) = 0;
    virtual Result<etcd::Range> range(const std::string& prefix) = 0;
};

class EtcdKv final : public Kv {
public:
    explicit EtcdKv(etcd::Client client) : client_(std::move(client)) {}

    Result<etcd::TxnResult> txn(const std::vector<etcd::Compare>& conditions,
                                const std::vector<etcd::Operation>& then,
                                const std::vector<etcd::Operation>& otherwise) override {
        return client_.txn(conditions, then, otherwise);
    }
    Result<etcd::Range> range(const std::string& prefix) override { return client_.range(prefix); }

private:
    etcd::Client client_;
};

} // namespace cnet::cluster
