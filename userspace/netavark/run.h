// One run of the plugin: a verb and its argument, JSON in, JSON out.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

namespace cnet::netavark {

// `arguments` without the program's name; `root` is CNET_ROOT. The exit status.
int run(const std::vector<std::string>& arguments, const std::string& root,
        const std::string& input, std::ostream& out);

} // namespace cnet::netavark
