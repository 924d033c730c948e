#include "userspace/docker/requests.h"

#include <algorithm>
#include <cctype>

#include "userspace/docker/options.h"

namespace cnet::docker {
namespace {

Error invalid(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

Status read_subnets_of(const Reader& request, const char* key, control::NetworkSpec& spec) {
    for (const Reader& data : request.each(key)) {
        const auto pool = data.parsed<IpPrefix>("Pool");
        const auto gateway = data.parsed<IpPrefix>("Gateway");
        if (auto fault = data.fault(); !fault) return fault;
        if (!pool || pool->length() == 0)
            return invalid("a network of cnet needs a subnet: IPAM driver null gives none");
        spec.subnets.push_back(*pool);
        if (gateway) spec.gateways.push_back(gateway->address());
    }
    return {};
}

} // namespace

Result<std::string> read_id(const Reader& request, const char* key) {
    const std::string id = request.text(key);
    if (auto fault = request.fault(); !fault) return fault.error();
    const bool fits = !id.empty() && id.size() <= 64 &&
                      std::ranges::all_of(id, [](unsigned char c) { return std::isalnum(c); });
    if (!fits) return invalid(std::string(key) + " \"" + id + "\" is not an id of Docker's");
    return id;
}

Status read_subnets(const Reader& request, control::NetworkSpec& spec) {
    auto status = read_subnets_of(request, "IPv4Data", spec);
    return status ? read_subnets_of(request, "IPv6Data", spec) : status;
}

Result<std::vector<IpPrefix>> read_aux_addresses(const Reader& request) {
    std::vector<IpPrefix> addresses;
    for (const char* key : {"IPv4Data", "IPv6Data"}) {
        for (const Reader& data : request.each(key)) {
            const Reader aux = data.inside("AuxAddresses");
            for (const auto& [name, value] : aux.object().items()) {
                if (auto address = aux.parsed<IpPrefix>(name.c_str()))
                    addresses.push_back(*address);
            }
        }
    }
    if (auto fault = request.fault(); !fault) return fault.error();
    return addresses;
}

Result<WantedInterface> read_interface(const Reader& interface) {
    WantedInterface wanted;
    for (const char* key : {"Address", "AddressIPv6"}) {
        if (auto address = interface.parsed<IpPrefix>(key))
            wanted.ips.push_back(address->address());
    }
    wanted.mac = interface.parsed<MacAddress>("MacAddress");
    if (auto fault = interface.fault(); !fault) return fault.error();
    return wanted;
}

Result<control::PoolRequest> read_pool_request(const Reader& request) {
    control::PoolRequest wanted;
    wanted.prefix = request.parsed<IpPrefix>("Pool");
    wanted.range = request.parsed<IpPrefix>("SubPool");
    wanted.v6 = request.flag("V6");
    auto status = check_pool_options(request.inside("Options"));
    if (auto fault = request.fault(); !fault) return fault.error();
    if (!status) return status.error();
    return wanted;
}

} // namespace cnet::docker
