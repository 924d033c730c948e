// What libbpf says while one of these lives, kept instead of printed: its messages explain a
// refused program. libbpf has one print function for the whole process and gives it no context, so
// the current capture is a thread-local.
#pragma once

#include <string>

#include <bpf/libbpf.h>

namespace cnet::loader {

class LibbpfLog {
public:
    LibbpfLog();
    ~LibbpfLog();
    LibbpfLog(const LibbpfLog&) = delete;
    LibbpfLog& operator=(const LibbpfLog&) = delete;

    // The end of it, whole lines, at most about `max_bytes`.
    std::string tail(size_t max_bytes = 2000) const;

private:
    static int print(libbpf_print_level level, const char* format, va_list arguments);

    libbpf_print_fn_t previous_print_;
    LibbpfLog* previous_;
    std::string text_;
};

} // namespace cnet::loader
