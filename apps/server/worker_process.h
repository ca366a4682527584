// Runs jobs in another process: this program again, as `espalier worker` (worker_main.cpp).
#pragma once

#include <atomic>
#include <memory>

#include "job_worker.h"
#include "worker_channel.h"

namespace espalier::server {

// One process at a time. It ends with this object, with the thread that called start() and with this program, however that
// ends.
class WorkerProcess : public JobWorker {
 public:
  // The listener outlives it.
  WorkerProcess(WorkerOptions options, WorkerListener& listener);
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;
  ~WorkerProcess() override;

  void start(const std::function<bool()>& leaving) override;
  void run(std::span<const JobTask> tasks, const TaskEnded& ended) override;
  void unload() override;
  [[nodiscard]] bool alive() override;
  [[nodiscard]] int process() const override { return process_; }

 private:
  // Handles what is not about a job; false for anything else.
  [[nodiscard]] bool take(const Json& message);
  // Ends the process, however it is, and what it started. Says how it ended.
  std::string finish();
  [[noreturn]] void lose(const std::string& why = {});

  WorkerOptions options_;
  WorkerListener& listener_;
  std::function<bool()> leaving_;
  std::unique_ptr<WorkerChannel> channel_;
  std::atomic<int> process_{0};
};

// The device of each worker: for "auto" those that there are for `device` (auto, cpu, cuda, cuda:N as of PipelineOptions), else
// so many, in turn. GPUs are counted by another process, so that this one opens none. Throws Error.
[[nodiscard]] std::vector<std::string> devices_of_workers(const std::string& workers, const std::string& device);
// The processor's threads for each of so many workers, at least one.
[[nodiscard]] int threads_of_worker(std::size_t workers);

}  // namespace espalier::server
