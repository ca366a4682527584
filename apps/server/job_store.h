// The records of all jobs in SQLite, and their files in a folder each. What is recorded is whole: a file is written under
// another name, renamed, and only then recorded. Every job's record is also a file in its folder (job_record.h), so that the
// database can be lost. All functions may be called from any thread.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "database.h"
#include "http_message.h"

namespace espalier::server {

enum class JobState { queued, running, done, failed, cancelled };
[[nodiscard]] const char* name_of(JobState state);
[[nodiscard]] std::optional<JobState> state_named(const std::string& name);
[[nodiscard]] inline bool has_ended(JobState state) { return state != JobState::queued && state != JobState::running; }

enum class JobKind { image, latent, exported, text };
[[nodiscard]] const char* name_of(JobKind kind);
[[nodiscard]] std::optional<JobKind> kind_named(const std::string& name);

struct JobFile {
  std::string name, role, format, media_type;
  std::uint64_t bytes = 0;
};

struct Job {
  std::int64_t sequence = 0;  // rises with every job
  std::string id;
  JobKind kind = JobKind::image;
  std::string parent;  // id; may be empty
  std::string name;
  JobState state = JobState::queued;
  std::string created, started, finished;  // ISO 8601 UTC; empty: not yet
  Json options;
  Json error;                            // the inside of the error object, or null
  Json report;                           // or null
  Json notices = Json::array();          // texts
  std::vector<JobFile> files;            // in the order in which they came
  std::optional<std::int64_t> position;  // jobs ahead, while queued
  // An asset of its own; else files of the parent's asset in other formats, or a video of it. Unknown of exports of versions
  // that did not say.
  std::optional<bool> asset;
  bool pinned = false;  // stays, however old it is and whatever space it takes

  [[nodiscard]] const JobFile* file(const std::string& file_name) const;
};

// Jobs that share one thread: those that need networks, and those that do not.
enum class LaneKind { networks, exports };
[[nodiscard]] inline LaneKind lane_of(JobKind kind) {
  return kind == JobKind::exported ? LaneKind::exports : LaneKind::networks;
}

// Which jobs a list has.
struct JobFilter {
  std::optional<JobState> state{};
  std::optional<bool> asset{};  // assets alone, or exports of assets alone
  std::string parent{};         // jobs that were made from this one; empty: all
};

// What a client may change of a job.
struct JobChange {
  std::optional<std::string> name{};
  std::optional<bool> pinned{};
};

// A request that may be sent twice and shall make one job: the client's name for it, and a number made from all that it says.
struct RequestKey {
  std::string name;  // empty: the client gave none
  std::uint64_t content = 0;
};

// What a job ended with.
struct JobEnd {
  JobState state = JobState::done;
  Json error;
  Json report;
  Json notices = Json::array();
};

// ISO 8601 UTC with milliseconds; later times are later texts.
[[nodiscard]] std::string timestamp(std::chrono::system_clock::time_point time);

struct JobRecord;

// A moment by the clock on the wall, which people and networks set, and by one that only runs.
struct Moment {
  std::chrono::system_clock::time_point wall;
  std::chrono::nanoseconds since_boot{};  // time asleep included

  [[nodiscard]] static Moment now();
};

class JobStore {
 public:
  // Opens the folder, which is made when it is missing, and puts right what a sudden end has left: a job that was running is
  // queued again the first time and failed the second; halves of files go. Jobs that the database does not know, or knows in an
  // older state, are taken from the records in their folders. Nothing else is deleted: what cannot be explained is moved to the
  // folder lost/, and what no server has put there stays. `rebuild`: with a new database; the old one is moved to lost/. Throws
  // StorageError; Error io when another server has the folder, which is then left alone.
  explicit JobStore(std::filesystem::path folder, bool rebuild = false);
  JobStore(const JobStore&) = delete;
  JobStore& operator=(const JobStore&) = delete;
  ~JobStore() = default;

  // What whoever runs the server should know of what was found.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  // Why jobs cannot be kept now (the folder is gone or cannot be written), or nothing.
  [[nodiscard]] std::optional<StorageError> trouble() const;

  [[nodiscard]] static std::string new_id();
  [[nodiscard]] static bool is_id(const std::string& text);  // 24 digits of base 16
  // Where files of a job are, or will be.
  [[nodiscard]] std::filesystem::path folder_of(const std::string& id) const { return folder_ / "jobs" / id; }
  // For files on their way in; what an earlier server left there goes when the store is opened.
  [[nodiscard]] std::filesystem::path incoming() const { return folder_ / "incoming"; }

  // Records a job with its input files, which lie in its folder already, and returns its id; that of an earlier job where the
  // same request has made one, and nothing is recorded. Throws HttpError 429 when `max_queue` jobs wait, 404 when the parent is
  // gone, 409 when a request of that name said something else.
  std::string add(const Job& job, int max_queue, const RequestKey& request = {});
  // The job that a request has made.
  [[nodiscard]] std::optional<std::string> made_by(const RequestKey& request);
  [[nodiscard]] std::optional<Job> find(const std::string& id);
  // Newest first, at most `limit` with a sequence below `below`.
  [[nodiscard]] std::vector<Job> list(const JobFilter& filter, int limit, std::int64_t below);
  [[nodiscard]] std::map<JobState, std::int64_t> counts();
  [[nodiscard]] std::uint64_t bytes();
  // Seconds since the oldest job that waits was made; 0 without one.
  [[nodiscard]] double oldest_wait();

  // The oldest job of the lane that waits, now running.
  [[nodiscard]] std::optional<Job> take_next(LaneKind lane = LaneKind::networks);
  // A running job, back into its place of the queue as if it had not run; nothing happens to others.
  void put_back(const std::string& id);
  void add_file(const std::string& id, const JobFile& file);
  // Forgets a file and removes it; nothing happens where there is none.
  void drop_file(const std::string& id, const std::string& name);
  // False when there is no such job.
  bool change(const std::string& id, const JobChange& change);
  // Exports that do not say whether they are assets, and what they are.
  [[nodiscard]] std::vector<Job> unsettled();
  void settle(const std::string& id, bool asset);
  // Of a running job; nothing happens to others.
  void end(const std::string& id, const JobEnd& end);
  // True when it was waiting.
  bool cancel_waiting(const std::string& id);
  // Removes an ended job with its files, on a full disk, too. False when there is none. Throws HttpError 409 when it has not
  // ended or when jobs that need its files have not.
  bool remove(const std::string& id);
  // Removes ended jobs that are not pinned, and from which no pinned one was made: those that are older than `days` and, oldest
  // first, all but the last that ended, as many as it takes to get below `bytes`; 0: no limit. Clocks are wrong at times, so
  // age alone removes a job only if an earlier look, a day before (or `days`, if that is less), found it too old already, if
  // the clock has not jumped since, and no more than a tenth of all ended jobs (at least one) within an hour. Works on a full
  // disk, too. Returns their ids.
  std::vector<std::string> remove_old(double days, std::uint64_t bytes, const Moment& at = Moment::now());
  // For a moment in which nothing is to be done: moves what was recorded from SQLite's log into the database, writes records
  // that could not be written, and keeps some space for removals on a full disk.
  void tidy();

 private:
  void lock_folder();
  void move_database_away(bool rebuild);
  void create_tables();
  void adopt();
  void adopt(const JobRecord& record);
  void recover();
  void sweep();
  void sweep_job(const std::filesystem::path& folder, JobState state, const std::set<std::string>& recorded);
  void forget_missing_files();
  void lose(const std::filesystem::path& path, const std::string& why);
  void note(const std::string& text) { notes_.push_back(text); }
  [[nodiscard]] bool is_needed(const std::string& id);
  bool remove_if_ended(const std::string& id);
  void remove_ended(const std::string& id);
  void follow_clock(const Moment& at);
  void remove_too_old(double days, const Moment& at, std::vector<std::string>& removed);
  void remove_too_much(std::uint64_t bytes, std::vector<std::string>& removed);
  [[nodiscard]] std::vector<Job> read(Statement& rows);
  [[nodiscard]] std::optional<std::string> job_of(const RequestKey& request);
  [[nodiscard]] JobRecord record_of(const std::string& id);
  // The record's file follows the database; what cannot be written now is written in a quiet moment.
  void changed(const std::string& id, bool to_disk = false);
  bool give_up_reserve();

  // Does it again with the reserve's space when the disk is full.
  template <class Work>
  bool with_reserve(Work work) {
    try {
      return work();
    } catch (const StorageError& error) {
      if (!error.disk_is_full() || !give_up_reserve()) throw;
    }
    return work();
  }

  struct Lock {
    int fd = -1;
    Lock() = default;
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;
    ~Lock();
  };

  std::filesystem::path folder_;
  Lock lock_;  // released after the database is closed
  std::mutex mutex_;
  std::optional<Database> database_;
  std::vector<std::string> notes_;
  std::set<std::string> unwritten_;  // jobs whose record is older than the database
  std::optional<Moment> first_look_, last_look_, last_share_;
  bool untidy_ = true;
};

}  // namespace espalier::server
