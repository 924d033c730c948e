// The JSON library; objects keep their order, so that results read as the specification has them.
#pragma once

#include <nlohmann/json.hpp>

namespace cnet::plugin {

using Json = nlohmann::ordered_json;

} // namespace cnet::plugin
