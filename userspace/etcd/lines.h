// Bytes as they come, cut into lines.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace cnet::etcd {

class LineSplitter {
public:
    // Neither of the two can go on.
    enum class Fed { kWell, kRefused, kTooLong };

    explicit LineSplitter(size_t limit_bytes) : limit_bytes_(limit_bytes) {}

    // Gives each whole line, without its end, to `on_line`, until that returns false.
    Fed feed(std::string_view bytes, const std::function<bool(std::string_view)>& on_line);

    // What came after the last line's end.
    const std::string& rest() const { return line_; }

private:
    size_t limit_bytes_;
    std::string line_;
};

} // namespace cnet::etcd
