// What a server of a fleet knows of the workers, which run elsewhere: who there is, which models they have, and what happens
// to jobs, which it passes on to those who listen here.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "event_hub.h"
#include "fleet_book.h"
#include "job_control.h"
#include "metrics.h"
#include "redis.h"
#include "serve.h"

namespace espalier::server {

class FleetControl : public JobControl {
 public:
  FleetControl(const ServeOptions& options, Redis& redis, FleetBook& book, EventHub& hub, Metrics& metrics,
               std::function<void(const std::string&)> report);
  ~FleetControl() override;

  void start();
  void stop();

  void wake() override {}
  bool cancel(const std::string& id) override;
  [[nodiscard]] bool ready() const override;
  [[nodiscard]] std::vector<ModelFacts> known_models() const override;
  [[nodiscard]] bool is_loaded(const std::string& model) const override;
  [[nodiscard]] Json progress_of(const std::string& /*id*/) const override { return nullptr; }  // the record has it
  [[nodiscard]] std::vector<WorkerState> workers() const override;
  [[nodiscard]] std::vector<WorkerState> lanes() const override { return workers(); }
  [[nodiscard]] bool needs_workers() const override { return true; }

 private:
  // Runs `work` again and again until the server ends; says once when Redis is gone.
  void keep_at(std::chrono::milliseconds pause, const std::function<void()>& work);
  void listen();
  void hear(const std::string& message);
  void survey();
  void follow();
  void publish_state(const Job& job);
  [[nodiscard]] bool waited(std::chrono::milliseconds time);

  const ServeOptions& options_;
  Redis& redis_;
  FleetBook& book_;
  EventHub& hub_;
  Metrics& metrics_;
  const std::function<void(const std::string&)> report_;
  std::thread listening_, following_;
  std::chrono::steady_clock::time_point last_survey_{}, last_removal_{};  // of the thread that follows
  struct Shown {
    JobState state = JobState::queued;
    std::string progress{};
  };
  std::map<std::string, Shown> shown_;  // of the thread that follows: jobs that somebody listens to

  mutable std::mutex mutex_;  // of what follows
  std::condition_variable changed_;
  bool stopping_ = false, gone_ = false;
  std::vector<ModelFacts> models_;
  std::vector<WorkerState> workers_;
  std::vector<std::string> loaded_;
};

// What a worker says of itself, and back. Nothing for what is none, or of another version.
struct WorkerReport {
  std::vector<WorkerState> lanes;
  std::vector<std::string> models, loaded;
};
[[nodiscard]] std::string text_of(const WorkerReport& report);
[[nodiscard]] std::optional<WorkerReport> worker_report_of(const std::string& text);

}  // namespace espalier::server
