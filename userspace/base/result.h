// Errors are values. Every fallible function returns Result<T>; nothing in this project throws on
// purpose, and a programmer's error aborts through CNET_CHECK.
//
//   Result<int> parse(std::string_view text);
//   auto value = parse(text);
//   if (!value) return value.error().because("reading the limit");
//   use(*value);
#pragma once

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>
#include <variant>

namespace cnet {

// What class of failure this is to whoever asked. The API maps it to an HTTP status, the CLI to an
// exit status.
enum class ErrorKind {
    kInvalid,     // the request itself is wrong: malformed, out of range
    kNotFound,    // names something that does not exist
    kConflict,    // clashes with what exists: taken, overlapping, in use
    kExhausted,   // a pool, a map or a limit is full
    kDenied,      // not permitted
    kSystem,      // the kernel, the disk or a library refused
    kUnavailable, // who decides about it cannot be reached; nothing was done
    kUnknown,     // it was asked for, and whether it was done is not known
};

class Error {
public:
    Error(ErrorKind kind, std::string message, int errno_value = 0)
        : kind_(kind), errno_(errno_value), message_(std::move(message)) {}

    // `attempted` is what was tried, for example "open /run/x"; the text of errno_value is added.
    static Error system(std::string attempted, int errno_value = errno) {
        return {ErrorKind::kSystem, std::move(attempted) + ": " + std::strerror(errno_value),
                errno_value};
    }

    ErrorKind kind() const { return kind_; }
    int errno_value() const { return errno_; }
    const std::string& message() const { return message_; }

    // The same error, with what was attempted around it in front: "attempted: message".
    Error because(std::string_view attempted) const {
        return {kind_, std::string(attempted) + ": " + message_, errno_};
    }

private:
    ErrorKind kind_;
    int errno_;
    std::string message_;
};

template <typename T> class [[nodiscard]] Result {
public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T& operator*() & { return std::get<0>(state_); }
    const T& operator*() const& { return std::get<0>(state_); }
    // By value: `for (auto& one : *read())` keeps what it walks over.
    T operator*() && { return std::get<0>(std::move(state_)); }
    T* operator->() { return &std::get<0>(state_); }
    const T* operator->() const { return &std::get<0>(state_); }
    const Error& error() const { return std::get<1>(state_); }

private:
    std::variant<T, Error> state_;
};

template <> class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : state_(std::move(error)) {}

    explicit operator bool() const { return state_.index() == 0; }
    const Error& error() const { return std::get<1>(state_); }

private:
    std::variant<std::monostate, Error> state_;
};

using Status = Result<void>;

} // namespace cnet

// For what only a programming error can make false.
#define CNET_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition);     \
            std::abort();                                                                          \
        }                                                                                          \
    } while (0)
