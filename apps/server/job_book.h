// The two sides of whatever keeps jobs: that of those who send and look (routes, webhooks), and that of those who run them.
// JobStore is both, in a folder of this machine; a fleet has them in Redis, each in a process of its own (fleet_book.h,
// fleet_queue.h). All functions may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "database.h"
#include "job.h"

namespace espalier::server {

class JobBook {
 public:
  JobBook() = default;
  JobBook(const JobBook&) = delete;
  JobBook& operator=(const JobBook&) = delete;
  virtual ~JobBook() = default;

  // Why jobs cannot be kept now, or nothing.
  [[nodiscard]] virtual std::optional<StorageError> trouble() const = 0;
  // Where the files of a new job are put before it is added.
  [[nodiscard]] virtual std::filesystem::path folder_of(const std::string& id) const = 0;
  // Where a file of a job can be read; it may have to be fetched first. Throws Error.
  [[nodiscard]] virtual std::filesystem::path path_of(const std::string& id, const JobFile& file) = 0;
  // For files on their way in.
  [[nodiscard]] virtual std::filesystem::path incoming() const = 0;
  // Whether jobs may have a priority.
  [[nodiscard]] virtual bool has_priorities() const = 0;

  // Records a job with its input files, which lie in its folder already, and returns its id; that of an earlier job where the
  // same request has made one, and nothing is recorded. Throws HttpError 429 (of a fleet: 503) when `max_queue` jobs wait, 429
  // when the job is beyond its owner's allowance, 404 when the parent is gone, 409 when a request of that name said something
  // else.
  virtual std::string add(const Job& job, int max_queue, const RequestKey& request, const Allowance& allowance) = 0;
  // Throws as add() does when `max_queue` jobs wait.
  virtual void refuse_when_full(int max_queue) = 0;
  // The job that a request has made.
  [[nodiscard]] virtual std::optional<std::string> made_by(const RequestKey& request) = 0;
  [[nodiscard]] virtual std::optional<Job> find(const std::string& id) = 0;
  // Of a job; empty without one.
  [[nodiscard]] virtual std::string owner(const std::string& id) = 0;
  // Newest first, at most `limit` with a sequence below `below`.
  [[nodiscard]] virtual std::vector<Job> list(const JobFilter& filter, int limit, std::int64_t below) = 0;
  [[nodiscard]] virtual std::map<JobState, std::int64_t> counts() = 0;
  [[nodiscard]] virtual std::uint64_t bytes() = 0;
  // Seconds since the oldest job that waits was made; 0 without one.
  [[nodiscard]] virtual double oldest_wait() = 0;
  // No job begins while the queue is paused; those that run go on.
  [[nodiscard]] virtual bool paused() = 0;
  virtual void pause(bool paused) = 0;
  // What runs and then what waits in its order, at most `limit`; of this key alone, where `owner` names one.
  [[nodiscard]] virtual std::vector<Job> queue(int limit, const std::string& owner) = 0;
  // False when there is no such job. Throws HttpError 409 when it cannot be moved.
  virtual bool change(const std::string& id, const JobChange& change) = 0;
  // Removes an ended job with its files. False when there is none. Throws HttpError 409 when it has not ended or when jobs that
  // need its files have not.
  virtual bool remove(const std::string& id) = 0;
  // The message of a job that has ended which is due first, now or later, but for those of `taken`. No message waits `longest`
  // milliseconds from `now` on.
  [[nodiscard]] virtual std::optional<WebhookDue> next_webhook(const std::set<std::string>& taken, std::int64_t now,
                                                               std::int64_t longest) = 0;
  virtual void note_webhook(const std::string& id, const JobWebhook& state) = 0;
};

// How many takings (a job, or with --max-batch a batch) may overtake a job whose model would have to be loaded. As many share
// what loading takes.
inline constexpr int kMostPasses = 4;

class JobQueue {
 public:
  JobQueue() = default;
  JobQueue(const JobQueue&) = delete;
  JobQueue& operator=(const JobQueue&) = delete;
  virtual ~JobQueue() = default;

  // Whether others take jobs from the same queue, so that one may come without a word here, and asking takes time.
  [[nodiscard]] virtual bool is_shared() const = 0;
  // Of a shared one: waits until there may be a job of the lane, at most `longest`, or until `enough` says so.
  virtual void await(LaneKind lane, std::chrono::milliseconds longest, const std::function<bool()>& enough) = 0;
  // The first job of the lane that waits, now running; nothing while the queue is paused. One of the model `loaded`, whose
  // weights are in memory, comes before others, kMostPasses times in a row at most; empty: none is.
  [[nodiscard]] virtual std::optional<Job> take_next(LaneKind lane, const std::string& loaded) = 0;
  // Jobs that wait and have the batch_key() of `first`, which was just taken, in their order, at most `most`, now running. None
  // while the queue is paused; and none for, or of, jobs that were begun before, whose worker may have been lost by them.
  struct Companions {
    std::vector<Job> jobs{};
    bool last = false;  // more are not worth waiting for
  };
  [[nodiscard]] virtual Companions take_companions(const Job& first, std::size_t most) = 0;
  // Where the files of a job that runs are, and of the job that it is made from.
  [[nodiscard]] virtual std::filesystem::path folder_of(const std::string& id) const = 0;
  // The same jobs.
  [[nodiscard]] virtual std::optional<Job> find(const std::string& id) = 0;
  // A running job, back into its place of the queue as if it had not run; nothing happens to others.
  virtual void put_back(const std::string& id) = 0;
  // A running job whose worker was lost: back into its place of the queue, without what it made, unless it was begun too often;
  // then false. Halves of its files go in both cases.
  [[nodiscard]] virtual bool try_again(const std::string& id) = 0;
  // Halves of files of a running job go.
  virtual void clean(const std::string& id) = 0;
  virtual void add_file(const std::string& id, const JobFile& file) = 0;
  // Forgets a file and removes it; nothing happens where there is none.
  virtual void drop_file(const std::string& id, const std::string& name) = 0;
  // Of a running job; nothing happens to others.
  virtual void end(const std::string& id, const JobEnd& end) = 0;
  // True when it was waiting.
  virtual bool cancel_waiting(const std::string& id) = 0;
  // What nobody wants to keep goes.
  virtual void remove_unwanted(double days, std::uint64_t bytes) = 0;
  // For a moment in which nothing is to be done.
  virtual void tidy() = 0;
};

}  // namespace espalier::server
