#include "userspace/docker/adopt_engine.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <array>
#include <csignal>

#include "userspace/client/http_head.h"

namespace cnet::docker {
namespace {

constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr size_t kHeadMax = 65536;
constexpr size_t kBodyMax = size_t{64} << 20;
constexpr long kSuccess = 200;

// Until `fd` is readable.
Status wait_for(int fd, int stop, Deadline deadline, const std::string& what) {
    while (true) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                              deadline - std::chrono::steady_clock::now())
                              .count();
        std::array<pollfd, 2> both{{{fd, POLLIN, 0}, {stop, POLLIN, 0}}};
        const int ready = left <= 0 ? 0 : poll(both.data(), both.size(), static_cast<int>(left));
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) return Error::system("poll");
        if (ready == 0) return Error(ErrorKind::kSystem, what + " does not answer", ETIMEDOUT);
        if (both[1].revents != 0) return Error(ErrorKind::kSystem, "it is to end", ECANCELED);
        return {};
    }
}

Result<UniqueFd> connect_to(const std::filesystem::path& socket) {
    sockaddr_un address{};
    if (socket.native().size() >= sizeof(address.sun_path))
        return Error(ErrorKind::kInvalid, "the socket's path " + socket.native() + " is too long");
    // Without waiting: a full queue is an engine that does not answer.
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return Error::system("open a socket");
    address.sun_family = AF_UNIX;
    socket.native().copy(address.sun_path, sizeof(address.sun_path) - 1);
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
        return Error::system("cannot connect to " + socket.native());
    return fd;
}

// A child that is ended with its owner.
class Child {
public:
    explicit Child(pid_t pid) : pid_(pid) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        finish();
    }
    // As waitpid() has it; -1 when that fails.
    int finish() {
        int status = -1;
        while (waitpid(std::exchange(pid_, 0), &status, 0) < 0 && errno == EINTR) {
        }
        return status;
    }

private:
    pid_t pid_;
};

Result<pid_t> spawn(const std::string& program, int output) {
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    // Signals that the daemon blocks or ignores are none of the child's business.
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, pipe;
    sigemptyset(&none);
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipe);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    std::string name = program;
    std::array<char*, 2> arguments{name.data(), nullptr};
    pid_t pid = 0;
    const int error =
        posix_spawnp(&pid, program.c_str(), &files, &attributes, arguments.data(), environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (error != 0) return Error::system("run " + program, error);
    return pid;
}

} // namespace

Result<EngineStream> EngineStream::get(const std::filesystem::path& socket,
                                       const std::string& target, int stop, Deadline deadline) {
    auto connection = connect_to(socket);
    if (!connection) return connection.error();
    EngineStream stream(*std::move(connection), socket.native(), stop);
    Status status = stream.send("GET " + target + " HTTP/1.1\r\nHost: docker\r\n" +
                                "Connection: close\r\n\r\n");
    if (status) status = stream.read_head(deadline);
    if (!status) return status.error();
    return stream;
}

// The socket's buffer is larger than any request of ours.
Status EngineStream::send(std::string_view bytes) {
    const ssize_t sent = ::send(fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent == static_cast<ssize_t>(bytes.size())) return {};
    return broken("the request cannot be sent");
}

Result<bool> EngineStream::read_some(std::string& bytes, Deadline deadline) {
    std::array<char, 65536> buffer;
    while (true) {
        if (Status ready = wait_for(fd(), stop_, deadline, name_); !ready) return ready.error();
        const ssize_t got = recv(fd(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
        if (got < 0) return broken(std::strerror(errno));
        bytes.append(buffer.data(), static_cast<size_t>(got));
        return got > 0;
    }
}

Status EngineStream::read_head(Deadline deadline) {
    std::string bytes;
    size_t end = bytes.npos;
    while ((end = bytes.find(kHeadEnd)) == bytes.npos) {
        if (bytes.size() > kHeadMax) return broken("what comes is not HTTP");
        auto more = read_some(bytes, deadline);
        if (!more) return more.error();
        if (!*more) return broken("the connection ended");
    }
    const auto head = client::parse_head(std::string_view(bytes).substr(0, end));
    if (!head) return broken("what comes is not HTTP");
    if (head->status != kSuccess) return broken("its status is " + std::to_string(head->status));
    body_.emplace(*head);
    if (body_->add(std::string_view(bytes).substr(end + kHeadEnd.size()))) return {};
    return broken("the body is not what its head says");
}

Result<bool> EngineStream::receive(Deadline deadline) {
    if (body_->is_whole()) return false;
    std::string bytes;
    auto more = read_some(bytes, deadline);
    if (!more) return more.error();
    if (!*more && !body_->end()) return broken("the connection ended");
    if (!body_->add(bytes)) return broken("the body is not what its head says");
    if (body_->size() > kBodyMax) return broken("the body is too long");
    return *more;
}

Error EngineStream::broken(const std::string& why) const {
    return {ErrorKind::kSystem, "no answer from " + name_ + ": " + why};
}

Result<std::string> ask_engine(const std::filesystem::path& socket, const std::string& target,
                               int stop, Deadline deadline) {
    auto stream = EngineStream::get(socket, target, stop, deadline);
    if (!stream) return stream.error();
    while (true) {
        auto more = stream->receive(deadline);
        if (!more) return more.error();
        if (!*more) return stream->take();
    }
}

Result<std::string> output_of(const std::string& program, int stop, Deadline deadline) {
    std::array<int, 2> pipe{};
    if (pipe2(pipe.data(), O_CLOEXEC) != 0) return Error::system("pipe2");
    const UniqueFd reading(pipe[0]);
    UniqueFd writing(pipe[1]);
    auto pid = spawn(program, writing.get());
    if (!pid && pid.error().errno_value() == ENOENT) return std::string();
    if (!pid) return pid.error();
    Child child(*pid);
    writing = UniqueFd();
    std::string text;
    std::array<char, 65536> buffer;
    while (true) {
        if (Status ready = wait_for(reading.get(), stop, deadline, program); !ready)
            return ready.error();
        const ssize_t got = read(reading.get(), buffer.data(), buffer.size());
        if (got <= 0) break;
        text.append(buffer.data(), static_cast<size_t>(got));
        if (text.size() > kBodyMax) return Error(ErrorKind::kSystem, program + " prints too much");
    }
    if (child.finish() == 0) return text;
    return Error(ErrorKind::kSystem, program + " fails");
}

} // namespace cnet::docker
