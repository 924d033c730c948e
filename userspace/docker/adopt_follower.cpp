#include "userspace/docker/adopt_follower.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "userspace/docker/adopt_picture.h"

namespace cnet::docker {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kAnswerMax = 10s;
// Docker lists a container that has ended as running for a while after the last of its events, and
// rules change without any: what changed is looked at again, less and less often.
constexpr milliseconds kPeriodMin = 500ms;
constexpr milliseconds kPeriodMax = 30s;
constexpr milliseconds kPauseMin = 100ms;
constexpr milliseconds kPauseMax = 2s;
// A container that starts is half a dozen events.
constexpr milliseconds kSettleMin = 30ms;
constexpr milliseconds kSettleMax = 2s;

// What a look may find changed. {"type":["network","container"],"event":[...]}, encoded.
const std::string kEvents =
    "/events?filters=%7B%22type%22%3A%5B%22network%22%2C%22container%22%5D%2C%22event%22%3A%5B"
    "%22create%22%2C%22destroy%22%2C%22remove%22%2C%22update%22%2C%22connect%22%2C%22disconnect%22"
    "%2C%22start%22%2C%22die%22%2C%22rename%22%2C%22pause%22%2C%22unpause%22%2C%22restart%22"
    "%5D%7D";

void set_event(int fd) {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = write(fd, &one, sizeof(one));
}

void clear_event(int fd) {
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t cleared = read(fd, &count, sizeof(count));
}

// Which of them is readable, by number; -1: none within the time.
template <size_t N> int first_readable(const std::array<int, N>& fds, milliseconds time) {
    std::array<pollfd, N> all{};
    for (size_t i = 0; i < N; i++)
        all[i] = {fds[i], POLLIN, 0};
    if (poll(all.data(), N, static_cast<int>(time.count())) <= 0) return -1;
    for (size_t i = 0; i < N; i++)
        if (all[i].revents != 0) return static_cast<int>(i);
    return -1;
}

} // namespace

Result<std::unique_ptr<AdoptFollower>> AdoptFollower::open(std::filesystem::path socket) {
    std::array<UniqueFd, 3> events;
    for (UniqueFd& event : events) {
        event = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
        if (!event) return Error::system("eventfd");
    }
    return std::unique_ptr<AdoptFollower>(new AdoptFollower(
        std::move(socket), std::move(events[0]), std::move(events[1]), std::move(events[2])));
}

void AdoptFollower::start() {
    if (!runs()) thread_ = std::thread([this] { run(); });
}

void AdoptFollower::stop() {
    if (!runs()) return;
    set_event(stop_event_.get());
    thread_.join();
    for (const UniqueFd* event : {&stop_event_, &look_event_, &news_event_})
        clear_event(event->get());
    news_.reset();
}

void AdoptFollower::look() {
    set_event(look_event_.get());
}

std::optional<DockerNews> AdoptFollower::take() {
    clear_event(news_event_.get());
    const std::lock_guard lock(mutex_);
    return std::exchange(news_, {});
}

void AdoptFollower::post(DockerNews news) {
    {
        const std::lock_guard lock(mutex_);
        news_.emplace(std::move(news));
    }
    set_event(news_event_.get());
}

bool AdoptFollower::is_stopping() const {
    return first_readable(std::array{stop_event_.get()}, 0ms) == 0;
}

void AdoptFollower::run() {
    milliseconds pause = kPauseMin;
    while (true) {
        answered_ = false;
        Error ended = follow();
        if (is_stopping()) return;
        post(std::move(ended));
        pause = answered_ ? kPauseMin : std::min(2 * pause, kPauseMax);
        if (first_readable(std::array{stop_event_.get()}, pause) == 0) return;
    }
}

Error AdoptFollower::follow() {
    const int stop = stop_event_.get();
    // Before the first look, so that nothing falls between.
    auto events = EngineStream::get(socket_, kEvents, stop, steady_clock::now() + kAnswerMax);
    if (!events) return events.error();
    auto info = ask_engine(socket_, "/info", stop, steady_clock::now() + kAnswerMax);
    if (!info) return info.error();
    period_ = kPeriodMin;
    while (true) {
        const auto begin = steady_clock::now();
        auto seen = look_at(*info);
        if (!seen) return seen.error();
        answered_ = true;
        post(std::move(seen));
        look_took_ = std::chrono::ceil<milliseconds>(steady_clock::now() - begin);
        if (Status waited = wait_for_events(*events); !waited) return waited.error();
    }
}

DockerNews AdoptFollower::look_at(const std::string& info) const {
    const int stop = stop_event_.get();
    const auto deadline = steady_clock::now() + kAnswerMax;
    auto networks = ask_engine(socket_, "/networks", stop, deadline);
    if (!networks) return networks.error();
    auto containers = ask_engine(socket_, "/containers/json", stop, deadline);
    if (!containers) return containers.error();
    Answers answers{*std::move(networks), *std::move(containers), info, {}, {}, {}, {}};
    for (auto [program, rules] : {std::pair("iptables-save", &answers.rules4),
                                  std::pair("ip6tables-save", &answers.rules6)}) {
        auto saved = output_of(program, stop, deadline);
        if (saved)
            *rules = *std::move(saved);
        else
            answers.unknown = saved.error().message();
    }
    answers.chains = netlink::read_hooked_chains();
    // One that has ended meanwhile has no page, and no ports.
    for (const std::string& id : containers_to_ask(answers))
        if (auto page = ask_engine(socket_, "/containers/" + id + "/json", stop, deadline))
            answers.inspected.push_back(*std::move(page));
    return picture_of(answers);
}

Status AdoptFollower::wait_for_events(EngineStream& events) {
    const std::array<int, 3> all{stop_event_.get(), look_event_.get(), events.fd()};
    auto until = steady_clock::now() + period_;
    // From the first event on; never more than a fifth of the time is spent looking.
    const milliseconds settle = std::clamp(4 * look_took_, kSettleMin, kSettleMax);
    bool settling = false;
    period_ = std::min(2 * period_, kPeriodMax);
    while (true) {
        const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now());
        const int ready = left > 0ms ? first_readable(all, left) : -1;
        if (ready == 0) return Error(ErrorKind::kSystem, "it is to end", ECANCELED);
        if (ready < 0) {
            if (steady_clock::now() < until) continue;
            return {};
        }
        if (ready == 1) clear_event(look_event_.get());
        if (ready == 2) {
            auto more = events.receive(steady_clock::now() + kAnswerMax);
            if (!more) return more.error();
            if (!*more) return Error(ErrorKind::kSystem, "Docker has ended its events");
            events.take();
        }
        if (std::exchange(settling, true)) continue;
        until = steady_clock::now() + settle;
        period_ = std::max(kPeriodMin, settle);
    }
}

} // namespace cnet::docker
