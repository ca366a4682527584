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
#include "job.h"
#include "job_book.h"

namespace espalier::server {

struct JobRecord;

inline constexpr const char* kPausedFile = "paused";  // is in the store's folder while the queue is paused

// A moment by the clock on the wall, which people and networks set, and by one that only runs.
struct Moment {
  std::chrono::system_clock::time_point wall;
  std::chrono::nanoseconds since_boot{};  // time asleep included

  [[nodiscard]] static Moment now();
};

class JobStore : public JobBook, public JobQueue {
 public:
  // Opens the folder, which is made when it is missing, and puts right what a sudden end has left: a job that was running is
  // queued again the first time and failed the second; halves of files go. Jobs that the database does not know, or knows in an
  // older state, are taken from the records in their folders. Nothing else is deleted: what cannot be explained is moved to the
  // folder lost/, and what no server has put there stays. `rebuild`: with a new database; the old one is moved to lost/. Throws
  // StorageError; Error io when another server has the folder, which is then left alone.
  explicit JobStore(std::filesystem::path folder, bool rebuild = false);
  JobStore(const JobStore&) = delete;
  JobStore& operator=(const JobStore&) = delete;
  ~JobStore() override = default;

  // What whoever runs the server should know of what was found.
  [[nodiscard]] const std::vector<std::string>& notes() const { return notes_; }
  // Why jobs cannot be kept now (the folder is gone or cannot be written), or nothing.
  [[nodiscard]] std::optional<StorageError> trouble() const override;

  [[nodiscard]] static std::string new_id();
  [[nodiscard]] static bool is_id(const std::string& text);  // 24 digits of base 16
  // Where files of a job are, or will be.
  [[nodiscard]] std::filesystem::path folder_of(const std::string& id) const override { return folder_ / "jobs" / id; }
  // For files on their way in; what an earlier server left there goes when the store is opened.
  [[nodiscard]] std::filesystem::path incoming() const override { return folder_ / "incoming"; }
  [[nodiscard]] std::filesystem::path path_of(const std::string& id, const JobFile& file) override {
    return folder_of(id) / file.name;
  }
  [[nodiscard]] bool has_priorities() const override { return false; }
  [[nodiscard]] bool is_shared() const override { return false; }
  void await(LaneKind /*lane*/, std::chrono::milliseconds /*longest*/, const std::function<bool()>& /*enough*/) override {}

  // Records a job with its input files, which lie in its folder already, and returns its id; that of an earlier job where the
  // same request has made one, and nothing is recorded. Throws HttpError 429 when `max_queue` jobs wait or
  // the job is beyond its owner's allowance, 404 when the parent is
  // gone, 409 when a request of that name said something else.
  std::string add(const Job& job, int max_queue, const RequestKey& request = {}, const Allowance& allowance = {}) override;
  void refuse_when_full(int max_queue) override;
  // The job that a request has made.
  [[nodiscard]] std::optional<std::string> made_by(const RequestKey& request) override;
  [[nodiscard]] std::optional<Job> find(const std::string& id) override;
  // Of a job; empty without one.
  [[nodiscard]] std::string owner(const std::string& id) override;
  // Newest first, at most `limit` with a sequence below `below`.
  [[nodiscard]] std::vector<Job> list(const JobFilter& filter, int limit, std::int64_t below) override;
  [[nodiscard]] std::map<JobState, std::int64_t> counts() override;
  [[nodiscard]] std::uint64_t bytes() override;
  // Seconds since the oldest job that waits was made; 0 without one.
  [[nodiscard]] double oldest_wait() override;

  // The first job of the lane that waits, now running; nothing while the queue is paused. See JobQueue.
  [[nodiscard]] std::optional<Job> take_next(LaneKind lane = LaneKind::networks, const std::string& loaded = {}) override;
  [[nodiscard]] Companions take_companions(const Job& first, std::size_t most) override;
  // A running job, back into its place of the queue as if it had not run; nothing happens to others.
  void put_back(const std::string& id) override;
  // A running job whose worker was lost: back into its place of the queue, without what it made, unless it was begun twice;
  // then false. Halves of its files go in both cases.
  [[nodiscard]] bool try_again(const std::string& id) override;
  // Halves of files of a running job go.
  void clean(const std::string& id) override;
  void add_file(const std::string& id, const JobFile& file) override;
  // Forgets a file and removes it; nothing happens where there is none.
  void drop_file(const std::string& id, const std::string& name) override;
  // No job begins while the queue is paused, also after a restart and with another database; those that run go on.
  [[nodiscard]] bool paused() override;
  void pause(bool paused) override;
  // What runs and then what waits in its order, at most `limit`; of this key alone, where `owner` names one.
  [[nodiscard]] std::vector<Job> queue(int limit, const std::string& owner = {}) override;
  // False when there is no such job. Throws HttpError 409 when it shall be moved and does not wait, or when the job that it
  // shall be before does not wait in its lane.
  bool change(const std::string& id, const JobChange& change) override;
  // Exports that do not say whether they are assets, and what they are.
  [[nodiscard]] std::vector<Job> unsettled();
  void settle(const std::string& id, bool asset);
  // Of a running job; nothing happens to others.
  void end(const std::string& id, const JobEnd& end) override;
  // True when it was waiting.
  bool cancel_waiting(const std::string& id) override;
  // Removes an ended job with its files, on a full disk, too. False when there is none. Throws HttpError 409 when it has not
  // ended or when jobs that need its files have not.
  bool remove(const std::string& id) override;
  // Removes ended jobs that are not pinned, and from which no pinned one was made: those that are older than `days` and, oldest
  // first, all but the last that ended, as many as it takes to get below `bytes`; 0: no limit. Clocks are wrong at times, so
  // age alone removes a job only if an earlier look, a day before (or `days`, if that is less), found it too old already, if
  // the clock has not jumped since, and no more than a tenth of all ended jobs (at least one) within an hour. Works on a full
  // disk, too. Returns their ids.
  void remove_unwanted(double days, std::uint64_t bytes) override { (void)remove_old(days, bytes); }
  std::vector<std::string> remove_old(double days, std::uint64_t bytes, const Moment& at = Moment::now());
  // The message of a job that has ended which is due first, now or later, but for those of `taken`. No message waits `longest`
  // milliseconds from `now` on.
  [[nodiscard]] std::optional<WebhookDue> next_webhook(const std::set<std::string>& taken, std::int64_t now,
                                                       std::int64_t longest) override;
  void note_webhook(const std::string& id, const JobWebhook& state) override;
  // For a moment in which nothing is to be done: moves what was recorded from SQLite's log into the database, writes records
  // that could not be written, and keeps some space for removals on a full disk.
  void tidy() override;

 private:
  void lock_folder();
  void move_database_away(bool rebuild);
  void create_tables();
  void create_owners();
  [[nodiscard]] std::string owner_now(const std::string& id);
  void set_owner(const Job& job);
  void count_in(const Job& job, const Allowance& allowance);
  void move(const std::string& id, const JobChange& change);
  void expect_webhook(const Job& job);
  void adopt();
  void adopt(const JobRecord& record);
  void recover();
  void sweep();
  void sweep_files(const std::string& id);
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
  void begin(Job& job);
  [[nodiscard]] std::vector<Job> first_waiting(LaneKind lane, const std::string& loaded);
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
  std::string passed_;  // the job at the head of its lane that others have overtaken
  int passes_ = 0;      // how many of them
  bool untidy_ = true;
  bool paused_ = false;
};

}  // namespace espalier::server
