#include "userspace/store/sqlite_store.h"

#include "userspace/store/sqlite_load.h"
#include "userspace/store/sqlite_schema.h"
#include "userspace/store/sqlite_write.h"

namespace cnet::store {

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::filesystem::path& directory) {
    std::error_code failed;
    std::filesystem::create_directories(directory, failed);
    if (failed) return Error::system("make directory " + directory.string(), failed.value());
    const auto path = directory / "cnetd.sqlite";
    auto db = Database::open(path);
    if (!db) return db.error().because("open " + path.string());
    auto status = prepare_schema(*db);
    if (!status) return status.error().because(path.string());
    return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(*db)));
}

Result<Snapshot> SqliteStore::load() {
    auto snapshot = load_snapshot(db_);
    if (!snapshot) return snapshot.error().because("load the state");
    return snapshot;
}

Status SqliteStore::commit(const std::vector<Mutation>& mutations) {
    auto transaction = Transaction::begin(db_);
    if (!transaction) return transaction.error().because("write the state");
    for (const Mutation& mutation : mutations) {
        auto status = write_mutation(db_, mutation);
        if (!status) return status.error().because("write the state");
    }
    auto status = transaction->commit();
    if (!status) return status.error().because("write the state");
    return {};
}

} // namespace cnet::store
