// Addresses and port specifications, as people write them: what was understood is written so that
// it is understood again, as the same.
#include "tests/fuzz/input.h"
#include "userspace/base/ip.h"
#include "userspace/control/port_spec.h"

namespace cnet {
namespace {

template <typename T> void check_both_ways(std::string_view text) {
    const auto value = T::parse(text);
    if (!value) return;
    const auto again = T::parse(value->to_string());
    CNET_CHECK(again && *again == *value);
}

void check_port_spec(std::string_view text) {
    const auto spec = control::parse_port_spec(text);
    if (!spec) return;
    CNET_CHECK(spec->count >= 1 && spec->port + spec->count - 1 <= 65535);
    CNET_CHECK(!spec->host_port || *spec->host_port + spec->count - 1 <= 65535);
}

} // namespace
} // namespace cnet

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const cnet::fuzz::Input input(data, size, 4);
    switch (input.way) {
    case 0:
        cnet::check_both_ways<cnet::IpAddress>(input.text);
        break;
    case 1:
        cnet::check_both_ways<cnet::IpPrefix>(input.text);
        break;
    case 2:
        cnet::check_both_ways<cnet::MacAddress>(input.text);
        break;
    default:
        cnet::check_port_spec(input.text);
    }
    return 0;
}
