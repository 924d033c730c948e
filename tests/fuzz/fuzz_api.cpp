// Bodies of the API's requests.
#include "tests/fuzz/input.h"
#include "userspace/api/requests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace cnet::api;
    const cnet::fuzz::Input input(data, size, 11);
    const std::string_view body = input.text;
    switch (input.way) {
    case 0:
        (void)parse_network_spec(body);
        break;
    case 1:
        (void)parse_network_patch(body);
        break;
    case 2:
        (void)parse_endpoint_spec(body);
        break;
    case 3:
        (void)parse_port_request(body);
        break;
    case 4:
        (void)parse_port_publication(body);
        break;
    case 5:
        (void)parse_port_patch(body);
        break;
    case 6:
        (void)parse_fdb_addition(body);
        break;
    case 7:
        (void)parse_fdb_deletion(body);
        break;
    case 8:
        (void)parse_peer_request(body);
        break;
    case 9:
        (void)parse_adopt_spec(body);
        break;
    default:
        (void)parse_ct_filter(body);
    }
    return 0;
}
