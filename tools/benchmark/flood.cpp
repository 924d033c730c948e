// Frames as a driver's ring would hand them to an XDP program, on one CPU: BPF_PROG_TEST_RUN with
// live frames (Linux 5.18, b530e9e1063e). What the program passes goes on into the stack as from
// the device. With a rate, in a burst a millisecond that preempts whatever runs, as interrupts
// would.
//
//   cnet-bench-flood PIN IFINDEX CPU SECONDS RATE FRAME     (RATE 0: as fast as it goes; FRAME in
//                                                            hexadecimal)
//
// Prints {"packets", "cpu_seconds"}: its own time, in which the stack's work on them is, too.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sched.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

constexpr uint32_t kAtOnce = 4096; // packets of one system call, without a rate
constexpr auto kTick = std::chrono::milliseconds(1);
constexpr size_t kSourcePortOff = 34; // of IPv4 without options: each call is another flow
constexpr size_t kFrameMin = 60;

struct Options {
    const char* pin;
    uint32_t ifindex;
    int cpu;
    double seconds;
    uint64_t rate;
    std::vector<uint8_t> frame;
};

int fail(const char* what) {
    std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
    return 1;
}

std::vector<uint8_t> bytes_of(std::string_view hex) {
    std::vector<uint8_t> bytes;
    for (size_t i = 0; i + 1 < hex.size(); i += 2) {
        const std::array<char, 3> digits{hex[i], hex[i + 1], 0};
        bytes.push_back(static_cast<uint8_t>(std::strtoul(digits.data(), nullptr, 16)));
    }
    if (bytes.size() < kFrameMin) bytes.resize(kFrameMin);
    return bytes;
}

class Flood {
public:
    Flood(int program, const Options& options) : program_(program), frame_(options.frame) {
        context_.data_end = static_cast<uint32_t>(frame_.size());
        context_.ingress_ifindex = options.ifindex;
        // Elsewhere than the run before, whose connections may stand.
        std::random_device random;
        frame_[kSourcePortOff] = static_cast<uint8_t>(random());
        frame_[kSourcePortOff + 1] = static_cast<uint8_t>(random());
    }

    bool send(uint64_t count) {
        bpf_test_run_opts run{};
        run.sz = sizeof(run);
        run.data_in = frame_.data();
        run.data_size_in = static_cast<uint32_t>(frame_.size());
        run.ctx_in = &context_;
        run.ctx_size_in = sizeof(context_);
        run.repeat = static_cast<int>(count);
        run.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
        if (++frame_[kSourcePortOff + 1] == 0) frame_[kSourcePortOff]++;
        if (bpf_prog_test_run_opts(program_, &run) != 0) return false;
        sent_ += count;
        return true;
    }

    uint64_t sent() const { return sent_; }

private:
    int program_;
    std::vector<uint8_t> frame_;
    xdp_md context_{};
    uint64_t sent_ = 0;
};

bool settle(const Options& options) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(static_cast<size_t>(options.cpu), &cpus);
    if (::sched_setaffinity(0, sizeof(cpus), &cpus) != 0) return false;
    const sched_param first{1};
    return options.rate == 0 || ::sched_setscheduler(0, SCHED_FIFO, &first) == 0;
}

bool send_all(Flood& flood, const Options& options) {
    const std::chrono::duration<double> whole(options.seconds);
    const auto begin = Clock::now();
    for (auto next = begin; Clock::now() - begin < whole;) {
        if (options.rate == 0) {
            if (!flood.send(kAtOnce)) return false;
            continue;
        }
        const std::chrono::duration<double> passed = Clock::now() - begin;
        const auto due = static_cast<uint64_t>(passed.count() * static_cast<double>(options.rate));
        if (due > flood.sent() && !flood.send(due - flood.sent())) return false;
        next += kTick;
        std::this_thread::sleep_until(next);
    }
    return true;
}

int run(const Options& options) {
    const int program = bpf_obj_get(options.pin);
    if (program < 0) return fail(options.pin);
    if (!settle(options)) return fail("take the CPU");
    Flood flood(program, options);
    if (!send_all(flood, options)) return fail("run live frames");
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    std::printf("{\"packets\": %llu, \"cpu_seconds\": %.6f}\n",
                static_cast<unsigned long long>(flood.sent()),
                static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 7) {
        std::fprintf(stderr, "usage: %s PIN IFINDEX CPU SECONDS RATE FRAME\n", argv[0]);
        return 1;
    }
    return run({argv[1], static_cast<uint32_t>(std::strtoul(argv[2], nullptr, 10)),
                std::atoi(argv[3]), std::atof(argv[4]), std::strtoull(argv[5], nullptr, 10),
                bytes_of(argv[6])});
}
