#include "userspace/cnet-bpf/context.h"

#include <ostream>

#include "userspace/cnet-bpf/text.h"

namespace cnet::cli {
namespace {

std::string json_text(const Json& document, const Settings& settings) {
    return document.dump(settings.pretty ? 2 : -1, ' ', true, Json::error_handler_t::replace);
}

} // namespace

int Context::fail(ExitStatus status, std::string_view message) const {
    err << "cnet-bpf: " << printable(message) << std::endl;
    return status;
}

int Context::fail(const Error& error) const {
    return fail(error.kind() == ErrorKind::kNotFound ? kNotFound : kRefused, error.message());
}

void Context::print_json(const Json& document) const {
    out << json_text(document, settings) << "\n";
}

void JsonArrayPrinter::add(const Json& element) {
    const bool pretty = context_.settings.pretty;
    std::string text = json_text(element, context_.settings);
    // Pretty text has line breaks between values alone.
    for (size_t at = 0; pretty && (at = text.find('\n', at)) != std::string::npos; at++) {
        text.insert(at + 1, "  ");
    }
    context_.out << (empty_ ? "[" : ",") << (pretty ? "\n  " : "") << text;
    empty_ = false;
}

void JsonArrayPrinter::finish() {
    if (empty_) {
        context_.out << "[]\n";
    } else {
        context_.out << (context_.settings.pretty ? "\n]\n" : "]\n");
    }
}

} // namespace cnet::cli
