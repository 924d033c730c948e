// What cnetd answers a client: in one piece and cut at any place it is the same, or wrong, alike.
#include <string>

#include "tests/fuzz/input.h"
#include "userspace/client/http_body.h"

namespace cnet::client {
namespace {

struct Outcome {
    bool good = false;
    bool whole = false;
    std::string body;

    bool operator==(const Outcome&) const = default;
};

Outcome read_body(const HttpHead& head, std::string_view first, std::string_view second) {
    HttpBody body(head);
    Outcome outcome;
    outcome.good = body.add(first) && (second.empty() || body.add(second));
    if (!outcome.good) return {};
    outcome.whole = body.is_whole();
    outcome.body = body.take();
    return outcome;
}

void check(std::string_view text) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return;
    const auto head = parse_head(text.substr(0, end));
    if (!head) return;
    const std::string_view rest = text.substr(end + 4);
    const Outcome at_once = read_body(*head, rest, {});
    for (size_t cut = 1; cut < std::min<size_t>(rest.size(), 64); cut++)
        CNET_CHECK(read_body(*head, rest.substr(0, cut), rest.substr(cut)) == at_once);
}

} // namespace
} // namespace cnet::client

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    cnet::client::check({reinterpret_cast<const char*>(data), size});
    return 0;
}
