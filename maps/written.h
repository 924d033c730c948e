// How the programs hear that a table was changed of which they remember entries (bpf/lib/memo.h):
// cnet_written, mapped into memory.
#pragma once

#include <filesystem>

#include "maps/abi.h"
#include "maps/abi_memo.h"
#include "userspace/base/result.h"

namespace cnet::maps {

class Written {
public:
    static Result<Written> open(const std::filesystem::path& pin);

    Written(Written&& other) noexcept;
    Written& operator=(Written&& other) noexcept;
    ~Written();

    // After the change. What the programs remember from before it is not used any more.
    void add();

private:
    explicit Written(cnet_written* written) : written_(written) {}

    cnet_written* written_ = nullptr;
};

} // namespace cnet::maps
