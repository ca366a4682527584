// SQLite with statements that bind and read by type.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "espalier/error.h"

namespace espalier::server {

// The records or the files of jobs cannot be read or written. what() is for whoever runs the server and names paths; reason()
// and hint() are fit for clients.
class StorageError : public Error {
 public:
  StorageError(const std::string& where, const std::string& reason, const std::string& hint, bool disk_is_full)
      : Error(ErrorCode::io, where + ": " + reason, hint), reason_(reason), disk_is_full_(disk_is_full) {}
  [[nodiscard]] static StorageError of_system(const std::string& where, int error);

  [[nodiscard]] const std::string& reason() const { return reason_; }
  [[nodiscard]] bool disk_is_full() const { return disk_is_full_; }

 private:
  std::string reason_;
  bool disk_is_full_;
};

// What whoever runs the server can do about an error of the system.
[[nodiscard]] std::string hint_for_system(int error);

// Throws StorageError with SQLite's own words when anything fails.
class Database {
 public:
  explicit Database(const std::filesystem::path& path);

  // Reads all of it; throws when it is damaged.
  void check();
  // Runs statements that return nothing.
  void run(const std::string& sql);
  [[nodiscard]] sqlite3* handle() const { return handle_.get(); }
  [[nodiscard]] std::int64_t last_row() const { return sqlite3_last_insert_rowid(handle_.get()); }
  [[nodiscard]] int changes() const { return sqlite3_changes(handle_.get()); }
  [[noreturn]] void fail(const std::string& what) const;

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close_v2(handle); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
  std::string name_;
};

class Statement {
 public:
  Statement(Database& database, const char* sql);
  template <class... Values>
  requires(sizeof...(Values) > 0) Statement(Database& database, const char* sql, const Values&... values)
      : Statement(database, sql) {
    (bind(values), ...);
  }

  // True while there is a row.
  bool step();
  void run() {
    while (step()) {
    }
  }
  [[nodiscard]] std::int64_t number(int column) const { return sqlite3_column_int64(handle_.get(), column); }
  [[nodiscard]] std::string text(int column) const;

 private:
  void bind(std::int64_t value);
  void bind(int value) { bind(std::int64_t{value}); }
  void bind(const std::string& value);
  void bind(const char* value) { bind(std::string(value)); }

  struct Finalize {
    void operator()(sqlite3_stmt* handle) const { sqlite3_finalize(handle); }
  };
  Database& database_;
  std::unique_ptr<sqlite3_stmt, Finalize> handle_;
  int bound_ = 0;
};

// All or nothing: rolled back unless committed.
class Transaction {
 public:
  explicit Transaction(Database& database) : database_(database) { database_.run("BEGIN IMMEDIATE"); }
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() {
    if (!committed_) sqlite3_exec(database_.handle(), "ROLLBACK", nullptr, nullptr, nullptr);
  }
  void commit() {
    database_.run("COMMIT");
    committed_ = true;
  }

 private:
  Database& database_;
  bool committed_ = false;
};

}  // namespace espalier::server
