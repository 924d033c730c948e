#include "tools/benchmark/worker/options.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace cnet::bench {
namespace {

constexpr struct {
    std::string_view name;
    Work work;
} kWorks[] = {
    {"rr", Work::kRr},         {"crr", Work::kCrr},     {"stream", Work::kStream},
    {"udp", Work::kDatagrams}, {"flows", Work::kFlows}, {"churn", Work::kChurn},
    {"http", Work::kHttp},
};

Error invalid(std::string_view name, std::string_view value) {
    return {ErrorKind::kInvalid,
            std::string(name) + ": not understood: '" + std::string(value) + "'"};
}

template <typename Number, typename... Format>
Status parse_number(std::string_view name, std::string_view text, Number& number,
                    Format... format) {
    const char* end = text.data() + text.size();
    const auto parsed = std::from_chars(text.data(), end, number, format...);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return invalid(name, text);
    return {};
}

Status parse_option(std::string_view name, const char* value, Options& options) {
    const std::string_view text = value;
    if (name == "--mode") {
        const auto* work = std::find_if(std::begin(kWorks), std::end(kWorks),
                                        [&](const auto& one) { return one.name == text; });
        if (work == std::end(kWorks)) return invalid(name, text);
        options.work = work->work;
        return {};
    }
    if (name == "--address" && text.find(':') != text.npos) {
        if (inet_pton(AF_INET6, value, &options.address6.emplace()) != 1)
            return invalid(name, text);
        return {};
    }
    if (name == "--address" || name == "--sources") {
        in_addr& where = name == "--address" ? options.address : options.sources;
        if (inet_pton(AF_INET, value, &where) != 1) return invalid(name, text);
        return {};
    }
    if (name == "--port") return parse_number(name, text, options.port);
    if (name == "--token") return parse_number(name, text, options.token, 16);
    if (name == "--cpu") return parse_number(name, text, options.cpu);
    if (name == "--nice") return parse_number(name, text, options.nice);
    if (name == "--seconds") return parse_number(name, text, options.seconds);
    if (name == "--connections") return parse_number(name, text, options.connections);
    if (name == "--rate") return parse_number(name, text, options.rate);
    if (name == "--flows") return parse_number(name, text, options.flows);
    return invalid("option", name);
}

} // namespace

Result<Options> parse_options(int argc, char** argv) {
    Options options;
    const std::string_view role = argc > 1 ? argv[1] : "";
    if (role != "server" && role != "client") return invalid("server or client", role);
    options.role = role == "server" ? Role::kServer : Role::kClient;
    for (int i = 2; i < argc; i += 2) {
        if (i + 1 == argc) return invalid(argv[i], "no value");
        const Status parsed = parse_option(argv[i], argv[i + 1], options);
        if (!parsed) return parsed.error();
    }
    const bool by_tcp =
        options.work == Work::kRr || options.work == Work::kCrr || options.work == Work::kStream;
    if (options.address6 && !by_tcp)
        return Error(ErrorKind::kInvalid, "--address: this mode has IPv4 alone");
    return options;
}

} // namespace cnet::bench
