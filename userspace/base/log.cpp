#include "userspace/base/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>

namespace cnet {
namespace {

// syslog(3) priorities, which sd-daemon(3) reads from "<N>" at the start of a line.
class JournalPriority final : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg& message, const std::tm&,
                spdlog::memory_buf_t& out) override {
        out.push_back('<');
        out.push_back(priority(message.level));
        out.push_back('>');
    }
    std::unique_ptr<spdlog::custom_flag_formatter> clone() const override {
        return std::make_unique<JournalPriority>();
    }

private:
    static char priority(spdlog::level::level_enum level) {
        switch (level) {
        case spdlog::level::debug:
            return '7';
        case spdlog::level::warn:
            return '4';
        case spdlog::level::err:
            return '3';
        default:
            return '6';
        }
    }
};

std::unique_ptr<spdlog::pattern_formatter> formatter(LogStyle style) {
    auto made = std::make_unique<spdlog::pattern_formatter>();
    if (style == LogStyle::kJournal)
        made->add_flag<JournalPriority>('*').set_pattern("%*%v");
    else
        made->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    return made;
}

spdlog::logger& logger() {
    static const auto made = [] {
        auto fresh = std::make_shared<spdlog::logger>(
            "cnet", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        fresh->set_formatter(formatter(LogStyle::kPlain));
        fresh->flush_on(spdlog::level::trace);
        return fresh;
    }();
    return *made;
}

spdlog::level::level_enum spdlog_level(LogLevel level) {
    switch (level) {
    case LogLevel::kDebug:
        return spdlog::level::debug;
    case LogLevel::kWarning:
        return spdlog::level::warn;
    case LogLevel::kError:
        return spdlog::level::err;
    case LogLevel::kInfo:
        break;
    }
    return spdlog::level::info;
}

std::string on_one_line(const std::string& message) {
    std::string line;
    line.reserve(message.size());
    for (const char c : message) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= ' ' && byte != 0x7f) {
            line += c;
        } else {
            char escaped[5];
            std::snprintf(escaped, sizeof(escaped), "\\x%02x", byte);
            line += escaped;
        }
    }
    return line;
}

void write(spdlog::level::level_enum level, const std::string& message) {
    if (logger().should_log(level)) logger().log(level, on_one_line(message));
}

} // namespace

Result<LogLevel> parse_log_level(std::string_view text) {
    if (text == "debug") return LogLevel::kDebug;
    if (text == "info") return LogLevel::kInfo;
    if (text == "warning" || text == "warn") return LogLevel::kWarning;
    if (text == "error") return LogLevel::kError;
    return Error(ErrorKind::kInvalid,
                 "no log level \"" + std::string(text) + "\": use debug, info, warning or error");
}

LogStyle detect_log_style() {
    const char* stream = std::getenv("JOURNAL_STREAM");
    struct stat own {};
    if (!stream || fstat(STDERR_FILENO, &own) != 0) return LogStyle::kPlain;
    const auto expected = std::to_string(own.st_dev) + ":" + std::to_string(own.st_ino);
    return stream == expected ? LogStyle::kJournal : LogStyle::kPlain;
}

void set_up_log(LogLevel level, LogStyle style) {
    logger().set_formatter(formatter(style));
    logger().set_level(spdlog_level(level));
}

void log_debug(const std::string& message) {
    write(spdlog::level::debug, message);
}

void log_info(const std::string& message) {
    write(spdlog::level::info, message);
}

void log_warning(const std::string& message) {
    write(spdlog::level::warn, message);
}

void log_error(const std::string& message) {
    write(spdlog::level::err, message);
}

} // namespace cnet
