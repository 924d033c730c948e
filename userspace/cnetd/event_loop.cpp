#include "userspace/cnetd/event_loop.h"

#include <csignal>
#include <sys/epoll.h>
#include <systemd/sd-event.h>

namespace cnet::daemon {
namespace {

// sd-event returns negative errno values.
Status checked(int result, const char* attempted) {
    if (result < 0) return Error::system(attempted, -result);
    return {};
}

void call(void* callback) {
    (*static_cast<EventLoop::Callback*>(callback))();
}

int on_io(sd_event_source*, int, uint32_t, void* callback) {
    call(callback);
    return 0;
}

int on_time(sd_event_source*, uint64_t, void* callback) {
    call(callback);
    return 0;
}

int on_signal_event(sd_event_source*, const signalfd_siginfo*, void* callback) {
    call(callback);
    return 0;
}

int on_prepare(sd_event_source*, void* callback) {
    call(callback);
    return 0;
}

} // namespace

void Timer::arm(std::chrono::microseconds delay) {
    sd_event_source_set_time_relative(source_, static_cast<uint64_t>(delay.count()));
    sd_event_source_set_enabled(source_, SD_EVENT_ONESHOT);
}

void Timer::disarm() {
    sd_event_source_set_enabled(source_, SD_EVENT_OFF);
}

bool Timer::armed() const {
    return sd_event_source_get_enabled(source_, nullptr) > 0;
}

Result<std::unique_ptr<EventLoop>> EventLoop::open() {
    sd_event* event = nullptr;
    if (Status status = checked(sd_event_new(&event), "make an event loop"); !status)
        return status.error();
    return std::unique_ptr<EventLoop>(new EventLoop(event));
}

EventLoop::~EventLoop() {
    for (Source& source : sources_)
        sd_event_source_disable_unref(source.handle);
    sd_event_unref(event_);
}

EventLoop::Source& EventLoop::add(Callback callback) {
    sources_.push_back({std::move(callback), nullptr});
    return sources_.back();
}

Status EventLoop::on_readable(int fd, Callback callback) {
    Source& source = add(std::move(callback));
    return checked(sd_event_add_io(event_, &source.handle, fd, EPOLLIN, &on_io, &source.callback),
                   "watch a descriptor");
}

Status EventLoop::on_signal(int signal, Callback callback) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    if (sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return Error::system("block a signal");
    Source& source = add(std::move(callback));
    return checked(
        sd_event_add_signal(event_, &source.handle, signal, &on_signal_event, &source.callback),
        "watch a signal");
}

Result<Timer> EventLoop::make_timer(Callback callback) {
    Source& source = add(std::move(callback));
    // On time: with accuracy 0 sd-event would put it off by up to 250 ms, to wake up less often.
    constexpr uint64_t kAccuracyUs = 1;
    Status status = checked(sd_event_add_time_relative(event_, &source.handle, CLOCK_MONOTONIC, 0,
                                                       kAccuracyUs, &on_time, &source.callback),
                            "make a timer");
    if (!status) return status.error();
    Timer timer(source.handle);
    timer.disarm();
    return timer;
}

Status EventLoop::before_wait(Callback callback) {
    // Prepare callbacks belong to an enabled source; this one never fires by itself.
    Source& source = add(std::move(callback));
    Status status = checked(sd_event_add_time(event_, &source.handle, CLOCK_MONOTONIC, UINT64_MAX,
                                              0, &on_time, &source.callback),
                            "make a timer");
    if (!status) return status;
    return checked(sd_event_source_set_prepare(source.handle, &on_prepare), "prepare to wait");
}

Status EventLoop::feed_watchdog() {
    return checked(sd_event_set_watchdog(event_, 1), "set up the watchdog");
}

Status EventLoop::run() {
    return checked(sd_event_loop(event_), "run the event loop");
}

void EventLoop::stop() {
    sd_event_exit(event_, 0);
}

} // namespace cnet::daemon
