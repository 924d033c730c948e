// All objects on one set of maps: on the pinned one, or on one that is made from it because its
// layout is not this version's, or its sizes are not those of the settings.
#pragma once

#include <string>
#include <vector>

#include "loader/object.h"
#include "loader/settle.h"
#include "userspace/base/result.h"

namespace cnet::loader {

// Warns of maps that were made anew, and of those whose size should have changed and did not.
// kExhausted, and the former maps are back, when those of another version do not fit.
// finish_migration() is the caller's, once programs run on what is returned.
Result<std::vector<Object>> load_objects(Settled settled, const std::vector<ObjectImage>& images,
                                         const ObjectSettings& settings,
                                         std::vector<std::string>& warnings);

} // namespace cnet::loader
