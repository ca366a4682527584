// The side of a fleet that runs jobs: takes them from Redis, fetches what they are made of into a folder of this machine, and
// stores what they make. While a job runs, a thread says so every second, which keeps its lease; another one hears at once that
// a job shall end, and what it misses the first one is told. Redis may be gone for a while: jobs go on, and their ends are
// reported when it is there again.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "fleet_files.h"
#include "fleet_record.h"
#include "job_book.h"
#include "redis.h"

namespace espalier::server {

class FleetQueue : public JobQueue {
 public:
  struct Options {
    std::string worker;             // name of this process
    std::filesystem::path scratch;  // for the files of jobs that run; emptied at the start
    double lease_seconds = 30;
  };
  // `report` gets what a person should know.
  FleetQueue(Options options, Redis& redis, FleetFiles& files, std::function<void(const std::string&)> report);
  ~FleetQueue() override;

  // Names the models that this process can run, and ends a job that runs here. Both are asked from now on.
  void begin(std::function<std::vector<std::string>()> models, std::function<bool(const std::string&)> cancel);
  // How far a job is: its progress object.
  void note_progress(const std::string& id, const std::string& progress);
  // Gives back what was taken and not ended. Nothing is said of jobs any more.
  void stop();

  [[nodiscard]] bool is_shared() const override { return true; }
  void await(LaneKind lane, std::chrono::milliseconds longest, const std::function<bool()>& enough) override;
  [[nodiscard]] std::optional<Job> take_next(LaneKind lane, const std::string& loaded) override;
  // The jobs that are next by the fleet's order, up to the first that is another sort of job, which goes back.
  [[nodiscard]] Companions take_companions(const Job& first, std::size_t most) override;
  [[nodiscard]] std::filesystem::path folder_of(const std::string& id) const override { return options_.scratch / id; }
  [[nodiscard]] std::optional<Job> find(const std::string& id) override;
  void put_back(const std::string& id) override;
  [[nodiscard]] bool try_again(const std::string& id) override;
  void clean(const std::string& /*id*/) override {}  // what is half never leaves the scratch folder
  void add_file(const std::string& id, const JobFile& file) override;
  void drop_file(const std::string& id, const std::string& name) override;
  void end(const std::string& id, const JobEnd& end) override;
  bool cancel_waiting(const std::string& /*id*/) override { return false; }
  void remove_unwanted(double /*days*/, std::uint64_t /*bytes*/) override {}
  void tidy() override {}

 private:
  // An attempt at a job.
  struct Task {
    Job job;
    LaneKind lane = LaneKind::networks;
    std::int64_t attempt = 0;
    std::string begun{};  // how often it was begun, as Redis has it
    std::optional<Job> parent{};
    std::vector<JobFile> files{};      // what it has made
    std::vector<std::string> fresh{};  // of these, as JSON, what nobody has heard of
    std::string progress{};            // that nobody has heard of
    int changes = 0, reported = 0;     // of the files, and as many as Redis knows
    bool asked = false;                // to end
  };

  // The models that this process can run, in the order in which their jobs are looked for.
  [[nodiscard]] std::vector<std::string> models_by_turn(const std::string& loaded) const;
  void note_turn(const std::string& model, const std::string& loaded);
  // The first job of the lane that is of one of these models, with what it is made of.
  // What is not `wanted` goes back to its place before its files are fetched.
  [[nodiscard]] std::optional<Job> take_of(LaneKind lane, const std::vector<std::string>& models,
                                           const std::function<bool(const Task&)>& wanted = {});
  [[nodiscard]] std::optional<Task> taken(const RedisReply& given, LaneKind lane);
  void fetch(Task& task);
  void bring(const std::string& id, const JobFile& file, const std::filesystem::path& folder);
  void refuse(const Task& task, const std::string& code, const std::string& message, const std::string& hint);
  // What Redis says to the end of an attempt: won or lost.
  std::string commit(const Task& task, const JobEnd& end);
  std::string release(const Task& task, bool as_if_not_run);
  void forget(const std::string& id);
  void beat();
  void beat_for(const std::string& id);
  void listen();
  // The job shall end, if it runs here.
  void stop_job(const std::string& id);
  // A copy; nothing where the job does not run here.
  [[nodiscard]] std::optional<Task> task_of(const std::string& id) const;

  const Options options_;
  Redis& redis_;
  FleetFiles& files_;
  const std::function<void(const std::string&)> report_;
  std::function<std::vector<std::string>()> models_;
  std::function<bool(const std::string&)> cancel_;

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  std::map<std::string, Task> tasks_;
  std::map<LaneKind, Job> ended_;              // the last of each lane, which may be asked about
  std::map<std::string, std::int64_t> turns_;  // of each model, the last that it had
  std::int64_t turn_ = 0;
  int kept_ = 0;  // takings in a row, of a job or of a batch, because the model was loaded
  bool hurry_ = false, stopping_ = false, silent_ = false;
  std::thread beating_, listening_;
};

}  // namespace espalier::server
