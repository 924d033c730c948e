// What BPF programs tell the daemon through a ring buffer that is pinned: readable when there is
// something, read in the order written.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <span>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"

struct ring_buffer;

namespace cnet::maps {

class Ring {
public:
    using Visitor = std::function<void(std::span<const uint8_t> record)>;

    static Result<std::unique_ptr<Ring>> open(const std::filesystem::path& pin);
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;
    ~Ring();

    // For an event loop: readable as long as records wait.
    int poll_fd() const;
    // The next ones, `max` at most; their bytes are gone when `visit` returns.
    Status read(size_t max, const Visitor& visit);

private:
    explicit Ring(UniqueFd fd) : fd_(std::move(fd)) {}
    static int take(void* context, void* data, size_t size);

    UniqueFd fd_;
    ring_buffer* ring_ = nullptr;
    const Visitor* visit_ = nullptr; // while read() runs
    size_t left_ = 0;
};

} // namespace cnet::maps
