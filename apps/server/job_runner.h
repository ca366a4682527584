// Gives the jobs of a store to workers, in two kinds of lanes: what needs networks, and exports, which need none, so that
// nobody waits minutes for a file. A lane is a thread with a worker of its own, which works in this process or in another one.
#pragma once

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "event_hub.h"
#include "job_book.h"
#include "job_control.h"
#include "metrics.h"
#include "paces.h"
#include "serve.h"

namespace espalier::server {

// Functions may be called from any thread.
class JobRunner : public JobControl {
 public:
  // Is told what a person at the terminal should know.
  using Reporter = std::function<void(const std::string&)>;

  // With a process for each of `devices` and one for exports; without any, all is done in this process. `make`: with other
  // workers than those.
  JobRunner(const ServeOptions& options, const std::vector<std::string>& devices, JobQueue& store, EventHub& hub,
            Metrics& metrics, Reporter report, WorkerMaker make = {});
  ~JobRunner() override;

  // Loads the checkpoint, then runs jobs.
  void start();
  // Puts running jobs back into the queue, at once, because nobody may wait for the end of a step that takes long. No job
  // begins after this.
  void interrupt();
  // Interrupts, and waits for the end of the threads.
  void stop();

  void wake() override;
  bool cancel(const std::string& id) override;
  [[nodiscard]] bool ready() const override;
  [[nodiscard]] std::vector<ModelFacts> known_models() const override;
  [[nodiscard]] bool is_loaded(const std::string& model) const override;
  [[nodiscard]] Json progress_of(const std::string& id) const override;
  [[nodiscard]] std::vector<WorkerState> workers() const override;
  [[nodiscard]] bool needs_workers() const override { return !lanes_.empty() && has_processes_; }
  // Every lane, also those that work in this process.
  [[nodiscard]] std::vector<WorkerState> lanes() const override;
  // Names of the models whose weights are in memory.
  [[nodiscard]] std::vector<std::string> loaded() const;
  // Why the checkpoint could not be loaded at the start; null when it could.
  [[nodiscard]] std::exception_ptr failure() const;

 private:
  class Lane;
  class Running;

  void loop(Lane& lane);
  // Until the lane's worker is ready; false when the server ends first.
  [[nodiscard]] bool revive(Lane& lane);
  // Whether another lane may yet load the checkpoint.
  [[nodiscard]] bool others_may_load(const Lane& lane) const;
  void idle(Lane& lane);
  // Takes the next job, and those that are sampled with it; false when there is none.
  [[nodiscard]] bool take_jobs(Lane& lane);
  void take_companions(Lane& lane);
  void wait(Lane& lane, std::chrono::steady_clock::time_point until);
  void wait_for_companions(Lane& lane, std::chrono::steady_clock::time_point until);
  // The job, if it runs, or null.
  [[nodiscard]] Running* running(const std::string& id) const;
  void run(Lane& lane);
  void end(Running& job, const JobEnd& end, std::chrono::steady_clock::time_point start);
  [[nodiscard]] Assignment assignment_of(const Lane& lane, const Job& job);
  // The end of a job whose worker was lost; nothing when it is tried again.
  [[nodiscard]] std::optional<JobEnd> end_of_lost(Lane& lane, Running& job, const WorkerLost& lost);
  void publish_state(const std::string& id);
  void remove_old();
  bool recorded(const std::function<void()>& work);

  const ServeOptions& options_;
  JobQueue& store_;
  EventHub& hub_;
  Metrics& metrics_;
  Reporter report_;
  WorkerMaker make_;  // may be empty
  Paces paces_;
  std::atomic<bool> records_fail_{false};  // was said

  mutable std::mutex mutex_;  // of what follows, and of what lanes share
  std::condition_variable changed_;
  bool stopping_ = false;
  std::vector<std::unique_ptr<Lane>> lanes_;
  bool has_processes_ = false;
  std::vector<ModelFacts> models_;
  bool ready_ = false;  // the checkpoint has been loaded once
  std::exception_ptr failure_;
  std::atomic<bool> interrupted_{false};
};

}  // namespace espalier::server
