#include "userspace/base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

namespace cnet {
namespace {

Error file_error(const std::string& attempted, const std::filesystem::path& path, int errno_value) {
    const auto error = Error::system(attempted + " " + path.string(), errno_value);
    switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
        return {ErrorKind::kNotFound, error.message(), errno_value};
    case EACCES:
    case EPERM:
        return {ErrorKind::kDenied, error.message(), errno_value};
    default:
        return error;
    }
}

Result<UniqueFd> open_file(const std::filesystem::path& path, int flags, mode_t mode = 0) {
    UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
    if (!fd) return file_error("open", path, errno);
    return fd;
}

Status write_all(int fd, const std::filesystem::path& path, std::string_view content) {
    while (!content.empty()) {
        const auto written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return file_error("write", path, errno);
        content.remove_prefix(static_cast<size_t>(written));
    }
    return {};
}

Result<std::string> read_up_to(int fd, const std::filesystem::path& path, size_t limit) {
    std::string content;
    char buffer[16384];
    for (;;) {
        const auto got = ::read(fd, buffer, sizeof(buffer));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return file_error("read", path, errno);
        if (got == 0) return content;
        content.append(buffer, static_cast<size_t>(got));
        if (content.size() > limit)
            return Error(ErrorKind::kInvalid,
                         path.string() + " is longer than " + std::to_string(limit) + " bytes");
    }
}

Status sync_directory_of(const std::filesystem::path& path) {
    const auto directory = path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
    auto fd = open_file(directory, O_RDONLY | O_DIRECTORY);
    if (!fd) return fd.error();
    if (fsync(fd->get()) != 0) return file_error("sync", directory, errno);
    return {};
}

Status write_and_sync(int fd, const std::filesystem::path& path, std::string_view content,
                      mode_t mode) {
    if (auto written = write_all(fd, path, content); !written) return written;
    if (fchmod(fd, mode) != 0) return file_error("set the mode of", path, errno);
    if (fsync(fd) != 0) return file_error("sync", path, errno);
    return {};
}

// Whoever released the lock unlinked the file: a descriptor opened before that locks a file that no
// longer has the name.
bool still_named(int fd, const std::filesystem::path& path) {
    struct stat opened {};
    struct stat named {};
    return fstat(fd, &opened) == 0 && stat(path.c_str(), &named) == 0 &&
           opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
}

Error held_by_other(int fd, const std::filesystem::path& path) {
    constexpr size_t kLongestPid = 32;
    auto holder = read_up_to(fd, path, kLongestPid);
    std::string pid = holder ? *holder : "";
    while (!pid.empty() && pid.back() == '\n')
        pid.pop_back();
    // Empty for the moment between the holder's lock and its writing.
    return {ErrorKind::kConflict,
            path.string() + " is held by " + (pid.empty() ? "another process" : "process " + pid),
            EWOULDBLOCK};
}

} // namespace

Result<std::string> read_file(const std::filesystem::path& path, size_t limit) {
    auto fd = open_file(path, O_RDONLY);
    if (!fd) return fd.error();
    return read_up_to(fd->get(), path, limit);
}

Status write_file_atomically(const std::filesystem::path& path, std::string_view content,
                             mode_t mode) {
    std::string temporary = path.string() + ".XXXXXX";
    const UniqueFd fd(mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd) return file_error("create", temporary, errno);
    auto done = write_and_sync(fd.get(), temporary, content, mode);
    if (done && rename(temporary.c_str(), path.c_str()) != 0)
        done = file_error("rename " + temporary + " to", path, errno);
    if (!done) {
        ::unlink(temporary.c_str());
        return done;
    }
    return sync_directory_of(path);
}

Result<FileLock> FileLock::acquire(const std::filesystem::path& path) {
    std::error_code error;
    std::filesystem::create_directories(path.parent_path(), error);
    if (error) return file_error("create", path.parent_path(), error.value());
    for (;;) {
        auto fd = open_file(path, O_RDWR | O_CREAT, 0644);
        if (!fd) return fd.error();
        if (flock(fd->get(), LOCK_EX | LOCK_NB) != 0) {
            if (errno == EINTR) continue;
            if (errno == EWOULDBLOCK) return held_by_other(fd->get(), path);
            return file_error("lock", path, errno);
        }
        if (!still_named(fd->get(), path)) continue;
        if (ftruncate(fd->get(), 0) != 0) return file_error("empty", path, errno);
        const auto pid = std::to_string(getpid()) + "\n";
        if (auto written = write_all(fd->get(), path, pid); !written) return written.error();
        return FileLock(std::move(*fd), path);
    }
}

FileLock::~FileLock() {
    // While the lock is held: afterwards the name might be another holder's.
    if (fd_) ::unlink(path_.c_str());
}

} // namespace cnet
