// Text for people: nothing that others chose (names, paths) can steer a terminal, columns are
// counted in characters, quantities are short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cnet::cli {

// Control and text-direction characters and invalid UTF-8 as \xNN or \uNNNN; all else as it is.
std::string printable(std::string_view text);

// Of printable() text: code points. Double-width characters count one.
size_t display_width(std::string_view text);
// The first `width` columns, the last of them an ellipsis when something is cut off.
std::string clip(std::string_view text, size_t width);

std::string human_seconds(uint64_t seconds); // "45s", "3m20s", "2h5m", "3d4h"
std::string human_bytes(uint64_t bytes);     // "512B", "1.5KiB", "20MiB"

// Decimal digits alone.
std::optional<uint64_t> parse_number(std::string_view text);

// RFC 3986: all but unreserved characters as %NN, so that any name is one path part or one value.
std::string url_encode(std::string_view text);

} // namespace cnet::cli
