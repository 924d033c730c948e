// Reads the whole state back.
#pragma once

#include "userspace/store/sqlite_db.h"
#include "userspace/store/store.h"

namespace cnet::store {

// kSystem, naming the object, when something in the file does not parse.
Result<Snapshot> load_snapshot(Database& db);

} // namespace cnet::store
