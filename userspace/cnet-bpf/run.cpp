#include "userspace/cnet-bpf/run.h"

#include <filesystem>
#include <ostream>
#include <thread>

#include "userspace/cnet-bpf/context.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/text.h"

namespace cnet::cli {
namespace {

std::string help_for(const Grammar& grammar, const Invocation& invocation) {
    if (!invocation.object) return help_text(grammar);
    if (!invocation.verb) return help_text(*invocation.object);
    return help_text(*invocation.object, *invocation.verb);
}

Screen screen_for(const Settings& settings, const Environment& environment) {
    Screen screen{environment.columns, false, environment.terminal};
    if (settings.color == ColorChoice::kAlways) screen.color = true;
    if (settings.color == ColorChoice::kAuto) {
        screen.color = environment.terminal && !environment.no_color;
    }
    return screen;
}

struct Host {
    Paths paths;
    std::string start_hint;
};

Host host_of(const Settings& settings, const Environment& environment) {
    std::string root = settings.root.value_or(environment.root.value_or(""));
    if (root.empty() || root == "/")
        return {Paths::system(), "Start it with `systemctl start cnetd`"};
    std::error_code error;
    auto absolute = std::filesystem::absolute(root, error);
    if (error) absolute = root;
    return {Paths::below(absolute), "Start it with `cnetd --root " + absolute.native() + "`"};
}

// Ends by a signal, or when the command fails in a way that waiting does not mend.
int repeat(Context& context, const Invocation& invocation) {
    for (bool first = true;; first = false) {
        if (context.screen.clears && !context.settings.json) {
            context.out << "\033[H\033[2J";
        } else if (!first && !context.settings.json) {
            context.out << "\n";
        }
        int status = invocation.verb->run(context, *invocation.verb, invocation.arguments);
        context.out.flush();
        if ((status != kDone && status != kUnreachable) || !context.out) return status;
        std::this_thread::sleep_for(*context.settings.watch);
    }
}

int execute(const Invocation& invocation, const Environment& environment, std::ostream& out,
            std::ostream& err) {
    const Settings& settings = invocation.settings;
    Host host = host_of(settings, environment);
    Api api(host.paths.socket, host.start_hint);
    Context context{settings, host.paths, api, out, err, screen_for(settings, environment)};
    if (settings.watch) return repeat(context, invocation);
    return invocation.verb->run(context, *invocation.verb, invocation.arguments);
}

} // namespace

int run(const std::vector<std::string>& words, const Environment& environment, std::ostream& out,
        std::ostream& err) {
    Grammar grammar = whole_grammar();
    auto invocation = parse(grammar, words);
    if (!invocation) {
        err << "cnet-bpf: " << printable(invocation.error().message()) << std::endl;
        return kUsage;
    }
    int status = kDone;
    if (invocation->help) {
        out << help_for(grammar, *invocation);
    } else if (!invocation->object) {
        err << help_text(grammar);
        status = kUsage;
    } else {
        status = execute(*invocation, environment, out, err);
    }
    out.flush();
    if (!out) {
        err << "cnet-bpf: cannot write the output" << std::endl;
        return kRefused;
    }
    return status;
}

} // namespace cnet::cli
