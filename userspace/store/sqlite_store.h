// The store of a single host: one SQLite file in WAL mode with synchronous=FULL, so that a commit
// is on disk when it returns. The schema's version is in user_version: a newer one is refused, a
// damaged file is an error, never reset.
#pragma once

#include <filesystem>

#include "userspace/store/sqlite_db.h"
#include "userspace/store/store.h"

namespace cnet::store {

class SqliteStore final : public Store {
public:
    // `directory` is made when absent; the file in it is cnetd.sqlite.
    static Result<std::unique_ptr<SqliteStore>> open(const std::filesystem::path& directory);

    Result<Snapshot> load() override;
    Status commit(const std::vector<Mutation>& mutations) override;

private:
    explicit SqliteStore(Database db) : db_(std::move(db)) {}

    Database db_;
};

} // namespace cnet::store
