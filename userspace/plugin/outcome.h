// A value, or the error that the runtime reads on stdout (CNI specification, "Error"): the codes
// are an interface, which the kinds of cnet::Error are too coarse for.
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "userspace/base/result.h"

namespace cnet::plugin {

enum class Code : unsigned {
    kVersion = 1,
    kUnsupportedField = 2,
    kNoContainer = 3, // the runtime need not clean up
    kEnvironment = 4,
    kIo = 5,
    kDecode = 6,
    kConfig = 7,
    kTryAgain = 11,
    kNotAvailable = 50, // STATUS alone
    // From here on they are ours: docs/cni.md.
    kTaken = 100,
    kExhausted = 101,
    kRefused = 102, // by the kernel or the daemon
    kDiffers = 103, // CHECK
    kIpam = 104,    // the IPAM plugin failed without saying why
};

struct Fault {
    Code code;
    std::string message;
    std::string details = {};
};

template <typename T = std::monostate> class [[nodiscard]] Outcome {
public:
    Outcome() requires std::same_as<T, std::monostate>
    = default;
    Outcome(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Outcome(Fault fault) : state_(std::in_place_index<1>, std::move(fault)) {}

    explicit operator bool() const { return state_.index() == 0; }
    T& operator*() & { return std::get<0>(state_); }
    const T& operator*() const& { return std::get<0>(state_); }
    T&& operator*() && { return std::get<0>(std::move(state_)); }
    T* operator->() { return &std::get<0>(state_); }
    const T* operator->() const { return &std::get<0>(state_); }
    const Fault& fault() const { return std::get<1>(state_); }

private:
    std::variant<T, Fault> state_;
};

using Done = Outcome<>;

} // namespace cnet::plugin
