#include "userspace/cnetd/cluster_part.h"

#include <sys/random.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>

#include "userspace/base/file.h"
#include "userspace/base/names.h"

namespace cnet::daemon {

namespace {

using namespace std::chrono_literals;

// A command, and whatever else the daemon has to do, waits for this five times at worst: two
// readings and a transaction whose answer is lost twice. That is within the unit's WatchdogSec. An
// election takes about two seconds.
constexpr std::chrono::milliseconds kCommandTimeout = 2s;
constexpr std::chrono::milliseconds kRetry = 1s;
constexpr size_t kIdBytes = 16;

Result<std::string> host_name(const std::string& configured) {
    std::string name = configured;
    if (name.empty()) {
        std::array<char, HOST_NAME_MAX + 1> buffer{};
        if (gethostname(buffer.data(), buffer.size() - 1) != 0) return Error::system("gethostname");
        name = buffer.data();
    }
    if (valid_name(name)) return name;
    return Error(ErrorKind::kInvalid, "\"" + name +
                                          "\" is not a valid name for a host of the cluster: set "
                                          "[cluster] host");
}

// Made once, so that another machine of the same name is not taken for this one.
Result<std::string> host_id(const std::filesystem::path& file) {
    auto known = read_file(file);
    if (known && !known->empty()) return known;
    if (!known && known.error().kind() != ErrorKind::kNotFound) return known.error();
    std::array<uint8_t, kIdBytes> bytes{};
    if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
        return Error::system("getrandom");
    std::string id;
    for (const uint8_t byte : bytes) {
        std::array<char, 3> hex{};
        std::snprintf(hex.data(), hex.size(), "%02x", byte);
        id += hex.data();
    }
    if (Status written = write_file_atomically(file, id, 0600); !written) return written.error();
    return id;
}

} // namespace

Result<std::unique_ptr<ClusterPart>> ClusterPart::open(const Config& config,
                                                       const std::filesystem::path& state) {
    auto name = host_name(config.cluster.host);
    if (!name) return name.error();
    auto id = host_id(state / "host-id");
    if (!id) return id.error();
    etcd::ClientConfig for_commands = config.cluster.etcd;
    for_commands.request_timeout = kCommandTimeout;
    auto client = etcd::Client::open(for_commands);
    if (!client) return client.error();
    const cluster::MemberSettings member{config.cluster.prefix, *name, *id, config.vni_range.first,
                                         config.vni_range.last};
    const cluster::FollowerSettings follower{
        config.cluster.etcd, cluster::Keys(config.cluster.prefix).root(), config.cluster.lease_s};
    return std::unique_ptr<ClusterPart>(new ClusterPart(*std::move(client), member, follower));
}

Status ClusterPart::start(EventLoop& loop, std::function<void()> on_news) {
    auto timer = loop.make_timer([this] { member_.retry(); });
    if (!timer) return timer.error();
    retry_ = *std::move(timer);
    // A command or news may have left something to publish.
    Status status = loop.before_wait([this] {
        if (member_.wants_retry() && !retry_.armed()) retry_.arm(kRetry);
    });
    if (!status) return status;
    auto follower = cluster::Follower::start(follower_settings_);
    if (!follower) return follower.error();
    follower_ = *std::move(follower);
    return loop.on_readable(follower_->fd(), [this, on_news = std::move(on_news)] {
        if (member_.take(follower_->take())) on_news();
    });
}

} // namespace cnet::daemon
