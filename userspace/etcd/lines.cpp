#include "userspace/etcd/lines.h"

namespace cnet::etcd {

LineSplitter::Fed LineSplitter::feed(std::string_view bytes,
                                     const std::function<bool(std::string_view)>& on_line) {
    for (;;) {
        size_t end = bytes.find('\n');
        std::string_view part = bytes.substr(0, end);
        if (line_.size() + part.size() > limit_bytes_) return Fed::kTooLong;
        line_ += part;
        if (end == std::string_view::npos) return Fed::kWell;
        bool go_on = on_line(line_);
        line_.clear();
        if (!go_on) return Fed::kRefused;
        bytes.remove_prefix(end + 1);
    }
}

} // namespace cnet::etcd
