#include "userspace/cnet-bpf/context.h"

#include <ostream>

#include "userspace/cnet-bpf/text.h"

namespace cnet::cli {

int Context::fail(ExitStatus status, std::string_view message) const {
    err << "cnet-bpf: " << printable(message) << std::endl;
    return status;
}

int Context::fail(const Error& error) const {
    return fail(error.kind() == ErrorKind::kNotFound ? kNotFound : kRefused, error.message());
}

void Context::print_json(const Json& document) const {
    out << document.dump(settings.pretty ? 2 : -1, ' ', true, Json::error_handler_t::replace)
        << "\n";
}

} // namespace cnet::cli
