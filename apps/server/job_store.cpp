#include "job_store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <utility>

#include "job_batch.h"
#include "job_record.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

// By the client, so that it outlives another attempt; the statements that drop what an attempt made name the same roles.
bool was_sent(const JobFile& file) { return file.role == "input" || file.role == "source"; }

constexpr int kSchema = 4;
constexpr std::array kStates{JobState::queued, JobState::running, JobState::done, JobState::failed, JobState::cancelled};
constexpr std::array kKinds{JobKind::image, JobKind::latent, JobKind::exported, JobKind::text, JobKind::variant, JobKind::edit};
constexpr const char* kColumns =
    "SELECT sequence, id, kind, parent, name, state, created, started, finished, options, error, report, notices, "
    "CASE state WHEN 'queued' THEN (SELECT count(*) FROM jobs AS ahead WHERE (ahead.kind = 'export') = (jobs.kind = 'export') "
    "AND (ahead.state = 'running' OR (ahead.state = 'queued' AND (ahead.place, ahead.sequence) < (jobs.place, "
    "jobs.sequence)))) "
    "ELSE -1 END, asset, pinned, place, url, result, tries, due, problem "
    "FROM jobs LEFT JOIN webhooks ON webhooks.job = jobs.id ";

std::string now() { return timestamp(std::chrono::system_clock::now()); }

Json json_of(const std::string& text) {
  Json value = text.empty() ? Json(nullptr) : Json::parse(text, nullptr, false);
  return value.is_discarded() ? Json(nullptr) : value;
}

std::string text_or_empty(const Json& value) { return value.is_null() ? std::string() : text_of(value); }

std::string sql(const std::string& tail) { return kColumns + tail; }

// A condition with one parameter, the owner: jobs of this key, or all where it is empty.
std::string owned_by(const std::string& owner) {
  return owner.empty() ? "? = ''" : "id IN (SELECT job FROM owners WHERE name = ?)";
}

// As the database has it: -1 while nobody knows.
int asset_number(const Job& job) { return job.kind != JobKind::exported ? 1 : job.asset ? (*job.asset ? 1 : 0) : -1; }

[[noreturn]] void full(int max_queue) {
  throw HttpError(429, "queue_full", "the queue is full (--max-queue " + std::to_string(max_queue) + ")",
                  "try again later, or start the server with a larger --max-queue");
}

// A new database that only its owner can read; SQLite gives the files beside it the same rights.
void make_private(const fs::path& database) {
  const int fd = ::open(database.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd >= 0) ::close(fd);  // else SQLite says why
}

}  // namespace

const char* name_of(JobState state) {
  switch (state) {
    case JobState::queued: return "queued";
    case JobState::running: return "running";
    case JobState::done: return "done";
    case JobState::failed: return "failed";
    case JobState::cancelled: return "cancelled";
  }
  return "failed";
}

std::optional<JobState> state_named(const std::string& name) {
  const auto found = std::find_if(kStates.begin(), kStates.end(), [&](JobState s) { return name == name_of(s); });
  return found == kStates.end() ? std::nullopt : std::optional(*found);
}

const char* name_of(JobKind kind) {
  constexpr std::array kNames{"image", "latent", "export", "text", "variant", "edit"};
  return kNames.at(static_cast<std::size_t>(kind));
}

std::optional<JobKind> kind_named(const std::string& name) {
  const auto found = std::find_if(kKinds.begin(), kKinds.end(), [&](JobKind k) { return name == name_of(k); });
  return found == kKinds.end() ? std::nullopt : std::optional(*found);
}

std::string model_of(const Job& job) {
  const auto found = job.options.find("model");
  return found != job.options.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::string timestamp(std::chrono::system_clock::time_point time) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = milliseconds / 1000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 64> text{};
  const std::size_t n = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  std::string fraction = std::to_string(1000 + milliseconds % 1000);
  fraction[0] = '.';
  return std::string(text.data(), n) + fraction + "Z";
}

std::optional<std::int64_t> milliseconds_of(const std::string& text) {
  std::tm parts{};
  int milliseconds = 0;
  if (std::sscanf(text.c_str(), "%d-%d-%dT%d:%d:%d.%dZ", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,  // NOLINT(cert-err34-c)
                  &parts.tm_hour, &parts.tm_min, &parts.tm_sec, &milliseconds) != 7) {
    return std::nullopt;
  }
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return static_cast<std::int64_t>(::timegm(&parts)) * 1000 + milliseconds;
}

Moment Moment::now() {
  timespec time{};
  ::clock_gettime(CLOCK_BOOTTIME, &time);
  return {std::chrono::system_clock::now(), std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec)};
}

const JobFile* Job::file(const std::string& file_name) const {
  const auto found = std::find_if(files.begin(), files.end(), [&](const JobFile& f) { return f.name == file_name; });
  return found == files.end() ? nullptr : &*found;
}

JobStore::JobStore(fs::path folder, bool rebuild) : folder_(std::move(folder)) {
  std::error_code error;
  const bool made = fs::create_directories(folder_, error);
  if (!error) lock_folder();  // before anything that a server that has the folder would miss
  // What people make is theirs, on machines with other users, too. A folder that was there before stays as it was.
  if (!error && made) fs::permissions(folder_, fs::perms::owner_all, error);
  for (const fs::path& own : {folder_ / "jobs", incoming()}) {
    if (!error) fs::create_directory(own, error);
    if (!error) fs::permissions(own, fs::perms::owner_all, error);
  }
  if (error)
    throw Error(ErrorCode::io, "cannot use " + folder_.string() + ": " + error.message(), "choose another folder with --data");
  move_database_away(rebuild);
  make_private(folder_ / "espalier.db");
  database_.emplace(folder_ / "espalier.db");
  database_->check();
  create_tables();
  create_owners();
  paused_ = fs::exists(folder_ / kPausedFile);
  adopt();
  recover();
  sweep();
  tidy();
}

JobStore::Lock::~Lock() {
  if (fd >= 0) ::close(fd);
}

void JobStore::lock_folder() {
  const fs::path path = folder_ / "lock";
  lock_.fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (lock_.fd < 0) throw Error(ErrorCode::io, "cannot write in " + folder_.string(), "choose another folder with --data");
  if (::flock(lock_.fd, LOCK_EX | LOCK_NB) != 0) {
    throw Error(ErrorCode::io, folder_.string() + " is in use by another server",
                "stop that, or choose another folder with --data");
  }
}

void JobStore::create_tables() {
  Database& db = *database_;
  db.run("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON");
  Statement version(db, "PRAGMA user_version");
  const std::int64_t found = version.step() ? version.number(0) : 0;
  if (found > kSchema) {
    throw Error(ErrorCode::unsupported, folder_.string() + " was written by a newer version of this program",
                "use that, or choose another folder with --data");
  }
  Transaction transaction(db);
  if (found == 0) {
    db.run(
        "CREATE TABLE jobs (sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, "
        "parent TEXT NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, created TEXT NOT NULL, started TEXT NOT NULL, "
        "finished TEXT NOT NULL, options TEXT NOT NULL, error TEXT NOT NULL, report TEXT NOT NULL, notices TEXT NOT NULL, "
        "attempts INTEGER NOT NULL);"
        "CREATE INDEX jobs_by_state ON jobs (state, sequence);"
        "CREATE TABLE files (job TEXT NOT NULL REFERENCES jobs (id) ON DELETE CASCADE, name TEXT NOT NULL, role TEXT NOT NULL, "
        "format TEXT NOT NULL, media_type TEXT NOT NULL, bytes INTEGER NOT NULL, PRIMARY KEY (job, name));");
  }
  if (found < 2) {
    db.run(
        "ALTER TABLE jobs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;"
        "ALTER TABLE jobs ADD COLUMN too_old_since TEXT NOT NULL DEFAULT '';"
        "PRAGMA user_version = 2");
  }
  if (found < 3) {
    db.run(
        "ALTER TABLE jobs ADD COLUMN asset INTEGER NOT NULL DEFAULT -1;"
        "ALTER TABLE jobs ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;"
        "UPDATE jobs SET asset = 1 WHERE kind <> 'export';"
        "CREATE INDEX jobs_by_asset ON jobs (asset, sequence);"
        "CREATE INDEX jobs_by_parent ON jobs (parent);"
        "CREATE TABLE requests (name TEXT PRIMARY KEY, content TEXT NOT NULL, job TEXT NOT NULL REFERENCES jobs (id) "
        "ON DELETE CASCADE);"
        "CREATE INDEX requests_by_job ON requests (job);"
        "PRAGMA user_version = 3");
  }
  if (found < 4) {
    db.run(
        "ALTER TABLE jobs ADD COLUMN place INTEGER NOT NULL DEFAULT 0;"
        "UPDATE jobs SET place = sequence;"
        "CREATE TABLE webhooks (job TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE, url TEXT NOT NULL, "
        "result TEXT NOT NULL DEFAULT 'waiting', tries INTEGER NOT NULL DEFAULT 0, due INTEGER NOT NULL DEFAULT 0, "
        "problem TEXT NOT NULL DEFAULT '');"
        "CREATE INDEX webhooks_by_result ON webhooks (result);"
        "PRAGMA user_version = 4");
  }
  transaction.commit();
}

std::string JobStore::new_id() {
  std::array<unsigned char, 12> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    throw Error(ErrorCode::io, "the system gives no random numbers");
  }
  constexpr const char* kDigits = "0123456789abcdef";
  std::string id;
  for (const unsigned char b : bytes) {
    id += kDigits[b >> 4U];
    id += kDigits[b & 15U];
  }
  return id;
}

bool JobStore::is_id(const std::string& text) {
  return text.size() == 24 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::vector<Job> JobStore::read(Statement& rows) {
  std::vector<Job> jobs;
  while (rows.step()) {
    Job job;
    job.sequence = rows.number(0);
    job.id = rows.text(1);
    job.kind = kind_named(rows.text(2)).value_or(JobKind::exported);
    job.parent = rows.text(3);
    job.name = rows.text(4);
    job.state = state_named(rows.text(5)).value_or(JobState::failed);
    job.created = rows.text(6);
    job.started = rows.text(7);
    job.finished = rows.text(8);
    job.options = json_of(rows.text(9));
    job.error = json_of(rows.text(10));
    job.report = json_of(rows.text(11));
    job.notices = json_of(rows.text(12));
    if (!job.notices.is_array()) job.notices = Json::array();
    if (const std::int64_t ahead = rows.number(13); ahead >= 0) job.position = ahead;
    if (const std::int64_t asset = rows.number(14); asset >= 0) job.asset = asset != 0;
    job.pinned = rows.number(15) != 0;
    job.place = rows.number(16);
    if (const std::string url = rows.text(17); !url.empty())
      job.webhook = JobWebhook{url, rows.text(18), static_cast<int>(rows.number(19)), rows.number(20), rows.text(21)};
    jobs.push_back(std::move(job));
  }
  for (Job& job : jobs) {
    job.owner = owner_now(job.id);
    Statement files(*database_, "SELECT name, role, format, media_type, bytes FROM files WHERE job = ? ORDER BY rowid", job.id);
    while (files.step()) {
      job.files.push_back(
          {files.text(0), files.text(1), files.text(2), files.text(3), static_cast<std::uint64_t>(files.number(4))});
    }
  }
  return jobs;
}

std::optional<std::string> JobStore::job_of(const RequestKey& request) {
  if (request.name.empty()) return std::nullopt;
  Statement row(*database_, "SELECT job, content FROM requests WHERE name = ?", request.name);
  if (!row.step()) return std::nullopt;
  if (row.text(1) == std::to_string(request.content)) return row.text(0);
  throw HttpError(409, "conflict", "another request with this Idempotency-Key said something else",
                  "send a new key with every new request, and the same only when one is sent again");
}

std::optional<std::string> JobStore::made_by(const RequestKey& request) {
  const std::scoped_lock lock(mutex_);
  return job_of(request);
}

std::string JobStore::add(const Job& job, int max_queue, const RequestKey& request, const Allowance& allowance) {
  const std::scoped_lock lock(mutex_);
  const std::string created = now();
  Database& db = *database_;
  Transaction transaction(db);
  if (auto earlier = job_of(request)) return *std::move(earlier);
  Statement waiting(db, "SELECT count(*) FROM jobs WHERE state = 'queued'");
  if (waiting.step() && waiting.number(0) >= max_queue) full(max_queue);
  if (!job.parent.empty()) {
    Statement parent(db, "SELECT 1 FROM jobs WHERE id = ?", job.parent);
    if (!parent.step()) throw HttpError(404, "not_found", "job " + job.parent + " is gone", "list the jobs again");
  }
  count_in(job, allowance);
  Statement(
      db,
      "INSERT INTO jobs (id, kind, parent, name, state, created, started, finished, options, error, report, notices, attempts, "
      "asset) VALUES (?, ?, ?, ?, 'queued', ?, '', '', ?, '', '', '[]', 0, ?)",
      job.id, name_of(job.kind), job.parent, job.name, created, text_of(job.options), asset_number(job))
      .run();
  const std::int64_t sequence = db.last_row();
  set_owner(job);
  // Behind all that wait, also where one was given a place beyond its number.
  Statement(
      db,
      "UPDATE jobs SET place = max(sequence, coalesce((SELECT max(place) + 1 FROM jobs WHERE state = 'queued' AND id <> ?), "
      "0)) WHERE id = ?",
      job.id, job.id)
      .run();
  for (const JobFile& f : job.files) {
    Statement(db, "INSERT INTO files (job, name, role, format, media_type, bytes) VALUES (?, ?, ?, ?, ?, ?)", job.id, f.name,
              f.role, f.format, f.media_type, static_cast<std::int64_t>(f.bytes))
        .run();
  }
  if (!request.name.empty()) {
    Statement(db, "INSERT INTO requests (name, content, job) VALUES (?, ?, ?)", request.name, std::to_string(request.content),
              job.id)
        .run();
  }
  expect_webhook(job);
  Statement placed(db, "SELECT place FROM jobs WHERE id = ?", job.id);
  JobRecord record{job};
  record.job.sequence = sequence;
  record.job.place = placed.step() ? placed.number(0) : sequence;
  record.job.state = JobState::queued;
  record.job.created = created;
  write_record(folder_of(job.id), record, true);
  transaction.commit();
  untidy_ = true;
  return job.id;
}

void JobStore::refuse_when_full(int max_queue) {
  if (counts()[JobState::queued] >= max_queue) full(max_queue);
}

std::optional<Job> JobStore::find(const std::string& id) {
  if (!is_id(id)) return std::nullopt;
  const std::scoped_lock lock(mutex_);
  Statement rows(*database_, sql("WHERE id = ?").c_str(), id);
  std::vector<Job> jobs = read(rows);
  return jobs.empty() ? std::nullopt : std::optional(std::move(jobs.front()));
}

std::vector<Job> JobStore::list(const JobFilter& filter, int limit, std::int64_t below) {
  const std::scoped_lock lock(mutex_);
  // Only what is asked for is compared, so that each list has an index of its own.
  std::string where = "WHERE sequence < ?";
  if (filter.state) where += std::string(" AND state = '") + name_of(*filter.state) + "'";
  if (filter.asset) where += *filter.asset ? " AND asset = 1" : " AND asset <> 1";
  where += filter.parent.empty() ? " AND ? = ''" : " AND parent = ?";
  where += " AND " + owned_by(filter.owner);
  Statement rows(*database_, sql(where + " ORDER BY sequence DESC LIMIT ?").c_str(), below, filter.parent, filter.owner, limit);
  return read(rows);
}

void JobStore::drop_file(const std::string& id, const std::string& name) {
  const std::scoped_lock lock(mutex_);
  Transaction transaction(*database_);
  Statement(*database_, "DELETE FROM files WHERE job = ? AND name = ?", id, name).run();
  Statement(*database_, "UPDATE jobs SET revision = revision + 1 WHERE id = ?", id).run();
  transaction.commit();
  changed(id);
  std::error_code ignored;
  fs::remove(folder_of(id) / name, ignored);
}

bool JobStore::change(const std::string& id, const JobChange& change) {
  const std::scoped_lock lock(mutex_);
  return with_reserve([&] {
    Transaction transaction(*database_);
    if (change.position || change.before) move(id, change);
    if (change.name) Statement(*database_, "UPDATE jobs SET name = ? WHERE id = ?", *change.name, id).run();
    if (change.pinned) Statement(*database_, "UPDATE jobs SET pinned = ? WHERE id = ?", *change.pinned ? 1 : 0, id).run();
    Statement(*database_, "UPDATE jobs SET revision = revision + 1 WHERE id = ?", id).run();
    if (database_->changes() == 0) return false;
    transaction.commit();
    changed(id, true);
    return true;
  });
}

std::vector<Job> JobStore::unsettled() {
  const std::scoped_lock lock(mutex_);
  Statement rows(*database_, sql("WHERE asset < 0").c_str());
  return read(rows);
}

void JobStore::settle(const std::string& id, bool asset) {
  const std::scoped_lock lock(mutex_);
  Statement(*database_, "UPDATE jobs SET asset = ?, revision = revision + 1 WHERE id = ?", asset ? 1 : 0, id).run();
  changed(id);
}

std::map<JobState, std::int64_t> JobStore::counts() {
  const std::scoped_lock lock(mutex_);
  std::map<JobState, std::int64_t> counts;
  for (const JobState state : kStates) counts[state] = 0;
  Statement rows(*database_, "SELECT state, count(*) FROM jobs GROUP BY state");
  while (rows.step()) counts[state_named(rows.text(0)).value_or(JobState::failed)] += rows.number(1);
  return counts;
}

std::uint64_t JobStore::bytes() {
  const std::scoped_lock lock(mutex_);
  Statement row(*database_, "SELECT coalesce(sum(bytes), 0) FROM files");
  return row.step() ? static_cast<std::uint64_t>(row.number(0)) : 0;
}

double JobStore::oldest_wait() {
  const std::scoped_lock lock(mutex_);
  Statement row(
      *database_,
      "SELECT max(0, CAST((julianday('now') - julianday(created)) * 86400000 AS INTEGER)) FROM jobs WHERE state = 'queued' "
      "ORDER BY sequence LIMIT 1");
  return row.step() ? static_cast<double>(row.number(0)) / 1000.0 : 0.0;
}

std::vector<Job> JobStore::queue(int limit, const std::string& owner) {
  const std::scoped_lock lock(mutex_);
  const std::string tail =
      "WHERE state IN ('running', 'queued') AND " + owned_by(owner) + " ORDER BY state = 'queued', place, sequence LIMIT ?";
  Statement rows(*database_, sql(tail).c_str(), owner, limit);
  return read(rows);
}

// The one that is next, or none.
std::vector<Job> JobStore::first_waiting(LaneKind lane, const std::string& loaded) {
  const int exports = lane == LaneKind::exports ? 1 : 0;
  Statement rows(*database_, sql("WHERE state = 'queued' AND (kind = 'export') = ? ORDER BY place, sequence LIMIT 1").c_str(),
                 exports);
  std::vector<Job> head = read(rows);
  if (head.empty() || exports != 0) return head;
  const std::string model = model_of(head.front());
  if (loaded.empty() || model.empty() || model == loaded) return head;
  if (std::exchange(passed_, head.front().id) != head.front().id) passes_ = 0;
  if (passes_ >= kMostPasses) return head;
  Statement others(*database_,
                   sql("WHERE state = 'queued' AND kind <> 'export' AND CASE WHEN json_valid(options) THEN "
                       "json_extract(options, '$.model') END = ? ORDER BY place, sequence LIMIT 1")
                       .c_str(),
                   loaded);
  std::vector<Job> other = read(others);
  if (other.empty()) return head;
  ++passes_;
  return other;
}

std::optional<Job> JobStore::take_next(LaneKind lane, const std::string& loaded) {
  const std::scoped_lock lock(mutex_);
  if (paused_) return std::nullopt;
  std::vector<Job> jobs = first_waiting(lane, loaded);
  if (jobs.empty()) return std::nullopt;
  begin(jobs.front());
  return std::move(jobs.front());
}

// A job of networks may come before others that wait as long as one batch more, at most.
JobQueue::Companions JobStore::take_companions(const Job& first, std::size_t most) {
  constexpr int kMostLooked = 256;
  const std::scoped_lock lock(mutex_);
  Companions found;
  const std::string key = batch_key(first);
  Statement begun(*database_, "SELECT attempts FROM jobs WHERE id = ?", first.id);
  found.last = key.empty() || !begun.step() || begun.number(0) > 1;
  if (paused_ || found.last) return found;
  Statement rows(*database_,
                 sql("WHERE state = 'queued' AND kind = ? AND attempts = 0 ORDER BY place, sequence LIMIT ?").c_str(),
                 name_of(first.kind), kMostLooked);
  for (Job& job : read(rows)) {
    if (found.jobs.size() == most) break;
    if (batch_key(job) != key) continue;
    try {
      begin(job);
    } catch (const Error&) {  // those that have begun are run
      if (found.jobs.empty()) throw;
      found.last = true;
      break;
    }
    found.jobs.push_back(std::move(job));
  }
  return found;
}

void JobStore::begin(Job& job) {
  job.state = JobState::running;
  job.position.reset();
  job.started = now();
  std::erase_if(job.files, [](const JobFile& file) { return !was_sent(file); });
  Transaction transaction(*database_);
  Statement(*database_, "DELETE FROM files WHERE role NOT IN ('input', 'source') AND job = ?", job.id).run();
  Statement(*database_,
            "UPDATE jobs SET state = 'running', started = ?, attempts = attempts + 1, revision = revision + 1 WHERE id = ?",
            job.started, job.id)
      .run();
  transaction.commit();
  changed(job.id);
}

void JobStore::put_back(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  Transaction transaction(*database_);
  Statement(*database_,
            "DELETE FROM files WHERE role NOT IN ('input', 'source') AND job IN (SELECT id FROM jobs WHERE id = ? AND state = "
            "'running')",
            id)
      .run();
  Statement(*database_,
            "UPDATE jobs SET state = 'queued', started = '', attempts = attempts - 1, revision = revision + 1 WHERE id = ? AND "
            "state = 'running'",
            id)
      .run();
  transaction.commit();
  changed(id);
}

void JobStore::add_file(const std::string& id, const JobFile& f) {
  const std::scoped_lock lock(mutex_);
  Transaction transaction(*database_);
  Statement(*database_, "UPDATE jobs SET revision = revision + 1 WHERE id = ?", id).run();
  Statement(*database_, "INSERT OR REPLACE INTO files (job, name, role, format, media_type, bytes) VALUES (?, ?, ?, ?, ?, ?)",
            id, f.name, f.role, f.format, f.media_type, static_cast<std::int64_t>(f.bytes))
      .run();
  transaction.commit();
  changed(id);
}

void JobStore::end(const std::string& id, const JobEnd& end) {
  const std::scoped_lock lock(mutex_);
  Statement(*database_,
            "UPDATE jobs SET state = ?, finished = ?, error = ?, report = ?, notices = ?, revision = revision + 1 "
            "WHERE id = ? AND state = 'running'",
            name_of(end.state), now(), text_or_empty(end.error), text_or_empty(end.report), text_of(end.notices), id)
      .run();
  changed(id, true);
}

bool JobStore::cancel_waiting(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  return with_reserve([&] {
    Statement(*database_,
              "UPDATE jobs SET state = 'cancelled', finished = ?, revision = revision + 1 WHERE id = ? AND state = 'queued'",
              now(), id)
        .run();
    if (database_->changes() == 0) return false;
    changed(id, true);
    return true;
  });
}

JobRecord JobStore::record_of(const std::string& id) {
  JobRecord record;
  Statement rows(*database_, sql("WHERE id = ?").c_str(), id);
  std::vector<Job> jobs = read(rows);
  if (jobs.empty()) return record;
  record.job = std::move(jobs.front());
  Statement row(*database_, "SELECT revision, attempts FROM jobs WHERE id = ?", id);
  if (row.step()) {
    record.revision = row.number(0);
    record.attempts = row.number(1);
  }
  return record;
}

void JobStore::changed(const std::string& id, bool to_disk) {
  untidy_ = true;
  try {
    const JobRecord record = record_of(id);
    if (record.job.id.empty()) return;  // removed in the meantime
    write_record(folder_of(id), record, to_disk);
    unwritten_.erase(id);
  } catch (const StorageError&) {
    unwritten_.insert(id);  // the database has it; tidy() tries again
  }
}

}  // namespace espalier::server
