// The tables, and what a file must be before it is used.
#pragma once

#include "userspace/store/sqlite_db.h"

namespace cnet::store {

inline constexpr int64_t kSchemaVersion = 24;

// Sets the connection up (WAL, synchronous=FULL, foreign keys), checks the file and makes its
// tables those of this version.
Status prepare_schema(Database& db);

} // namespace cnet::store
