#include "userspace/cnetd/event_loop.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>

#include <csignal>

#include "userspace/base/unique_fd.h"

namespace cnet::daemon {
namespace {

using namespace std::chrono_literals;

class EventLoopTest : public testing::Test {
protected:
    EventLoopTest() {
        auto loop = EventLoop::open();
        EXPECT_TRUE(loop) << loop.error().message();
        loop_ = *std::move(loop);
    }

    std::unique_ptr<EventLoop> loop_;
};

TEST_F(EventLoopTest, CallsForADescriptor) {
    UniqueFd fd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
    bool called = false;
    ASSERT_TRUE(loop_->on_readable(fd.get(), [&] {
        called = true;
        loop_->stop();
    }));
    ASSERT_TRUE(loop_->run());
    EXPECT_TRUE(called);
}

TEST_F(EventLoopTest, CallsForASignal) {
    ASSERT_TRUE(loop_->on_signal(SIGUSR1, [&] { loop_->stop(); }));
    raise(SIGUSR1);
    EXPECT_TRUE(loop_->run());
}

TEST_F(EventLoopTest, FiresATimerOnceForEachArming) {
    int fired = 0;
    Timer timer;
    auto end = loop_->make_timer([&] { loop_->stop(); });
    ASSERT_TRUE(end);
    auto made = loop_->make_timer([&] {
        if (++fired == 1)
            timer.arm(0ms);
        else
            end->arm(20ms); // long enough for a third time, were there one
    });
    ASSERT_TRUE(made);
    timer = *made;
    EXPECT_FALSE(timer.armed());
    timer.arm(0ms);
    EXPECT_TRUE(timer.armed());
    ASSERT_TRUE(loop_->run());
    EXPECT_EQ(fired, 2);
    EXPECT_FALSE(timer.armed());
}

TEST_F(EventLoopTest, DoesNotFireADisarmedTimer) {
    auto never = loop_->make_timer([] { FAIL() << "fired"; });
    auto end = loop_->make_timer([&] { loop_->stop(); });
    ASSERT_TRUE(never && end);
    never->arm(1ms);
    never->disarm();
    end->arm(50ms);
    EXPECT_TRUE(loop_->run());
}

// A timer that sd-event may put off by its usual 250 ms would take 25 seconds.
TEST_F(EventLoopTest, FiresTimersWhenTheyAreDue) {
    int left = 100;
    Timer timer;
    auto made = loop_->make_timer([&] {
        if (--left == 0) return loop_->stop();
        timer.arm(0ms);
    });
    ASSERT_TRUE(made);
    timer = *made;
    timer.arm(0ms);
    auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(loop_->run());
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 12s);
}

TEST_F(EventLoopTest, PreparesBeforeEachWait) {
    int prepared = 0;
    auto timer = loop_->make_timer([&] { loop_->stop(); });
    ASSERT_TRUE(timer);
    // A timer that is armed here counts for the wait that follows.
    ASSERT_TRUE(loop_->before_wait([&] {
        if (++prepared == 1) timer->arm(1ms);
    }));
    EXPECT_TRUE(loop_->run());
    EXPECT_GE(prepared, 1);
}

} // namespace
} // namespace cnet::daemon
