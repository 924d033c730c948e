// The gateway's JSON: proto3's, with int64 as text, bytes in base64, and nothing said of what is
// zero, empty or false.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/etcd/kv.h"

namespace cnet::etcd {

using Json = nlohmann::json;

// Errors of what reads here say what is wrong with the answer, for "ENDPOINT: ...".

Result<Json> parse_answer(std::string_view text);
// 0 when absent.
Result<int64_t> read_int64(const Json& object, const char* key);
// Empty when absent.
std::string read_text(const Json& object, const char* key);
bool read_bool(const Json& object, const char* key);

Json txn_request(const std::vector<Compare>& conditions, const std::vector<Operation>& then,
                 const std::vector<Operation>& otherwise);
Result<TxnResult> read_txn(const Json& answer);

// At most `limit` keys of [key, range_end); at the newest revision for 0.
Json range_request(const std::string& key, const std::string& range_end, int64_t limit,
                   int64_t revision);
struct Page {
    int64_t revision = 0; // of the store, which may be past the one that was asked for
    std::vector<KeyValue> kvs;
    bool more = false;
};
Result<Page> read_page(const Json& answer);

Json watch_request(const std::string& prefix, int64_t from_revision);
struct WatchMessage {
    int64_t store_revision = 0;
    bool created = false;
    bool canceled = false;
    bool fragment = false; // more of this message follows
    std::string cancel_reason;
    int64_t compact_revision = 0;
    std::vector<Event> events;
};
Result<WatchMessage> read_watch_message(const Json& result);

// A refusal, which has one shape as an answer and another in a stream.
struct Refusal {
    int64_t code = 0; // of gRPC
    std::string message;
};
// Code 0 when it is none.
Refusal read_refusal(const Json& answer);

} // namespace cnet::etcd
