// The JSON library, included through here so that one precompiled header serves the whole program.
// Objects keep their order: what the daemon answers is what `-j` prints.
#pragma once

#include <nlohmann/json.hpp>

namespace cnet::cli {

using Json = nlohmann::ordered_json;

} // namespace cnet::cli
