// The grammar as data: objects, their verbs, each verb's arguments, and the function that does it.
// objects.h has one function an object; everything else here (abbreviations, --help) follows from
// the tables.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "userspace/base/result.h"
#include "userspace/cnet-bpf/exit_status.h"

namespace cnet::cli {

struct Context;

enum class OptionKind {
    kSwitch, // no value: true
    kText,
    kTextOrNone, // "none" takes the setting away
    kNumber,
    kNumberOrAuto,
    kOnOff,
};

struct Option {
    std::string_view name; // "--mtu"
    OptionKind kind;
    std::string_view value; // what --help calls it: "N"
    std::string_view help;
    std::string_view key; // of the request's body
    bool repeats = false; // key holds an array
    bool required = false;
};

struct Positional {
    std::string_view name; // "NETWORK"
    bool required = true;
    bool repeats = false; // the last one only
};

// What a command line gave one verb; every value has the form that its kind asks for.
struct Arguments {
    std::vector<std::string> positionals;
    std::map<std::string_view, std::vector<std::string>> options; // by Option::name
    std::vector<std::string> command;                             // after "--"

    std::optional<std::string> positional(size_t index) const {
        if (index >= positionals.size()) return {};
        return positionals[index];
    }
};

struct Verb {
    enum class Repeat { kNever, kWatch }; // kWatch: --watch may repeat it
    enum class Tail { kNone, kCommand };  // kCommand: "-- COMMAND..." belongs to it

    std::vector<std::string_view> names; // the first is the one that --help shows
    std::string_view help;
    std::vector<Positional> positionals;
    std::vector<Option> options;
    int (*run)(Context& context, const Verb& verb, const Arguments& arguments);
    Repeat repeat = Repeat::kNever;
    Tail tail = Tail::kNone;
};

// An object whose only verb has the name "" is a command by itself.
struct Object {
    std::string_view name;
    std::string_view help;
    std::vector<Verb> verbs; // the first is what the object alone means

    bool hidden = false; // neither in --help nor in what an error says there is

    bool is_command() const { return verbs.size() == 1 && verbs[0].names[0].empty(); }
};

using Grammar = std::vector<Object>;

// By name or by a prefix that fits one alone. kNotFound and kInvalid say what there is.
Result<const Object*> find_object(const Grammar& grammar, std::string_view word);
Result<const Verb*> find_verb(const Object& object, std::string_view word);

// Texts for --help.
std::string help_text(const Grammar& grammar);
std::string help_text(const Object& object);
std::string help_text(const Object& object, const Verb& verb);
// "cnet-bpf network create NAME [--subnet CIDR]..."
std::string usage_line(const Object& object, const Verb& verb);
// The same with "[OPTION]..." for all of the options.
std::string short_usage(const Object& object, const Verb& verb);

} // namespace cnet::cli
