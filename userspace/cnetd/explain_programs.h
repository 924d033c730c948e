// api::ExplainPrograms over the loaded data path.
#pragma once

#include "loader/data_path.h"
#include "userspace/api/handlers.h"

namespace cnet::daemon {

// `data_path` outlives what is returned.
api::ExplainPrograms explain_programs(const loader::DataPath& data_path);

} // namespace cnet::daemon
