// What a shell may complete: words of the grammar itself, and names that the daemon knows. The
// scripts hand over the words so far; whatever goes wrong completes nothing.
#include <net/if.h>

#include <algorithm>
#include <ostream>
#include <set>

#include "maps/flow_names.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/pins.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

using Words = std::vector<std::string>;

// The last word of the line is the one to complete, and may be empty.
constexpr const char* kBash = R"(# bash completion for cnet-bpf
_cnet_bpf() {
    local IFS=$'\n'
    COMPREPLY=()
    local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
    mapfile -t COMPREPLY < <(cnet-bpf __complete -- "${words[@]}" 2>/dev/null)
}
complete -o default -F _cnet_bpf cnet-bpf
)";

constexpr const char* kZsh = R"(#compdef cnet-bpf
_cnet_bpf() {
    local -a candidates
    candidates=("${(@f)$(cnet-bpf __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
    candidates=(${candidates:#})
    if (( ${#candidates} )); then compadd -a candidates; else _files; fi
}
compdef _cnet_bpf cnet-bpf
)";

constexpr const char* kFish = R"(# fish completion for cnet-bpf
function __cnet_bpf
    set -l words (commandline -opc) (commandline -ct)
    cnet-bpf __complete -- $words[2..-1] 2>/dev/null
end
complete -c cnet-bpf -f -a '(__cnet_bpf)'
)";

const Words kGlobals = {"--json", "--pretty", "--stats", "--color", "--watch", "--root", "--help"};

// As main() reads them, without a complaint.
bool takes_value(const std::string& option) {
    return option == "--color" || option == "--root";
}

Words split(std::string_view text) {
    Words parts;
    while (!text.empty()) {
        const size_t end = std::min(text.find('|'), text.size());
        parts.emplace_back(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

Words names_in(Context& context, const std::string& target, const char* key = "name") {
    Words names;
    Reply reply = context.api.get(target);
    if (!reply.ok() || !reply.body.is_array()) return names;
    for (const Json& one : reply.body)
        names.push_back(text_at(one, key));
    return names;
}

Words devices() {
    Words names;
    struct if_nameindex* list = if_nameindex();
    for (auto* one = list; one && one->if_index != 0; one++)
        names.emplace_back(one->if_name);
    if (list) if_freenameindex(list);
    return names;
}

Words map_names(const Context& context) {
    Words names;
    auto list = list_maps(context.paths.pins);
    if (!list) return names;
    for (const Json& map : *list)
        names.push_back(text_at(map, "name"));
    return names;
}

// What a word of this kind may be; NAME is the object's own.
Words values_of(Context& context, const Object& object, std::string_view kind) {
    if (kind == "NETWORK" || (kind == "NAME" && object.name == "network"))
        return names_in(context, "/v1/networks");
    if (kind == "ENDPOINT" || (kind == "NAME" && object.name == "endpoint"))
        return names_in(context, "/v1/endpoints");
    if (kind == "NAME" && object.name == "sandbox") return names_in(context, "/v1/sandboxes");
    if (kind == "NAME" && object.name == "map") return map_names(context);
    if (kind == "NAME|PATH") return names_in(context, "/v1/sandboxes");
    if (kind == "HOSTADDR") return names_in(context, "/v1/peers", "address");
    if (kind == "NAME|HOSTADDR") return names_in(context, "/v1/endpoints");
    if (kind == "BRIDGE" && object.name == "release")
        return names_in(context, "/v1/adopted", "bridge");
    if (kind == "DEV" || kind == "BRIDGE") return devices();
    if (kind == "SHELL") return {"bash", "zsh", "fish"};
    if (kind == "FILTER")
        return {"proto", "src", "dst", "sport", "dport", "network", "endpoint", "state", "type"};
    if (kind == "EVENTS")
        return {"drops",   "flows", "macs",   "packets", "endpoint", "device",
                "network", "hook",  "reason", "proto",   "addr",     "port"};
    if (kind.find('|') != kind.npos) return split(kind);
    return {};
}

Words of_option(Context& context, const Object& object, const Option& option) {
    if (option.kind == OptionKind::kOnOff) return {"on", "off"};
    if (option.kind == OptionKind::kNumberOrAuto) return {"auto"};
    return values_of(context, object, option.value);
}

Words words_of(const std::vector<std::string_view>& names) {
    return {names.begin(), names.end()};
}

Words of_filter(Context& context, const Object& object, const std::string& last) {
    if (last == "proto") return words_of(maps::protocol_names());
    if (last == "state") return words_of(maps::flow_states());
    if (last == "type") return words_of(maps::flow_types());
    if (last == "network") return values_of(context, object, "NETWORK");
    if (last == "endpoint") return values_of(context, object, "ENDPOINT");
    return {};
}

// The first words of a packet; the rest is addresses.
Words of_packet(Context& context, const Object& object, size_t position, const std::string& last) {
    if (position == 0) return {"from", "in"};
    if (last == "from") return values_of(context, object, "ENDPOINT");
    if (last == "in") return names_in(context, "/v1/uplinks", "device");
    return position == 2 ? Words{"tcp", "udp", "icmp", "arp"} : Words{};
}

// `words` follow the verb, the last one is to be completed.
Words of_verb(Context& context, const Object& object, const Verb& verb, const Words& words) {
    size_t position = 0;
    const Option* open = nullptr; // waits for its value
    for (size_t i = 0; i + 1 < words.size(); i++) {
        if (words[i] == "--") return {};
        const bool was_value = open != nullptr;
        open = nullptr;
        if (was_value) continue;
        if (!words[i].starts_with('-')) {
            position++;
            continue;
        }
        auto option = std::find_if(verb.options.begin(), verb.options.end(),
                                   [&](const Option& one) { return one.name == words[i]; });
        if (option != verb.options.end() && option->kind != OptionKind::kSwitch) open = &*option;
    }
    if (open) return of_option(context, object, *open);
    Words candidates;
    if (words.back().starts_with('-')) {
        for (const Option& option : verb.options)
            candidates.emplace_back(option.name);
        candidates.insert(candidates.end(), kGlobals.begin(), kGlobals.end());
        return candidates;
    }
    if (verb.positionals.empty()) return {};
    const bool repeats = verb.positionals.back().repeats;
    if (position >= verb.positionals.size() && !repeats) return {};
    const Positional& positional =
        verb.positionals[std::min(position, verb.positionals.size() - 1)];
    if (positional.name == "FILTER" && position % 2 == 1)
        return of_filter(context, object, words[words.size() - 2]);
    if (positional.name == "EVENTS" && position)
        if (Words fits = of_filter(context, object, words[words.size() - 2]); !fits.empty())
            return fits;
    if (positional.name == "PACKET")
        return of_packet(context, object, position, position ? words[words.size() - 2] : "");
    // A new name is nobody's yet.
    if (verb.names[0] == "create" && positional.name == "NAME") return {};
    return values_of(context, object, positional.name);
}

Words complete(Context& context, Words words) {
    if (words.empty()) words.emplace_back();
    const Grammar grammar = whole_grammar();
    // Options before the object.
    while (words.size() > 1 && words[0].starts_with('-')) {
        const bool two = takes_value(words[0]) && words.size() > 2;
        words.erase(words.begin(), words.begin() + (two ? 2 : 1));
    }
    if (words.size() == 1) {
        if (words[0].starts_with('-')) {
            Words options = kGlobals;
            options.emplace_back("--version");
            return options;
        }
        Words names;
        for (const Object& object : grammar) {
            if (!object.hidden) names.emplace_back(object.name);
        }
        return names;
    }
    auto object = find_object(grammar, words[0]);
    if (!object) return {};
    words.erase(words.begin());
    if ((*object)->is_command()) return of_verb(context, **object, (*object)->verbs[0], words);
    if (words.size() == 1) {
        Words names;
        for (const Verb& verb : (*object)->verbs)
            names.emplace_back(verb.names[0]);
        return names;
    }
    auto verb = find_verb(**object, words[0]);
    if (!verb) return {};
    words.erase(words.begin());
    return of_verb(context, **object, **verb, words);
}

int run_complete(Context& context, const Verb&, const Arguments& arguments) {
    Words words = arguments.command;
    const std::string prefix = words.empty() ? "" : words.back();
    const Words candidates = complete(context, std::move(words));
    for (const std::string& word : std::set<std::string>(candidates.begin(), candidates.end())) {
        if (word.starts_with(prefix)) context.out << word << "\n";
    }
    return kDone;
}

int print_script(Context& context, const Verb&, const Arguments& arguments) {
    const std::string& shell = arguments.positionals[0];
    if (shell == "bash") {
        context.out << kBash;
    } else if (shell == "zsh") {
        context.out << kZsh;
    } else if (shell == "fish") {
        context.out << kFish;
    } else {
        return context.fail(kUsage, "completion is for bash, zsh or fish, not '" + shell + "'");
    }
    return kDone;
}

} // namespace

Object completion_object() {
    return {"completion",
            "a script that makes a shell complete cnet-bpf's words",
            {{{""},
              "Prints the script for bash, zsh or fish; names of networks, endpoints and sandboxes "
              "are asked of cnetd.",
              {{"SHELL"}},
              {},
              print_script}}};
}

Object complete_object() {
    Object object{"__complete",
                  "what the last word may be",
                  {{{""},
                    "Prints what the last of the words may be, one a line: for the scripts of "
                    "`completion`.",
                    {},
                    {},
                    run_complete,
                    Verb::Repeat::kNever,
                    Verb::Tail::kCommand}}};
    object.hidden = true;
    return object;
}

} // namespace cnet::cli
