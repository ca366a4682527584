// The records of all jobs in SQLite, and their files in a folder each. What is recorded is whole: a file is written under
// another name, renamed, and only then recorded. All functions may be called from any thread.
#pragma once

#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "database.h"
#include "http_message.h"

namespace espalier::server {

enum class JobState { queued, running, done, failed, cancelled };
[[nodiscard]] const char* name_of(JobState state);
[[nodiscard]] std::optional<JobState> state_named(const std::string& name);
[[nodiscard]] inline bool has_ended(JobState state) { return state != JobState::queued && state != JobState::running; }

enum class JobKind { image, latent, exported };
[[nodiscard]] const char* name_of(JobKind kind);

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

  [[nodiscard]] const JobFile* file(const std::string& file_name) const;
};

// What a job ended with.
struct JobEnd {
  JobState state = JobState::done;
  Json error;
  Json report;
  Json notices = Json::array();
};

class JobStore {
 public:
  // Opens the folder, which is made when it is missing, and puts right what a sudden end has left: a job that was running is
  // queued again the first time and failed the second, files without record and records without file go; what no server has
  // put there stays. Throws io, also when another server has the folder, which is then left alone.
  explicit JobStore(std::filesystem::path folder);
  JobStore(const JobStore&) = delete;
  JobStore& operator=(const JobStore&) = delete;
  ~JobStore() = default;

  [[nodiscard]] static std::string new_id();
  [[nodiscard]] static bool is_id(const std::string& text);  // 24 digits of base 16
  // Where files of a job are, or will be.
  [[nodiscard]] std::filesystem::path folder_of(const std::string& id) const { return folder_ / "jobs" / id; }
  // For files on their way in; what an earlier server left there goes when the store is opened.
  [[nodiscard]] std::filesystem::path incoming() const { return folder_ / "incoming"; }

  // Records a job with its input files, which lie in its folder already. Throws HttpError 429 when `max_queue` jobs wait, 404
  // when the parent is gone.
  void add(const Job& job, int max_queue);
  [[nodiscard]] std::optional<Job> find(const std::string& id);
  // Newest first, at most `limit` with a sequence below `below`.
  [[nodiscard]] std::vector<Job> list(std::optional<JobState> state, int limit, std::int64_t below);
  [[nodiscard]] std::map<JobState, std::int64_t> counts();
  [[nodiscard]] std::uint64_t bytes();

  // The oldest job that waits, now running.
  [[nodiscard]] std::optional<Job> take_next();
  // A running job, back into its place of the queue as if it had not run; nothing happens to others.
  void put_back(const std::string& id);
  void add_file(const std::string& id, const JobFile& file);
  // Of a running job; nothing happens to others.
  void end(const std::string& id, const JobEnd& end);
  // True when it was waiting.
  bool cancel_waiting(const std::string& id);
  // Removes an ended job with its files. False when there is none. Throws HttpError 409 when it has not ended or when jobs that
  // need its files have not.
  bool remove(const std::string& id);
  // Removes ended jobs that are older than `days` and, oldest first, all but the last that ended, as many as it takes to get
  // below `bytes`; 0: no limit.
  // Returns their ids.
  std::vector<std::string> remove_old(double days, std::uint64_t bytes);

 private:
  void lock_folder();
  void create_tables();
  void recover();
  void sweep();
  [[nodiscard]] bool is_needed(const std::string& id);
  void remove_ended(const std::string& id);
  [[nodiscard]] std::vector<Job> read(Statement& rows);

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
};

}  // namespace espalier::server
