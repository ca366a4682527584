// What a store does when it is opened: putting right what sudden ends, lost databases and wrong backups leave.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "job_record.h"
#include "job_store.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr int kMostAttempts = 2;
constexpr const char* kRemoved = ".removed";  // behind the name of a folder that goes

// Names that jobs write under; of a job that did not get to its end such a file is a half of the work.
bool is_output(const std::string& name) {
  constexpr std::array kStems{"gaussians.", "preview.", "latent.", "asset.", "thumbnail.", "cutout", "turntable."};
  return std::any_of(kStems.begin(), kStems.end(), [&](const char* stem) { return name.starts_with(stem); });
}

// The id that a folder with the ending of removed ones belongs to; empty for others.
std::string removed_id(const std::string& name) {
  const std::string_view ending = kRemoved;
  if (name.size() <= ending.size() || !name.ends_with(ending)) return {};
  std::string id = name.substr(0, name.size() - ending.size());
  return JobStore::is_id(id) ? id : std::string();
}

bool same_file(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

}  // namespace

// Moves it to lost/, under a name that says when.
void JobStore::lose(const fs::path& path, const std::string& why) {
  std::error_code error;
  const fs::path lost = folder_ / "lost";
  fs::create_directory(lost, error);
  const std::string stem = timestamp(std::chrono::system_clock::now()) + "-" + path.filename().string();
  fs::path place = lost / stem;
  for (int i = 2; fs::exists(fs::symlink_status(place, error)); ++i) place = lost / (stem + "-" + std::to_string(i));
  fs::rename(path, place, error);
  note(path.string() + " " + why +
       (error ? "; it stays, because it cannot be moved: " + error.message() : "; it was moved to " + place.string()));
}

// A log beside no database, or beside an empty one, is of one that was lost; SQLite would delete it.
void JobStore::move_database_away(bool rebuild) {
  std::error_code error;
  const fs::path database = folder_ / "espalier.db";
  const auto size = fs::file_size(database, error);
  const bool empty = error || size == 0;
  for (const char* ending : {"", "-wal", "-shm"}) {
    const fs::path file = folder_ / (std::string("espalier.db") + ending);
    const auto bytes = fs::file_size(file, error);
    if (error || (!rebuild && !empty)) continue;
    if (bytes == 0 || std::string_view(ending) == "-shm") {
      fs::remove(file, error);
    } else {
      lose(file, rebuild ? "is replaced by a new database" : "is the log of a database that is gone");
    }
  }
}

// Takes jobs from the records in their folders where the database knows nothing of them, or less.
void JobStore::adopt() {
  std::vector<JobRecord> found;
  std::error_code ignored;
  for (const auto& folder : fs::directory_iterator(folder_ / "jobs", ignored)) {
    const std::string id = folder.path().filename().string();
    if (!is_id(id) || folder.is_symlink(ignored)) continue;
    auto record = read_record(folder.path());
    if (!record) continue;
    Statement row(*database_, "SELECT revision FROM jobs WHERE id = ?", id);
    if (!row.step() || row.number(0) < record->revision) found.push_back(*std::move(record));
  }
  if (found.empty()) return;
  std::sort(found.begin(), found.end(), [](const JobRecord& a, const JobRecord& b) { return a.job.sequence < b.job.sequence; });
  Transaction transaction(*database_);
  for (const JobRecord& record : found) adopt(record);
  transaction.commit();
  note(std::to_string(found.size()) + " jobs were taken from the records in their folders, which the database did not have");
}

void JobStore::adopt(const JobRecord& record) {
  Database& db = *database_;
  const Job& job = record.job;
  const auto text = [](const Json& value) { return value.is_null() ? std::string() : text_of(value); };
  Statement waiting(db, "SELECT tries, due, problem FROM webhooks WHERE job = ? AND result = 'waiting'", job.id);
  std::optional<JobWebhook> webhook;
  if (waiting.step())
    webhook = JobWebhook{{}, "waiting", static_cast<int>(waiting.number(0)), waiting.number(1), waiting.text(2)};
  Statement(db, "DELETE FROM jobs WHERE id = ?", job.id).run();
  Statement taken(db, "SELECT 1 FROM jobs WHERE sequence = ?", job.sequence);
  Statement(db,
            "INSERT INTO jobs (id, kind, parent, name, state, created, started, finished, options, error, report, notices, "
            "attempts, revision, asset, pinned, place) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            job.id, name_of(job.kind), job.parent, job.name, name_of(job.state), job.created, job.started, job.finished,
            text_of(job.options), text(job.error), text(job.report), text_of(job.notices), record.attempts, record.revision,
            job.kind != JobKind::exported ? 1
            : job.asset                   ? (*job.asset ? 1 : 0)
                                          : -1,
            job.pinned ? 1 : 0, job.place)
      .run();
  // Of jobs that had ended nobody knows any more who was told.
  if (webhook || !has_ended(job.state)) expect_webhook(job);
  if (webhook) {
    Statement(db, "UPDATE webhooks SET tries = ?, due = ?, problem = ? WHERE job = ?", webhook->tries, webhook->due,
              webhook->problem, job.id)
        .run();
  }
  if (job.sequence > 0 && !taken.step()) {
    Statement(db, "UPDATE jobs SET sequence = ? WHERE id = ?", job.sequence, job.id).run();
  }
  set_owner(job);
  for (const JobFile& f : job.files) {
    Statement(db, "INSERT INTO files (job, name, role, format, media_type, bytes) VALUES (?, ?, ?, ?, ?, ?)", job.id, f.name,
              f.role, f.format, f.media_type, static_cast<std::int64_t>(f.bytes))
        .run();
  }
}

void JobStore::recover() {
  Database& db = *database_;
  std::vector<std::string> running;
  {
    Statement rows(db, "SELECT id FROM jobs WHERE state = 'running'");
    while (rows.step()) running.push_back(rows.text(0));
  }
  if (running.empty()) return;
  Transaction transaction(db);
  const std::string error = text_of({{"code", "interrupted"},
                                     {"message", "the server ended twice while this job was running"},
                                     {"hint", "start it again with other settings, or look at the server's messages"}});
  Statement(db,
            "UPDATE jobs SET state = 'failed', finished = ?, error = ?, revision = revision + 1 "
            "WHERE state = 'running' AND attempts >= ?",
            timestamp(std::chrono::system_clock::now()), error, kMostAttempts)
      .run();
  db.run("DELETE FROM files WHERE role NOT IN ('input', 'source') AND job IN (SELECT id FROM jobs WHERE state = 'running')");
  db.run("UPDATE jobs SET state = 'queued', started = '', revision = revision + 1 WHERE state = 'running'");
  transaction.commit();
  unwritten_.insert(running.begin(), running.end());
}

// Records of files that are not there, or of another size than they were.
void JobStore::forget_missing_files() {
  Database& db = *database_;
  std::vector<std::pair<std::string, std::string>> missing;
  {
    Statement rows(db, "SELECT job, name, bytes FROM files");
    while (rows.step()) {
      std::error_code error;
      const auto size = fs::file_size(folder_of(rows.text(0)) / rows.text(1), error);
      if (error || static_cast<std::int64_t>(size) != rows.number(2)) missing.emplace_back(rows.text(0), rows.text(1));
    }
  }
  for (const auto& [job, name] : missing) {
    Transaction transaction(db);
    Statement(db, "DELETE FROM files WHERE job = ? AND name = ?", job, name).run();
    Statement(db, "UPDATE jobs SET revision = revision + 1 WHERE id = ?", job).run();
    transaction.commit();
    unwritten_.insert(job);
    note("the file " + name + " of job " + job + " is gone or was changed");
  }
}

// Halves of files go; what cannot be explained goes to lost/.
void JobStore::sweep() {
  forget_missing_files();
  Database& db = *database_;
  std::map<std::string, std::pair<JobState, std::set<std::string>>> known;
  {
    Statement jobs(db, "SELECT id, state, revision FROM jobs");
    while (jobs.step()) known[jobs.text(0)].first = state_named(jobs.text(1)).value_or(JobState::failed);
    Statement files(db, "SELECT job, name FROM files");
    while (files.step()) known[files.text(0)].second.insert(files.text(1));
  }
  std::error_code ignored;
  std::vector<fs::path> folders;
  for (const auto& folder : fs::directory_iterator(folder_ / "jobs", ignored)) folders.push_back(folder.path());
  for (const fs::path& folder : folders) {
    const std::string name = folder.filename().string();
    if (const std::string removed = removed_id(name); !removed.empty()) {  // a removal that a sudden end cut short
      Statement(db, "DELETE FROM jobs WHERE id = ?", removed).run();
      fs::remove_all(folder, ignored);
      continue;
    }
    if (!is_id(name)) continue;
    const auto job = known.find(name);
    if (fs::is_symlink(fs::symlink_status(folder, ignored))) {
      note(folder.string() + " is a link; nothing behind it is touched");
    } else if (job == known.end()) {
      lose(folder, "belongs to no job");
    } else {
      sweep_job(folder, job->second.first, job->second.second);
      const auto record = read_record(folder);
      Statement row(db, "SELECT revision FROM jobs WHERE id = ?", name);
      if (row.step() && (!record || record->revision < row.number(0))) unwritten_.insert(name);
    }
  }
  for (const auto& file : fs::directory_iterator(incoming(), ignored)) {
    if (file.path().extension() == ".part" && is_id(file.path().stem().string())) fs::remove(file.path(), ignored);
  }
}

void JobStore::sweep_job(const fs::path& folder, JobState state, const std::set<std::string>& recorded) {
  std::error_code ignored;
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(folder, ignored)) files.push_back(file.path());
  for (const fs::path& file : files) {
    const std::string name = file.filename().string();
    if (recorded.count(name) != 0 || name == kRecordFile) continue;
    const bool regular = fs::is_regular_file(fs::symlink_status(file, ignored));
    if (regular && (is_temporary(name) || (state != JobState::done && is_output(name)))) {
      fs::remove(file, ignored);
    } else {
      lose(file, "is in no record of its job");
    }
  }
}

// Of a job that did not get to its end.
void JobStore::sweep_files(const std::string& id) {
  std::set<std::string> recorded;
  Statement files(*database_, "SELECT name FROM files WHERE job = ?", id);
  while (files.step()) recorded.insert(files.text(0));
  sweep_job(folder_of(id), JobState::failed, recorded);
}

void JobStore::clean(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  sweep_files(id);
}

bool JobStore::try_again(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  Statement row(*database_, "SELECT attempts FROM jobs WHERE id = ? AND state = 'running'", id);
  const bool again = row.step() && row.number(0) < kMostAttempts;
  if (again) {
    Transaction transaction(*database_);
    Statement(*database_, "DELETE FROM files WHERE role NOT IN ('input', 'source') AND job = ?", id).run();
    Statement(*database_, "UPDATE jobs SET state = 'queued', started = '', revision = revision + 1 WHERE id = ?", id).run();
    transaction.commit();
    changed(id);
  }
  sweep_files(id);
  return again;
}

std::optional<StorageError> JobStore::trouble() const {
  const auto broken = [&](const fs::path& path, int error) { return StorageError::of_system(path.string(), error); };
  struct stat own {};
  struct stat found {};
  const fs::path lock = folder_ / "lock";
  if (::stat(lock.c_str(), &found) != 0) return broken(lock, errno);
  if (::fstat(lock_.fd, &own) != 0 || !same_file(own, found)) return broken(lock, ENOENT);
  for (const fs::path& path : {folder_ / "jobs", incoming()}) {
    if (::access(path.c_str(), W_OK | X_OK) != 0) return broken(path, errno);
  }
  if (::access((folder_ / "espalier.db").c_str(), W_OK) != 0) return broken(folder_ / "espalier.db", errno);
  return std::nullopt;
}

}  // namespace espalier::server
