#include "database.h"

#include <cerrno>
#include <cstring>

namespace espalier::server {

std::string hint_for_system(int error) {
  switch (error) {
    case ENOSPC:
    case EDQUOT: return "free some space on the server's disk";
    case EMFILE:
    case ENFILE: return "raise the server's limit of open files (ulimit -n)";
    case EACCES:
    case EPERM:
    case EROFS: return "make the server's data folder writable for it";
    case ENOENT:
    case ENOTDIR:
    case ELOOP: return "put the server's data folder back in place, or start it with another one";
    default: return "look at the disk of the server's data folder";
  }
}

StorageError StorageError::of_system(const std::string& where, int error) {
  return {where, std::strerror(error), hint_for_system(error), error == ENOSPC || error == EDQUOT};
}

namespace {

constexpr const char* kRebuild = "start the server once with --rebuild, which makes the database again from the jobs' folders";

std::string hint_for_sqlite(int code, int system) {
  switch (code) {
    case SQLITE_FULL: return hint_for_system(ENOSPC);
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return "end the other program that uses the server's database";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR:  // no such table or column: the statements are our own
    case SQLITE_CONSTRAINT: return kRebuild;
    case SQLITE_READONLY:
    case SQLITE_PERM: return hint_for_system(EACCES);
    default: return hint_for_system(system);
  }
}

}  // namespace

Database::Database(const std::filesystem::path& path) : name_(path.string()) {
  sqlite3* handle = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, nullptr);
  handle_.reset(handle);
  if (result != SQLITE_OK) fail("cannot open");
  sqlite3_busy_timeout(handle, 5000);
}

void Database::fail(const std::string& what) const {
  const std::string reason = handle_ ? sqlite3_errmsg(handle_.get()) : "no memory";
  const int code = handle_ ? sqlite3_errcode(handle_.get()) : SQLITE_NOMEM;
  const int system = handle_ ? sqlite3_system_errno(handle_.get()) : 0;
  throw StorageError(name_, what + ": " + reason, hint_for_sqlite(code, system), code == SQLITE_FULL || system == ENOSPC);
}

void Database::check() {
  Statement rows(*this, "PRAGMA quick_check(1)");
  if (!rows.step() || rows.text(0) != "ok") throw StorageError(name_, "the database is damaged", kRebuild, false);
}

void Database::run(const std::string& sql) {
  if (sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) fail("cannot write");
}

Statement::Statement(Database& database, const char* sql) : database_(database) {
  sqlite3_stmt* handle = nullptr;
  if (sqlite3_prepare_v2(database.handle(), sql, -1, &handle, nullptr) != SQLITE_OK) database.fail("cannot read");
  handle_.reset(handle);
}

bool Statement::step() {
  const int result = sqlite3_step(handle_.get());
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) database_.fail("cannot write");
  return false;
}

std::string Statement::text(int column) const {
  const auto* const bytes = static_cast<const char*>(sqlite3_column_blob(handle_.get(), column));
  return bytes == nullptr ? std::string()
                          : std::string(bytes, static_cast<std::size_t>(sqlite3_column_bytes(handle_.get(), column)));
}

void Statement::bind(std::int64_t value) {
  if (sqlite3_bind_int64(handle_.get(), ++bound_, value) != SQLITE_OK) database_.fail("cannot bind");
}

void Statement::bind(const std::string& value) {
  if (sqlite3_bind_text(handle_.get(), ++bound_, value.data(), static_cast<int>(value.size()), SQLITE_TRANSIENT) != SQLITE_OK) {
    database_.fail("cannot bind");
  }
}

}  // namespace espalier::server
