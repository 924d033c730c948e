// Questions to Docker's API, each on a connection of its own, and to iptables-save. For a thread
// that follows Docker: every wait has an end, and ends at once when `stop` becomes readable.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "userspace/base/result.h"
#include "userspace/base/unique_fd.h"
#include "userspace/client/http_body.h"

namespace cnet::docker {

using Deadline = std::chrono::steady_clock::time_point;

class EngineStream {
public:
    // Asks, and reads the head of the answer; an error unless that is a success.
    static Result<EngineStream> get(const std::filesystem::path& socket, const std::string& target,
                                    int stop, Deadline deadline);

    int fd() const { return connection_.get(); }
    // Waits for more of the body; false at its end.
    Result<bool> receive(Deadline deadline);
    // What has come of a body since; in the middle only of one without an end, as events have.
    std::string take() { return body_->take(); }

private:
    EngineStream(UniqueFd connection, std::string name, int stop)
        : connection_(std::move(connection)), name_(std::move(name)), stop_(stop) {}
    Status send(std::string_view bytes);
    Status read_head(Deadline deadline);
    // Appended to `bytes`; false at the end.
    Result<bool> read_some(std::string& bytes, Deadline deadline);
    Error broken(const std::string& why) const;

    UniqueFd connection_;
    std::string name_; // of the socket
    int stop_;
    std::optional<client::HttpBody> body_;
};

// The whole body.
Result<std::string> ask_engine(const std::filesystem::path& socket, const std::string& target,
                               int stop, Deadline deadline);

// What a program prints. Nothing when it is not installed.
Result<std::string> output_of(const std::string& program, int stop, Deadline deadline);

} // namespace cnet::docker
