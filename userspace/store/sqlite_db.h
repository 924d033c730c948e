// A thin RAII layer over sqlite3: errors as values, statements that finalize themselves.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "userspace/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace cnet::store {

// Bound and read by position: parameters in the order of bind(), columns in the order of the calls.
class Statement {
public:
    Statement& bind(int64_t value);
    Statement& bind(const std::string& value);
    Statement& bind(const std::optional<std::string>& value); // none is NULL
    Statement& bind(const std::optional<int64_t>& value);

    // True: a row is there. False: done.
    Result<bool> step();
    // For what answers no rows.
    Status run();

    // Of the current row, left to right.
    int64_t next_int();
    std::string next_text();
    std::optional<std::string> next_optional_text();

private:
    friend class Database;
    struct Finalize {
        void operator()(sqlite3_stmt* statement) const;
    };
    Statement(sqlite3* db, sqlite3_stmt* statement) : db_(db), statement_(statement) {}

    sqlite3* db_;
    std::unique_ptr<sqlite3_stmt, Finalize> statement_;
    int bound_ = 0;
    int column_ = 0;
    int bind_result_ = 0; // SQLITE_OK, or what the first failing bind said: step() answers it
};

class Database {
public:
    // Created when absent, in an existing directory.
    static Result<Database> open(const std::filesystem::path& path);

    Result<Statement> prepare(std::string_view sql);
    Status execute(const char* sql);
    Result<int64_t> query_int(std::string_view sql); // the first column of the first row

private:
    struct Close {
        void operator()(sqlite3* db) const;
    };
    explicit Database(std::unique_ptr<sqlite3, Close> db) : db_(std::move(db)) {}

    std::unique_ptr<sqlite3, Close> db_;
};

// Commits when told to; rolls back otherwise.
class Transaction {
public:
    static Result<Transaction> begin(Database& db);
    Status commit();

    Transaction(Transaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
    Transaction& operator=(Transaction&&) = delete;
    ~Transaction();

private:
    explicit Transaction(Database& db) : db_(&db) {}

    Database* db_;
};

} // namespace cnet::store
