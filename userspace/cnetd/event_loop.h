// The daemon's one loop, over sd-event: descriptors, timers and signals to callbacks, one after the
// other on one thread. What was added stays until the loop is destroyed.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <memory>

#include "userspace/base/result.h"

struct sd_event;
struct sd_event_source;

namespace cnet::daemon {

// A handle to a timer of the loop, valid while the loop lives. It fires once after being armed and
// may be armed again.
class Timer {
public:
    // Of no loop yet: assign what make_timer() gives.
    Timer() = default;

    // A timer that is armed already is set anew.
    void arm(std::chrono::microseconds delay);
    void disarm();
    bool armed() const;

private:
    friend class EventLoop;
    explicit Timer(sd_event_source* source) : source_(source) {}

    sd_event_source* source_ = nullptr; // the loop's
};

class EventLoop {
public:
    using Callback = std::function<void()>;

    static Result<std::unique_ptr<EventLoop>> open();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;
    ~EventLoop();

    Status on_readable(int fd, Callback callback);
    // Blocks the signal's usual effect from here on.
    Status on_signal(int signal, Callback callback);
    Result<Timer> make_timer(Callback callback);
    // Each time before the loop waits.
    Status before_wait(Callback callback);
    // Keeps systemd's watchdog content while the loop turns, where the unit has one.
    Status feed_watchdog();

    // Until stop().
    Status run();
    void stop();

private:
    struct Source {
        Callback callback;
        sd_event_source* handle = nullptr;
    };

    explicit EventLoop(sd_event* event) : event_(event) {}
    Source& add(Callback callback);

    sd_event* event_;
    std::list<Source> sources_; // addresses are what sd-event hands back
};

} // namespace cnet::daemon
