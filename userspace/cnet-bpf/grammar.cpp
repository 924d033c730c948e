#include "userspace/cnet-bpf/grammar.h"

#include <algorithm>

namespace cnet::cli {
namespace {

std::string join(const std::vector<std::string_view>& words) {
    std::string result;
    for (std::string_view word : words) {
        if (!result.empty()) result += ", ";
        result += word;
    }
    return result;
}

bool is_hidden(const Object& object) {
    return object.hidden;
}

bool is_hidden(const Verb&) {
    return false;
}

// `names_of(item)` are the words for an item; two words of one item do not clash.
template <typename Item, typename NamesOf>
Result<const Item*> find(const std::vector<Item>& items, std::string_view word,
                         std::string_view what, NamesOf names_of) {
    std::vector<std::string_view> all, matches;
    const Item* match = nullptr;
    for (const Item& item : items) {
        auto names = names_of(item);
        if (std::find(names.begin(), names.end(), word) != names.end()) return &item;
        if (is_hidden(item)) continue;
        all.push_back(names[0]);
        bool fits = std::any_of(names.begin(), names.end(),
                                [&](std::string_view name) { return name.starts_with(word); });
        if (!fits || word.empty()) continue;
        matches.push_back(names[0]);
        match = &item;
    }
    std::string quoted = std::string(what) + " '" + std::string(word) + "'";
    if (matches.empty()) {
        return Error(ErrorKind::kNotFound, "unknown " + quoted + "; there are: " + join(all));
    }
    if (matches.size() > 1) {
        return Error(ErrorKind::kInvalid, quoted + " could be any of: " + join(matches));
    }
    return match;
}

std::string padded(std::string text, size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

std::string with_value(const Option& option) {
    std::string text(option.name);
    if (option.kind != OptionKind::kSwitch) text += " " + std::string(option.value);
    return text;
}

std::string usage(const Object& object, const Verb& verb, const std::string& options) {
    std::string text = "cnet-bpf " + std::string(object.name);
    if (!object.is_command()) text += " " + std::string(verb.names[0]);
    for (const Positional& positional : verb.positionals) {
        std::string name(positional.name);
        if (!positional.required) name = "[" + name + "]";
        text += " " + name + (positional.repeats ? "..." : "");
    }
    text += options;
    if (verb.tail == Verb::Tail::kCommand) text += " -- COMMAND [ARGUMENT]...";
    return text;
}

constexpr std::string_view kGlobalOptions =
    "Options, before the object or after the verb:\n"
    "  -j, --json         what the API answers, one JSON document a line\n"
    "  -p, --pretty       JSON for people to read; implies -j\n"
    "  -s, --stats        more columns\n"
    "  --color WHEN       auto (the default), always or never\n"
    "  --watch[=SECONDS]  repeat a list until interrupted, every 2 seconds unless told otherwise\n"
    "  --root DIR         the host whose files are below DIR; CNET_ROOT does the same\n"
    "  -h, --help         this text, or that of the object or the verb before it\n"
    "  -V, --version      as `cnet-bpf version`\n";

} // namespace

Result<const Object*> find_object(const Grammar& grammar, std::string_view word) {
    return find(grammar, word, "object",
                [](const Object& object) { return std::vector<std::string_view>{object.name}; });
}

Result<const Verb*> find_verb(const Object& object, std::string_view word) {
    auto verb = find(object.verbs, word, "verb", [](const Verb& item) { return item.names; });
    if (!verb) return verb.error().because(object.name);
    return verb;
}

std::string help_text(const Grammar& grammar) {
    std::string text = "Usage: cnet-bpf [OPTIONS] OBJECT [VERB] [ARGUMENTS]\n"
                       "\n"
                       "Objects and verbs may be abbreviated: `cnet-bpf net ls`, `cnet-bpf port p`."
                       "\nlist, show and ls are the same; an object without a verb is listed.\n"
                       "\n"
                       "Objects:\n";
    for (const Object& object : grammar) {
        if (object.hidden) continue;
        text += "  " + padded(std::string(object.name), 10) + std::string(object.help) + "\n";
    }
    return text + "\n" + std::string(kGlobalOptions) +
           "\n"
           "`cnet-bpf OBJECT --help` lists an object's verbs.\n"
           "Exit status: 0 done, 1 usage, 2 refused, 3 not found, 4 cnetd unreachable.\n";
}

std::string usage_line(const Object& object, const Verb& verb) {
    std::string options;
    for (const Option& option : verb.options) {
        std::string shown = with_value(option);
        if (!option.required) shown = "[" + shown + "]";
        options += " " + shown + (option.repeats ? "..." : "");
    }
    return usage(object, verb, options);
}

std::string short_usage(const Object& object, const Verb& verb) {
    return usage(object, verb, verb.options.empty() ? "" : " [OPTION]...");
}

std::string help_text(const Object& object) {
    if (object.is_command()) return help_text(object, object.verbs[0]);
    std::string text = std::string(object.help) + "\n\n";
    for (const Verb& verb : object.verbs) {
        text += usage_line(object, verb) + "\n    " + std::string(verb.help) + "\n";
    }
    return text;
}

std::string help_text(const Object& object, const Verb& verb) {
    std::string text =
        "Usage: " + usage_line(object, verb) + "\n\n" + std::string(verb.help) + "\n";
    if (verb.names.size() > 1)
        text += "\nSame as: " + join({verb.names.begin() + 1, verb.names.end()}) + "\n";
    if (!verb.options.empty()) text += "\n";
    for (const Option& option : verb.options) {
        text += "  " + padded(with_value(option), 24) + std::string(option.help) + "\n";
    }
    return text + "\n" + std::string(kGlobalOptions);
}

} // namespace cnet::cli
