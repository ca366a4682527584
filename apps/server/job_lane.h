// A lane of JobRunner: its thread, its worker, and the jobs that it runs.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "job_runner.h"

namespace espalier::server {

// A job that a lane runs. What its thread shares with others is guarded by the runner's mutex.
class JobRunner::Running : public JobListener {
 public:
  Running(Lane& lane, Job job) : lane_(lane), job_(std::move(job)) {}

  // Of JobListener, on the lane's thread.
  [[nodiscard]] bool cancelled() const override;
  void on_progress(const Json& progress) override;
  void on_file(const JobFile& file) override;
  void on_dropped(const std::string& file) override;
  void on_stages(const std::vector<StageReport>& stages) override;

 private:
  friend class JobRunner;

  Lane& lane_;
  const Job job_;
  Json progress_;
  bool ended_ = false;  // or back in the queue
  std::atomic<bool> cancelled_{false};
};

// What a lane's thread shares with others is guarded by the runner's mutex.
class JobRunner::Lane : public WorkerListener {
 public:
  Lane(JobRunner& runner, std::string name, WorkerOptions options, bool process);

  // Of WorkerListener, on the lane's thread.
  void on_models(const std::vector<ModelFacts>& models) override;
  void on_loaded(const ModelFacts& model) override;
  void on_gpu_memory(const GpuMemory& memory) override;
  void on_warning(const std::string& text) override { runner_.report_(text); }

 private:
  friend class JobRunner;
  friend class Running;

  JobRunner& runner_;
  const std::string name_;
  const WorkerOptions options_;
  const bool process_;  // the worker is another process
  std::unique_ptr<JobWorker> worker_;
  std::thread thread_;

  // Of the lane's thread alone.
  int failures_ = 0;           // of the worker since a job ended
  bool was_reported_ = false;  // that it was lost
  std::chrono::steady_clock::time_point last_job_{}, last_removal_{};

  // Written by the lane's thread under the runner's mutex.
  std::vector<std::unique_ptr<Running>> running_;  // the jobs that it took together, also those that have ended
  std::string loaded_;                             // the model whose weights are in memory
  std::string state_ = "starting";
  std::uint64_t restarts_ = 0;
  GpuMemory gpu_{};
  int pid_ = 0;
  bool cannot_load_ = false;  // the last attempt to start it ended with an error
  bool woken_ = false;        // of any thread, under the mutex
};

}  // namespace espalier::server
