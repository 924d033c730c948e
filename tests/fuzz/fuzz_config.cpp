// cnetd.toml.
#include "tests/fuzz/input.h"
#include "userspace/cnetd/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const auto config = cnet::daemon::parse_config(text, "fuzz.toml");
    CNET_CHECK(config || config.error().message().starts_with("fuzz.toml"));
    return 0;
}
