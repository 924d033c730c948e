#include "userspace/store/sqlite_db.h"

#include <sqlite3.h>

namespace cnet::store {

namespace {

// How long another process (a backup, the sqlite3 tool) may hold the file before we answer "busy".
constexpr int kBusyTimeoutMs = 1000;

Error sqlite_error(sqlite3* db, int result) {
    switch (result & 0xff) {
    case SQLITE_FULL:
        return {ErrorKind::kExhausted, "the disk that holds the state is full", ENOSPC};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return {ErrorKind::kSystem, "another process holds the state file", EBUSY};
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return {ErrorKind::kSystem,
                std::string("the state file is damaged (") + sqlite3_errmsg(db) +
                    "); restore it from a backup, or move it away to begin anew"};
    default:
        return {ErrorKind::kSystem, sqlite3_errmsg(db)};
    }
}

} // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
    sqlite3_finalize(statement);
}

Statement& Statement::bind(int64_t value) {
    int result = sqlite3_bind_int64(statement_.get(), ++bound_, value);
    if (bind_result_ == SQLITE_OK) bind_result_ = result;
    return *this;
}

Statement& Statement::bind(const std::string& value) {
    int result = sqlite3_bind_text(statement_.get(), ++bound_, value.data(),
                                   static_cast<int>(value.size()), SQLITE_TRANSIENT);
    if (bind_result_ == SQLITE_OK) bind_result_ = result;
    return *this;
}

Statement& Statement::bind(const std::optional<std::string>& value) {
    if (value) return bind(*value);
    int result = sqlite3_bind_null(statement_.get(), ++bound_);
    if (bind_result_ == SQLITE_OK) bind_result_ = result;
    return *this;
}

Statement& Statement::bind(const std::optional<int64_t>& value) {
    return value ? bind(*value) : bind(std::optional<std::string>());
}

Result<bool> Statement::step() {
    if (bind_result_ != SQLITE_OK) return sqlite_error(db_, bind_result_);
    column_ = 0;
    int result = sqlite3_step(statement_.get());
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    return sqlite_error(db_, result);
}

Status Statement::run() {
    auto row = step();
    if (!row) return row.error();
    return {};
}

int64_t Statement::next_int() {
    return sqlite3_column_int64(statement_.get(), column_++);
}

std::string Statement::next_text() {
    return next_optional_text().value_or(std::string());
}

std::optional<std::string> Statement::next_optional_text() {
    const int column = column_++;
    const unsigned char* text = sqlite3_column_text(statement_.get(), column);
    if (!text) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(text),
                       static_cast<size_t>(sqlite3_column_bytes(statement_.get(), column)));
}

void Database::Close::operator()(sqlite3* db) const {
    sqlite3_close_v2(db);
}

Result<Database> Database::open(const std::filesystem::path& path) {
    sqlite3* raw = nullptr;
    int result = sqlite3_open_v2(path.c_str(), &raw,
                                 SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_EXRESCODE,
                                 nullptr);
    std::unique_ptr<sqlite3, Close> db(raw); // also on failure, as SQLite asks
    if (!db) return Error(ErrorKind::kSystem, "SQLite is out of memory", ENOMEM);
    if (result != SQLITE_OK) return sqlite_error(db.get(), result);
    sqlite3_busy_timeout(db.get(), kBusyTimeoutMs);
    return Database(std::move(db));
}

Result<Statement> Database::prepare(std::string_view sql) {
    sqlite3_stmt* statement = nullptr;
    int result = sqlite3_prepare_v2(db_.get(), sql.data(), static_cast<int>(sql.size()), &statement,
                                    nullptr);
    if (result != SQLITE_OK) return sqlite_error(db_.get(), result);
    return Statement(db_.get(), statement);
}

Status Database::execute(const char* sql) {
    int result = sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr);
    if (result != SQLITE_OK) return sqlite_error(db_.get(), result);
    return {};
}

Result<int64_t> Database::query_int(std::string_view sql) {
    auto statement = prepare(sql);
    if (!statement) return statement.error();
    auto row = statement->step();
    if (!row) return row.error();
    return *row ? statement->next_int() : 0;
}

Result<Transaction> Transaction::begin(Database& db) {
    auto status = db.execute("BEGIN IMMEDIATE");
    if (!status) return status.error();
    return Transaction(db);
}

Status Transaction::commit() {
    auto status = db_->execute("COMMIT");
    if (status) db_ = nullptr; // else the destructor rolls back
    return status;
}

Transaction::~Transaction() {
    if (!db_) return;
    // SQLite has rolled back by itself after some errors (full disk, I/O); then this answers "no
    // transaction", which is the state wanted.
    static_cast<void>(static_cast<bool>(db_->execute("ROLLBACK")));
}

} // namespace cnet::store
