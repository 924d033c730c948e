#include "loader/libbpf_log.h"

#include <cstdarg>
#include <cstdio>

namespace cnet::loader {

namespace {

thread_local LibbpfLog* current = nullptr;

} // namespace

LibbpfLog::LibbpfLog() : previous_print_(libbpf_set_print(print)), previous_(current) {
    current = this;
}

LibbpfLog::~LibbpfLog() {
    current = previous_;
    libbpf_set_print(previous_print_);
}

int LibbpfLog::print(libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_DEBUG || current == nullptr) return 0;
    va_list again;
    va_copy(again, arguments);
    int length = std::vsnprintf(nullptr, 0, format, arguments);
    if (length > 0) {
        std::string& text = current->text_;
        size_t before = text.size();
        size_t added = static_cast<size_t>(length);
        text.resize(before + added + 1);
        std::vsnprintf(text.data() + before, added + 1, format, again);
        text.resize(before + added);
    }
    va_end(again);
    return length;
}

std::string LibbpfLog::tail(size_t max_bytes) const {
    size_t end = text_.find_last_not_of('\n');
    if (end == std::string::npos) return "";
    end++;
    if (end <= max_bytes) return text_.substr(0, end);
    size_t begin = text_.find('\n', end - max_bytes);
    begin = begin == std::string::npos || begin >= end ? end - max_bytes : begin + 1;
    return text_.substr(begin, end - begin);
}

} // namespace cnet::loader
