// An archive of small files in memory, in the format of POSIX ustar, which every tar reads.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

namespace cnet::cli {

class Tar {
public:
    // `directory` is what everything is in; all files are of this moment.
    Tar(std::string directory, std::time_t now) : directory_(std::move(directory)), now_(now) {}

    // `name` and the directory's have no more than 99 characters together.
    void add(std::string_view name, std::string_view content);
    // The whole archive, with its end.
    std::string finish() &&;

private:
    std::string directory_;
    std::time_t now_;
    std::string bytes_;
};

} // namespace cnet::cli
