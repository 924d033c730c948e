// What runtimes give their plugins: CNI's configuration and CNI_ARGS, netavark's requests.
#include "tests/fuzz/input.h"
#include "userspace/cni/config.h"
#include "userspace/netavark/request.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const cnet::fuzz::Input input(data, size, 4);
    const std::string text(input.text);
    switch (input.way) {
    case 0:
        (void)cnet::cni::parse_config(text, {});
        break;
    case 1:
        (void)cnet::cni::parse_arguments(text);
        break;
    case 2:
        (void)cnet::netavark::parse_network(text);
        break;
    default:
        (void)cnet::netavark::parse_attachment(text);
    }
    return 0;
}
