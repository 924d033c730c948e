// One mutation of the store as SQL, inside the caller's transaction.
#pragma once

#include "userspace/store/sqlite_db.h"
#include "userspace/store/store.h"

namespace cnet::store {

Status write_mutation(Database& db, const Mutation& mutation);

} // namespace cnet::store
