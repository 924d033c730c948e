// What etcd answers, and what other hosts wrote there: keys are written as they were read.
#include "tests/fuzz/input.h"
#include "userspace/cluster/keys.h"
#include "userspace/cluster/records.h"
#include "userspace/etcd/wire.h"

namespace cnet {
namespace {

void read_answer(std::string_view text) {
    const auto answer = etcd::parse_answer(text);
    if (!answer) return;
    (void)etcd::read_txn(*answer);
    (void)etcd::read_page(*answer);
    (void)etcd::read_watch_message(*answer);
}

void read_record(std::string_view text) {
    (void)cluster::decode_network(text);
    (void)cluster::decode_host(text);
    (void)cluster::decode_claim(text);
    (void)cluster::decode_subnet_record(text);
    (void)cluster::decode_endpoint(text);
}

void check_key(std::string_view text) {
    const cluster::Keys keys("/cnet/");
    const auto key = keys.parse(text);
    if (!key) return;
    const auto again = keys.parse(keys.of(*key));
    CNET_CHECK(again && again->index() == key->index());
}

} // namespace
} // namespace cnet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const cnet::fuzz::Input input(data, size, 3);
    if (input.way == 0) cnet::read_answer(input.text);
    if (input.way == 1) cnet::read_record(input.text);
    if (input.way == 2) cnet::check_key(input.text);
    return 0;
}
