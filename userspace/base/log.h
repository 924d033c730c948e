// Logging to stderr. One message is one line: control characters are escaped. Works before
// set_up_log(), at kInfo and in plain style.
#pragma once

#include <string>
#include <string_view>

#include "userspace/base/result.h"

namespace cnet {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

enum class LogStyle {
    kPlain,   // time and level in words
    kJournal, // sd-daemon(3) "<6>" prefixes; the journal adds the time
};

// "debug", "info", "warning" ("warn"), "error".
Result<LogLevel> parse_log_level(std::string_view text);
// kJournal when stderr is the journal's (JOURNAL_STREAM names it).
LogStyle detect_log_style();
void set_up_log(LogLevel level, LogStyle style);

void log_debug(const std::string& message);
void log_info(const std::string& message);
void log_warning(const std::string& message);
void log_error(const std::string& message);

} // namespace cnet
