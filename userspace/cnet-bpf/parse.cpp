#include "userspace/cnet-bpf/parse.h"

#include <algorithm>
#include <cmath>

#include <CLI/CLI.hpp>

#include "userspace/cnet-bpf/text.h"

namespace cnet::cli {
namespace {

using Words = std::vector<std::string>;

constexpr std::string_view kDefaultWatch = "2";
constexpr double kWatchMax = 86400;

Error usage(const std::string& message) {
    return {ErrorKind::kInvalid, message};
}

struct GlobalWords {
    bool help = false;
    Words color, watch, root;
};

std::optional<double> parse_seconds(const std::string& text) {
    if (text.empty() || text.find_first_not_of("0123456789.") != std::string::npos) return {};
    char* end = nullptr;
    double seconds = std::strtod(text.c_str(), &end);
    if (*end != '\0' || !std::isfinite(seconds)) return {};
    return seconds;
}

// `--watch` takes a value only when a number follows, which CLI11 cannot say.
void give_watch_its_value(Words& words) {
    for (size_t i = 0; i < words.size(); i++) {
        if (words[i] != "--watch") continue;
        bool number = i + 1 < words.size() && parse_seconds(words[i + 1]);
        words[i] += "=" + (number ? words[i + 1] : std::string(kDefaultWatch));
        if (number) words.erase(words.begin() + static_cast<Words::difference_type>(i) + 1);
    }
}

// One value each time it is given, whatever the value looks like.
void add_values(CLI::App& app, const std::string& name, Words& values) {
    app.add_option(name, values)->allow_extra_args(false);
}

void add_globals(CLI::App& app, Settings& settings, GlobalWords& globals) {
    app.set_help_flag("");
    app.add_flag("-h,--help", globals.help);
    app.add_flag("-j,--json", settings.json);
    app.add_flag("-p,--pretty", settings.pretty);
    app.add_flag("-s,--stats,--statistics", settings.stats);
    add_values(app, "--color", globals.color);
    add_values(app, "--watch", globals.watch);
    add_values(app, "--root", globals.root);
}

// Returns the words that are no options. What follows the first of them is not looked at when `app`
// is a prefix; anything else that looks like an option is one that nobody declared.
Result<Words> parse_options(CLI::App& app, Words words) {
    std::reverse(words.begin(), words.end()); // as CLI11 wants them
    try {
        app.parse(std::move(words));
    } catch (const CLI::ParseError& error) {
        return usage(error.what());
    }
    Words rest = app.remaining();
    for (const std::string& word : rest) {
        if (word.size() > 1 && word[0] == '-') return usage("unknown option " + word);
        if (app.get_prefix_command()) break;
    }
    return rest;
}

Status apply(const GlobalWords& globals, Settings& settings) {
    if (settings.pretty) settings.json = true;
    if (!globals.root.empty()) {
        if (globals.root.back().empty()) return usage("--root needs a directory");
        settings.root = globals.root.back();
    }
    if (!globals.color.empty()) {
        const std::string& when = globals.color.back();
        if (when == "auto")
            settings.color = ColorChoice::kAuto;
        else if (when == "always")
            settings.color = ColorChoice::kAlways;
        else if (when == "never")
            settings.color = ColorChoice::kNever;
        else
            return usage("--color takes auto, always or never, not '" + when + "'");
    }
    if (!globals.watch.empty()) {
        auto seconds = parse_seconds(globals.watch.back());
        if (!seconds || *seconds < 0.1 || *seconds > kWatchMax) {
            return usage("--watch takes seconds, 0.1 or more, not '" + globals.watch.back() + "'");
        }
        settings.watch = std::chrono::milliseconds(std::llround(*seconds * 1000));
    }
    return {};
}

Status check_value(const Option& option, const std::string& value) {
    std::string name(option.name);
    switch (option.kind) {
    case OptionKind::kSwitch:
        return {};
    case OptionKind::kNumber:
        if (!parse_number(value)) return usage(name + " takes a number, not '" + value + "'");
        return {};
    case OptionKind::kNumberOrAuto:
        if (value != "auto" && !parse_number(value))
            return usage(name + " takes a number or auto, not '" + value + "'");
        return {};
    case OptionKind::kOnOff:
        if (value != "on" && value != "off") {
            return usage(name + " takes on or off, not '" + value + "'");
        }
        return {};
    case OptionKind::kText:
    case OptionKind::kTextOrNone:
        if (value.empty()) return usage(name + " needs a value");
        return {};
    }
    return {};
}

Status check_options(const Verb& verb, const Arguments& arguments) {
    for (const Option& option : verb.options) {
        std::string name(option.name);
        auto given = arguments.options.find(option.name);
        if (given == arguments.options.end()) {
            if (option.required)
                return usage(name + " " + std::string(option.value) + " is missing");
            continue;
        }
        if (given->second.size() > 1 && !option.repeats) return usage(name + " is given twice");
        for (const std::string& value : given->second) {
            if (auto status = check_value(option, value); !status) return status;
        }
    }
    return {};
}

Status check_positionals(const Verb& verb, const Arguments& arguments) {
    size_t most = verb.positionals.size();
    bool open_ended = most > 0 && verb.positionals.back().repeats;
    const Words& given = arguments.positionals;
    if (given.size() > most && !open_ended) return usage("unexpected '" + given[most] + "'");
    for (size_t i = 0; i < most; i++) {
        std::string name(verb.positionals[i].name);
        if (i >= given.size() && verb.positionals[i].required) return usage(name + " is missing");
    }
    for (const std::string& word : given) {
        if (word.empty()) return usage("an argument is empty");
    }
    if (verb.tail == Verb::Tail::kCommand && arguments.command.empty()) {
        return usage("the command is missing: put it after '--'");
    }
    return {};
}

// `words` follow the verb; `tail` followed "--".
Status parse_verb(const Verb& verb, Words words, Words tail, Invocation& invocation,
                  GlobalWords& globals) {
    CLI::App app;
    app.allow_extras();
    add_globals(app, invocation.settings, globals);
    std::map<std::string_view, Words> values;
    std::map<std::string_view, bool> switches;
    for (const Option& option : verb.options) {
        if (option.kind == OptionKind::kSwitch) {
            app.add_flag(std::string(option.name), switches[option.name]);
        } else {
            add_values(app, std::string(option.name), values[option.name]);
        }
    }
    give_watch_its_value(words);
    auto positionals = parse_options(app, std::move(words));
    if (!positionals) return positionals.error();

    Arguments& arguments = invocation.arguments;
    arguments.positionals = std::move(*positionals);
    auto& rest = verb.tail == Verb::Tail::kCommand ? arguments.command : arguments.positionals;
    rest.insert(rest.end(), tail.begin(), tail.end());
    for (auto& [name, given] : values) {
        if (!given.empty()) arguments.options[name] = std::move(given);
    }
    for (auto& [name, on] : switches) {
        if (on) arguments.options[name] = {"on"};
    }
    if (globals.help) return {};
    if (auto status = check_options(verb, arguments); !status) return status;
    return check_positionals(verb, arguments);
}

Result<Words> parse_globals(Words words, Invocation& invocation, GlobalWords& globals) {
    CLI::App app;
    app.prefix_command();
    add_globals(app, invocation.settings, globals);
    bool version = false; // the same as the object
    app.add_flag("-V,--version", version);
    give_watch_its_value(words);
    auto rest = parse_options(app, std::move(words));
    if (rest && version) return Words{"version"};
    return rest;
}

// The object's and the verb's words go from `words`; false when all is said without arguments.
Result<bool> find_command(const Grammar& grammar, Words& words, Invocation& invocation) {
    if (words.empty()) return false;
    if (words[0] == "help") {
        invocation.help = true;
        return false;
    }
    auto object = find_object(grammar, words[0]);
    if (!object) return object.error();
    words.erase(words.begin());
    invocation.object = *object;
    invocation.verb = &(*object)->verbs[0];
    if ((*object)->is_command() || words.empty()) return true;
    if (words[0] == "help" || words[0] == "-h" || words[0] == "--help") {
        invocation.help = true;
        invocation.verb = nullptr;
        return false;
    }
    if (words[0].starts_with('-')) return true;
    auto verb = find_verb(**object, words[0]);
    if (!verb) return verb.error();
    words.erase(words.begin());
    invocation.verb = *verb;
    return true;
}

} // namespace

Result<Invocation> parse(const Grammar& grammar, Words words) {
    auto separator = std::find(words.begin(), words.end(), "--");
    Words tail;
    if (separator != words.end()) {
        tail.assign(separator + 1, words.end());
        words.erase(separator, words.end());
    }

    Invocation invocation;
    GlobalWords globals;
    auto rest = parse_globals(std::move(words), invocation, globals);
    if (!rest) return rest.error();
    auto complete = find_command(grammar, *rest, invocation);
    if (!complete) return complete.error();
    if (*complete) {
        auto status =
            parse_verb(*invocation.verb, std::move(*rest), std::move(tail), invocation, globals);
        if (!status) {
            return usage(status.error().message() +
                         " (usage: " + short_usage(*invocation.object, *invocation.verb) + ")");
        }
    }
    if (auto status = apply(globals, invocation.settings); !status) return status.error();
    invocation.help = invocation.help || globals.help;
    if (invocation.settings.watch && invocation.verb &&
        invocation.verb->repeat != Verb::Repeat::kWatch) {
        return usage("--watch repeats lists alone");
    }
    return invocation;
}

} // namespace cnet::cli
