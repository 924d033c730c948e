#include "maps/pin_path.h"

#include <charconv>

#include "maps/reasons.h"

namespace cnet::maps {

std::filesystem::path map_dir(const std::filesystem::path& pins) {
    return pins / "maps";
}
std::filesystem::path maps_aside_dir(const std::filesystem::path& pins) {
    return pins / "maps_aside";
}
std::filesystem::path prog_dir(const std::filesystem::path& pins) {
    return pins / "progs";
}
std::filesystem::path link_dir(const std::filesystem::path& pins) {
    return pins / "links";
}
std::filesystem::path filter_dir(const std::filesystem::path& pins) {
    return pins / "filters";
}

std::filesystem::path map_pin(const std::filesystem::path& pins, std::string_view map) {
    return map_dir(pins) / map;
}

std::filesystem::path prog_pin(const std::filesystem::path& pins, std::string_view program) {
    return prog_dir(pins) / program;
}

std::filesystem::path link_pin(const std::filesystem::path& pins, HookDevice where) {
    return link_dir(pins) / hook_device_name(where);
}

std::filesystem::path filter_pin(const std::filesystem::path& pins, HookDevice where) {
    return filter_dir(pins) / hook_device_name(where);
}

std::string hook_device_name(HookDevice where) {
    return std::string(hook_name(where.hook)) + "-" + std::to_string(where.ifindex);
}

std::optional<HookDevice> parse_hook_device(std::string_view name) {
    size_t dash = name.rfind('-');
    if (dash == std::string_view::npos) return std::nullopt;
    auto hook = parse_hook(name.substr(0, dash));
    if (!hook) return std::nullopt;
    HookDevice where{*hook, 0};
    const char* end = name.data() + name.size();
    auto [stop, error] = std::from_chars(name.data() + dash + 1, end, where.ifindex);
    // The round trip refuses "007" and an index too large for one.
    if (error != std::errc() || stop != end || hook_device_name(where) != name) return std::nullopt;
    return where;
}

} // namespace cnet::maps
