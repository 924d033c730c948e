#include <sched.h>
#include <unistd.h>

#include <ostream>

#include "userspace/base/names.h"
#include "userspace/base/netns.h"
#include "userspace/cnet-bpf/objects.h"
#include "userspace/cnet-bpf/view.h"

namespace cnet::cli {
namespace {

constexpr const char* kSandboxes = "/v1/sandboxes";

View sandbox_view() {
    return {
        {"NAME", key("name"), Align::kLeft, true},
        {"ENDPOINTS", key("endpoints"), Align::kRight},
        {"PATH", key("path"), Align::kLeft, true},
    };
}

int list(Context& context, const Verb&, const Arguments&) {
    return show_list(context, kSandboxes, sandbox_view());
}

int create(Context& context, const Verb&, const Arguments& arguments) {
    return change(
        context, "POST", kSandboxes, {{"name", arguments.positionals[0]}}, [](const Json& sandbox) {
            return "sandbox " + text_at(sandbox, "name") + ": " + text_at(sandbox, "path");
        });
}

int remove(Context& context, const Verb&, const Arguments& arguments) {
    return change(context, "DELETE", member(kSandboxes, arguments.positionals[0]), {});
}

// Where the daemon keeps the sandbox; without a daemon, where it would.
Reply path_of(Context& context, const std::string& name) {
    Reply reply = get_list(context, kSandboxes);
    if (reply.status == kUnreachable) {
        if (!valid_name(name)) return {kRefused, "'" + name + "' cannot be a sandbox's name", {}};
        return {kDone, {}, (context.paths.netns / name).native()};
    }
    if (!reply.ok()) return reply;
    for (const Json& sandbox : reply.body) {
        if (text_at(sandbox, "name") == name) return {kDone, {}, text_at(sandbox, "path")};
    }
    return {kNotFound, "no sandbox '" + name + "'", {}};
}

// Becomes the command; comes back only when it cannot.
int execute(Context& context, const std::vector<std::string>& command) {
    std::vector<char*> arguments;
    for (const std::string& word : command) {
        arguments.push_back(const_cast<char*>(word.c_str())); // execvp changes nothing
    }
    arguments.push_back(nullptr);
    context.out.flush();
    context.api.disconnect();
    execvp(arguments[0], arguments.data());
    int error = errno;
    return context.fail(error == ENOENT ? kNoSuchCommand : kCannotExecute,
                        Error::system("cannot run " + command[0], error).message());
}

int exec(Context& context, const Verb&, const Arguments& arguments) {
    const std::string& name = arguments.positionals[0];
    Reply path = path_of(context, name);
    if (!path.ok()) return context.fail(path);
    auto netns = open_netns(text_of(path.body));
    if (!netns) return context.fail(netns.error().because("sandbox " + name));
    if (setns(netns->get(), CLONE_NEWNET) != 0) {
        return context.fail(Error::system("cannot enter sandbox " + name));
    }
    return execute(context, arguments.command);
}

} // namespace

Object sandbox_object() {
    return {
        "sandbox",
        "network namespaces that cnetd owns",
        {
            {{"list", "show", "ls"}, "Every sandbox.", {}, {}, list, Verb::Repeat::kWatch},
            {{"create", "add"}, "Makes a network namespace with lo up.", {{"NAME"}}, {}, create},
            {{"delete"}, "Removes a sandbox and its endpoints.", {{"NAME"}}, {}, remove},
            {{"exec"},
             "Runs a command in a sandbox's network; also while cnetd is dead. The exit status "
             "is the command's, 127 when there is no such command.",
             {{"NAME"}},
             {},
             exec,
             Verb::Repeat::kNever,
             Verb::Tail::kCommand},
        }};
}

} // namespace cnet::cli
