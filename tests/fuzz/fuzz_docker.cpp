// What dockerd asks its plugins: options of networks, endpoints, pools and ports.
#include "tests/fuzz/input.h"
#include "userspace/docker/options.h"
#include "userspace/docker/ports.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cnet::docker;
    const cnet::fuzz::Input input(data, size, 4);
    const Json options = Json::parse(input.text, nullptr, false);
    if (!options.is_object()) return 0;
    const Reader reader(options);
    switch (input.way) {
    case 0:
        (void)read_network_options(reader);
        break;
    case 1:
        (void)read_endpoint_options(reader);
        break;
    case 2:
        (void)check_pool_options(reader);
        break;
    default:
        (void)read_ports(reader, std::nullopt);
    }
    return 0;
}
