#include "userspace/cnetd/config_cluster.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>

#include "userspace/base/file.h"
#include "userspace/base/names.h"

namespace cnet::daemon {
namespace {

constexpr uint32_t kLeaseMinS = 5;
constexpr uint32_t kLeaseMaxS = 3600;
constexpr uint32_t kVniMax = (1u << 24) - 1;
constexpr size_t kPrefixMax = 255;
constexpr size_t kPasswordMax = 1024;

Fault take_endpoints(const toml::node& node, std::vector<std::string>& endpoints) {
    const toml::array* list = node.as_array();
    if (!list || list->empty()) return "must be a list of one endpoint or more";
    for (const toml::node& one : *list) {
        std::string endpoint = one.value_exact<std::string>().value_or("");
        if (auto status = etcd::check_endpoint(endpoint); !status)
            return "has a fault: " + status.error().message();
        if (std::count(endpoints.begin(), endpoints.end(), endpoint) != 0)
            return "has " + endpoint + " twice";
        endpoints.push_back(endpoint);
    }
    return {};
}

Fault take_prefix(const toml::node& node, std::string& prefix) {
    std::string text = node.value_exact<std::string>().value_or("");
    bool printable =
        std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
    bool in_slashes = text.size() >= 2 && text.front() == '/' && text.back() == '/';
    if (!in_slashes || !printable || text.size() > kPrefixMax)
        return "must begin and end with \"/\", as \"/cnet/\" does, in printable ASCII of at most " +
               std::to_string(kPrefixMax) + " characters";
    prefix = text;
    return {};
}

Fault take_host(const toml::node& node, std::string& host) {
    std::string name = node.value_exact<std::string>().value_or("");
    if (!valid_name(name)) return "must be a name: letters, digits, \".\", \"_\" and \"-\"";
    host = name;
    return {};
}

// The file's one line. The configuration itself is readable by everybody, so it holds no password.
Fault take_password(const toml::node& node, std::string& password) {
    std::string file;
    if (Fault fault = take_absolute_path(node, file)) return fault;
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0)
        return "cannot be read: " + Error::system(file).message();
    if ((status.st_mode & S_IRWXO) != 0)
        return "names " + file + ", which must not be open to others (chmod o-rwx)";
    auto text = read_file(file, kPasswordMax);
    if (!text) return "cannot be read: " + text.error().message();
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r'))
        text->pop_back();
    if (text->empty() || text->find_first_of("\r\n") != std::string::npos)
        return "names " + file + ", which must hold the password on one line";
    password = *text;
    return {};
}

bool take_vni(std::string_view text, uint32_t& vni) {
    auto [rest, error] = std::from_chars(text.begin(), text.end(), vni);
    return error == std::errc() && rest == text.end() && vni >= 1 && vni <= kVniMax;
}

} // namespace

Taken take_cluster_setting(std::string_view key, const toml::node& node, ClusterConfig& cluster) {
    if (key == "etcd") return {true, take_endpoints(node, cluster.etcd.endpoints)};
    if (key == "prefix") return {true, take_prefix(node, cluster.prefix)};
    if (key == "host") return {true, take_host(node, cluster.host)};
    if (key == "ca") return {true, take_absolute_path(node, cluster.etcd.tls.ca)};
    if (key == "cert") return {true, take_absolute_path(node, cluster.etcd.tls.cert)};
    if (key == "key") return {true, take_absolute_path(node, cluster.etcd.tls.key)};
    if (key == "user") return {true, take(node, cluster.etcd.user)};
    if (key == "password_file") return {true, take_password(node, cluster.etcd.password)};
    if (key == "lease_s") return {true, take(node, kLeaseMinS, kLeaseMaxS, cluster.lease_s)};
    return {false, {}};
}

Fault check_cluster(const ClusterConfig& cluster) {
    const etcd::ClientConfig& etcd = cluster.etcd;
    if (etcd.endpoints.empty()) return "needs etcd = [\"https://HOST:PORT\", ...]";
    if (etcd.tls.cert.empty() != etcd.tls.key.empty()) return "needs cert and key, or neither";
    if (etcd.user.empty() != etcd.password.empty())
        return "needs user and password_file, or neither";
    return {};
}

Fault take_vni_range(const toml::node& node, VniRange& range) {
    std::string text = node.value_exact<std::string>().value_or("");
    size_t dash = text.find('-');
    VniRange taken;
    bool valid = dash != std::string::npos &&
                 take_vni(std::string_view(text).substr(0, dash), taken.first) &&
                 take_vni(std::string_view(text).substr(dash + 1), taken.last) &&
                 taken.first <= taken.last;
    if (!valid) return "must be \"FIRST-LAST\", within 1-" + std::to_string(kVniMax);
    range = taken;
    return {};
}

} // namespace cnet::daemon
