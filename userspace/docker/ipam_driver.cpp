#include "userspace/docker/ipam_driver.h"

#include "userspace/docker/requests.h"

namespace cnet::docker {
namespace {

constexpr char kGatewayType[] = "com.docker.network.gateway";

} // namespace

Result<Json> IpamDriver::get_capabilities(const Reader&) {
    // Asked for again, Docker's memory and ours are the same after each of its restarts.
    return Json{{"RequiresMACAddress", false}, {"RequiresRequestReplay", true}};
}

Result<Json> IpamDriver::get_address_spaces(const Reader&) {
    return Json{{"LocalDefaultAddressSpace", "cnetlocal"},
                {"GlobalDefaultAddressSpace", "cnetglobal"}};
}

Result<Json> IpamDriver::request_pool(const Reader& request) {
    auto wanted = read_pool_request(request);
    if (!wanted) return wanted.error();
    auto pool = controller_.request_pool(*wanted);
    if (!pool) return pool.error();
    return Json{{"PoolID", pool->id}, {"Pool", pool->prefix.to_string()}, {"Data", Json::object()}};
}

Result<Json> IpamDriver::release_pool(const Reader& request) {
    const std::string pool = request.text("PoolID");
    auto status = request.fault();
    if (status) status = controller_.release_pool(pool);
    return empty_answer(status);
}

Result<Json> IpamDriver::request_address(const Reader& request) {
    const std::string pool = request.text("PoolID");
    const auto address = request.parsed<IpAddress>("Address");
    const bool gateway = request.inside("Options").text("RequestAddressType") == kGatewayType;
    if (auto fault = request.fault(); !fault) return fault.error();
    auto given = controller_.request_address(pool, address, gateway);
    if (!given) return given.error();
    return Json{{"Address", given->to_string()}, {"Data", Json::object()}};
}

Result<Json> IpamDriver::release_address(const Reader& request) {
    const std::string pool = request.text("PoolID");
    const auto address = request.parsed<IpAddress>("Address");
    auto status = request.fault();
    if (status && address) status = controller_.release_address(pool, *address);
    return empty_answer(status);
}

} // namespace cnet::docker
