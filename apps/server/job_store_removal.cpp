// How jobs leave a store: by request, by age and by size.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "job_record.h"
#include "job_store.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr off_t kReserveBytes = 1 << 20;
using Days = std::chrono::duration<double, std::ratio<86400>>;

std::chrono::system_clock::time_point before(const Moment& at, double days) {
  return at.wall - std::chrono::duration_cast<std::chrono::system_clock::duration>(Days(days));
}

// The clock on the wall has gone another way than time.
bool has_jumped(const Moment& from, const Moment& to) {
  const auto wall = std::chrono::duration_cast<std::chrono::nanoseconds>(to.wall - from.wall);
  return std::chrono::abs(wall - (to.since_boot - from.since_boot)) > std::chrono::minutes(5);
}

}  // namespace

bool JobStore::is_needed(const std::string& id) {
  Statement row(*database_, "SELECT 1 FROM jobs WHERE parent = ? AND state IN ('queued', 'running')", id);
  return row.step();
}

// The folder takes its name of a removed one first, so that a sudden end at any point leaves something that explains itself:
// a job that is still there, or a folder that may go.
void JobStore::remove_ended(const std::string& id) {
  const fs::path folder = folder_of(id);
  const fs::path removed = folder.string() + ".removed";
  std::error_code ignored;
  fs::rename(folder, removed, ignored);
  try {
    Statement(*database_, "DELETE FROM jobs WHERE id = ?", id).run();
  } catch (const StorageError&) {
    fs::rename(removed, folder, ignored);
    throw;
  }
  untidy_ = true;
  unwritten_.erase(id);
  if (fs::is_symlink(fs::symlink_status(removed, ignored))) {
    fs::remove(removed, ignored);  // the link alone
  } else {
    fs::remove_all(removed, ignored);
  }
}

bool JobStore::remove_if_ended(const std::string& id) {
  Statement row(*database_, "SELECT state FROM jobs WHERE id = ?", id);
  if (!row.step()) return false;
  if (!has_ended(state_named(row.text(0)).value_or(JobState::failed))) {
    throw HttpError(409, "conflict", "job " + id + " has not ended", "cancel it first");
  }
  if (is_needed(id))
    throw HttpError(409, "conflict", "exports of job " + id + " have not ended", "cancel them or wait for them");
  remove_ended(id);
  return true;
}

bool JobStore::remove(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  return with_reserve([&] { return remove_if_ended(id); });
}

std::vector<std::string> JobStore::remove_old(double days, std::uint64_t bytes, const Moment& at) {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> removed;
  (void)with_reserve([&] {
    if (days > 0) remove_too_old(days, at, removed);
    if (bytes > 0) remove_too_much(bytes, removed);
    return true;
  });
  return removed;
}

// Jobs that ended under this store by a clock that has been put forward since are as old as the look that sees it.
void JobStore::follow_clock(const Moment& at) {
  if (last_look_ && has_jumped(*last_look_, at)) {
    Statement(*database_,
              "UPDATE jobs SET finished = ? WHERE finished >= ? AND finished < ? AND state IN ('done', 'failed', 'cancelled')",
              timestamp(at.wall), timestamp(first_look_->wall), timestamp(at.wall))
        .run();
    first_look_ = at;
  }
  if (!first_look_) first_look_ = at;
  last_look_ = at;
}

void JobStore::remove_too_old(double days, const Moment& at, std::vector<std::string>& removed) {
  Database& db = *database_;
  const std::string limit = timestamp(before(at, days)), now = timestamp(at.wall);
  const bool jumped = last_look_ && has_jumped(*last_look_, at);
  follow_clock(at);
  // What an earlier look found is void if the clock has jumped, or has gone back.
  Statement(db, "UPDATE jobs SET too_old_since = '' WHERE too_old_since <> '' AND (? OR too_old_since > ? OR finished >= ?)",
            jumped ? 1 : 0, now, limit)
      .run();
  std::vector<std::string> due;
  std::int64_t ended = 0;
  // Looks follow every job, shares do not.
  const double between_shares = std::min(days, 1.0) / 24;
  if (!last_share_ || at.since_boot - last_share_->since_boot >= Days(between_shares)) {
    Statement all(db, "SELECT count(*) FROM jobs WHERE state IN ('done', 'failed', 'cancelled')");
    if (all.step()) ended = all.number(0);
    const std::string seen_before = timestamp(before(at, std::min(days, 1.0)));
    Statement rows(db,
                   "SELECT id FROM jobs WHERE state IN ('done', 'failed', 'cancelled') AND too_old_since <> '' "
                   "AND too_old_since <= ? AND pinned = 0 AND id NOT IN (SELECT parent FROM jobs WHERE pinned = 1) ORDER BY "
                   "finished, sequence",
                   seen_before);
    const auto share = static_cast<std::size_t>(std::max<std::int64_t>(1, ended / 10));
    while (due.size() < share && rows.step()) {
      if (!is_needed(rows.text(0))) due.push_back(rows.text(0));
    }
  }
  for (const std::string& id : due) {
    remove_ended(id);
    removed.push_back(id);
  }
  if (!due.empty()) last_share_ = at;
  Statement(db,
            "UPDATE jobs SET too_old_since = ? WHERE too_old_since = '' AND finished < ? "
            "AND state IN ('done', 'failed', 'cancelled')",
            now, limit)
      .run();
}

void JobStore::remove_too_much(std::uint64_t bytes, std::vector<std::string>& removed) {
  Database& db = *database_;
  std::vector<std::pair<std::string, std::int64_t>> ended;
  std::int64_t total = 0;
  {
    Statement sum(db, "SELECT coalesce(sum(bytes), 0) FROM files");
    if (sum.step()) total = sum.number(0);
    Statement rows(db,
                   "SELECT id, (SELECT coalesce(sum(bytes), 0) FROM files WHERE job = id) FROM jobs "
                   "WHERE state IN ('done', 'failed', 'cancelled') AND pinned = 0 "
                   "AND id NOT IN (SELECT parent FROM jobs WHERE pinned = 1) ORDER BY finished, sequence");
    while (rows.step()) ended.emplace_back(rows.text(0), rows.number(1));
  }
  // What was made last is for somebody who waits for it, however large it is.
  if (!ended.empty()) ended.pop_back();
  for (const auto& [id, size] : ended) {
    if (total <= static_cast<std::int64_t>(bytes)) return;
    if (is_needed(id)) continue;
    remove_ended(id);
    removed.push_back(id);
    total -= size;
  }
}

bool JobStore::give_up_reserve() { return ::unlink((folder_ / "reserve").c_str()) == 0; }

void JobStore::tidy() {
  const std::scoped_lock lock(mutex_);
  if (!untidy_ && unwritten_.empty()) return;
  for (const std::string& id : std::set<std::string>(unwritten_)) changed(id);
  // Another program may read the database just now; the next quiet moment will do.
  (void)sqlite3_wal_checkpoint_v2(database_->handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  const fs::path reserve = folder_ / "reserve";
  if (const int fd = ::open(reserve.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600); fd >= 0) {
    if (::posix_fallocate(fd, 0, kReserveBytes) != 0) ::unlink(reserve.c_str());
    ::close(fd);
  }
  untidy_ = false;
}

}  // namespace espalier::server
