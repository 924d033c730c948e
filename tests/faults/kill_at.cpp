// cnet-kill-at PID N: lets the process run, and kills it with SIGKILL just before its Nth step
// (step.h), in whichever of its threads. N 0: never. From outside, by ptrace: what is tested is
// what is shipped.
//
// Prints "ready" once it holds every thread, then each step as it comes, and at the end "killed" or
// "gone". SIGTERM: lets go, the process runs on.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dirent.h>
#include <string>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <vector>

#include "tests/faults/step.h"

namespace {

using cnet::faults::step_of;

constexpr int kSyscallStop = SIGTRAP | 0x80; // with PTRACE_O_TRACESYSGOOD
constexpr int kOptions = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE;

std::vector<pid_t> threads_of(pid_t pid) {
    std::vector<pid_t> threads;
    DIR* folder = opendir(("/proc/" + std::to_string(pid) + "/task").c_str());
    if (!folder) return threads;
    while (const dirent* entry = readdir(folder)) {
        if (const int thread = atoi(entry->d_name); thread > 0) threads.push_back(thread);
    }
    closedir(folder);
    return threads;
}

class Tracer {
public:
    Tracer(pid_t pid, unsigned kill_at) : pid_(pid), kill_at_(kill_at) {}

    // A thread that begins while we look is traced through the one that made it, or seen by the
    // next look.
    bool seize() {
        size_t held = 0;
        for (std::vector<pid_t> all = threads_of(pid_); held != all.size();
             all = threads_of(pid_)) {
            for (const pid_t thread : all) {
                if (ptrace(PTRACE_SEIZE, thread, 0, kOptions) == 0)
                    ptrace(PTRACE_INTERRUPT, thread, 0, 0);
                else if (errno != EPERM) // not one that is held already
                    return false;
            }
            held = all.size();
        }
        return held > 0;
    }

    // All that waits to be seen. False: there is nothing more to come.
    bool run() {
        int status = 0;
        pid_t thread;
        while ((thread = waitpid(-1, &status, __WALL | WNOHANG)) > 0) {
            if (WIFSTOPPED(status)) go_on(thread, status);
        }
        return thread == 0;
    }

    bool killed() const { return killed_; }

private:
    void go_on(pid_t thread, int status) {
        const int signal = WSTOPSIG(status);
        if (signal == kSyscallStop) see(thread);
        if (killed_) return;
        const bool of_tracing = signal == kSyscallStop || (status >> 16) != 0;
        ptrace(PTRACE_SYSCALL, thread, 0, of_tracing ? 0 : signal);
    }

    void see(pid_t thread) {
        __ptrace_syscall_info info{};
        if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof(info), &info) <= 0 ||
            info.op != PTRACE_SYSCALL_INFO_ENTRY)
            return;
        const std::string step = step_of(pid_, info);
        if (step.empty()) return;
        printf("%u %s\n", ++steps_, step.c_str());
        if (steps_ != kill_at_) return;
        // The call does not begin: a tracee that is killed at its entry leaves it there.
        kill(pid_, SIGKILL);
        killed_ = true;
    }

    pid_t pid_;
    unsigned kill_at_;
    unsigned steps_ = 0;
    bool killed_ = false;
};

} // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: cnet-kill-at PID N\n");
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    setvbuf(stdout, nullptr, _IOLBF, 0);

    Tracer tracer(atoi(argv[1]), static_cast<unsigned>(atoi(argv[2])));
    if (!tracer.seize()) {
        fprintf(stderr, "cnet-kill-at: %s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    puts("ready");
    int signal = 0;
    while (tracer.run()) {
        // Whoever is waited for tells by SIGCHLD.
        if (sigwait(&signals, &signal) == 0 && signal == SIGTERM && !tracer.killed()) return 0;
    }
    puts(tracer.killed() ? "killed" : "gone");
    return 0;
}
