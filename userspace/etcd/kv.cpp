#include "userspace/etcd/kv.h"

namespace cnet::etcd {

std::string prefix_end(std::string_view prefix) {
    std::string end(prefix);
    while (!end.empty() && end.back() == '\xff')
        end.pop_back();
    // To etcd a range_end of one zero byte is the end of all keys.
    if (end.empty()) return std::string(1, '\0');
    end.back() = static_cast<char>(end.back() + 1);
    return end;
}

} // namespace cnet::etcd
