// Small files: read whole, replaced atomically, held by one process at a time.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

namespace cnet {

inline constexpr size_t kReadFileLimit = 16u << 20;

// kNotFound when absent, kInvalid when longer than `limit` bytes.
Result<std::string> read_file(const std::filesystem::path& path, size_t limit = kReadFileLimit);
// After a crash at any moment the file holds the old content or the new one; it is on disk on
// return.
Status write_file_atomically(const std::filesystem::path& path, std::string_view content,
                             mode_t mode = 0644);

// Held until destruction or death of the process. The file contains the holder's pid and goes with
// the lock.
class FileLock {
public:
    // Makes the directory. Does not wait: kConflict, naming the process that holds it.
    static Result<FileLock> acquire(const std::filesystem::path& path);

    FileLock(FileLock&&) noexcept = default;
    FileLock& operator=(FileLock&&) = delete;
    ~FileLock();

private:
    FileLock(UniqueFd fd, std::filesystem::path path)
        : fd_(std::move(fd)), path_(std::move(path)) {}

    UniqueFd fd_;
    std::filesystem::path path_;
};

} // namespace cnet
