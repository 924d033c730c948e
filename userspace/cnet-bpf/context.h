// What every command is given: settings, places, the API and where to print.
#pragma once

#include <iosfwd>
#include <string_view>

#include "userspace/base/paths.h"
#include "userspace/cnet-bpf/api.h"
#include "userspace/cnet-bpf/parse.h"
#include "userspace/cnet-bpf/table.h"

namespace cnet::cli {

struct Context {
    const Settings& settings;
    const Paths& paths;
    Api& api;
    std::ostream& out;
    std::ostream& err;
    Screen screen;

    // "cnet-bpf: message" on stderr; returns the status.
    int fail(ExitStatus status, std::string_view message) const;
    int fail(const Reply& reply) const { return fail(reply.status, reply.message); }
    // Of something that we did ourselves, without the daemon.
    int fail(const Error& error) const;
    // A document on a line, or on many with --pretty. Whatever is not ASCII is escaped.
    void print_json(const Json& document) const;
};

// One JSON array, element by element: for what is too long to be held as a whole. It ends with
// finish(); without it, as after an error, the output is no whole document.
class JsonArrayPrinter {
public:
    explicit JsonArrayPrinter(const Context& context) : context_(context) {}
    void add(const Json& element);
    void finish();

private:
    const Context& context_;
    bool empty_ = true;
};

} // namespace cnet::cli
