// libnl's lists of kernel objects.
#pragma once

#include <netlink/cache.h>

#include <memory>

namespace cnet::netlink {

struct CacheDeleter {
    void operator()(nl_cache* cache) const { nl_cache_free(cache); }
};
using Cache = std::unique_ptr<nl_cache, CacheDeleter>;

template <typename Visit> void for_each(nl_cache* cache, Visit visit) {
    for (auto* object = nl_cache_get_first(cache); object; object = nl_cache_get_next(object))
        visit(object);
}

} // namespace cnet::netlink
