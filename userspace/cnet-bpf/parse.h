// From the words of a command line to what it asks for. Abbreviations are grammar.h's; options are
// read by CLI11, whose own errors become our sentences here.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/cnet-bpf/grammar.h"

namespace cnet::cli {

enum class ColorChoice { kAuto, kAlways, kNever };

struct Settings {
    bool json = false;
    bool pretty = false; // implies json
    bool stats = false;
    ColorChoice color = ColorChoice::kAuto;
    std::optional<std::chrono::milliseconds> watch;
    std::optional<std::string> root;
};

struct Invocation {
    Settings settings;
    bool help = false;
    const Object* object = nullptr; // null: nothing but options was given
    const Verb* verb = nullptr;     // null: help for the object
    Arguments arguments;
};

// An error is a sentence for a usage error; the invocation points into `grammar`.
Result<Invocation> parse(const Grammar& grammar, std::vector<std::string> words);

} // namespace cnet::cli
