// What operators want to know of jobs: histograms of their stages, and a line of JSON for each that starts or ends.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "event_hub.h"
#include "metrics.h"

namespace espalier::server {

class JobWatch {
 public:
  // `log` takes a line of JSON, without its end; nothing is logged without it.
  JobWatch(Metrics& metrics, std::function<void(const std::string&)> log);

  // One event after another, as EventHub::watch gives them.
  void see(const std::string& job, const Event& event);

 private:
  using Clock = std::chrono::steady_clock;

  struct Running {
    std::string stage;
    Clock::time_point since;
  };

  void see_stage(const std::string& job, const std::string& stage);
  void see_state(const Json& job);
  void end_stage(const Running& running);

  Metrics& metrics_;
  std::function<void(const std::string&)> log_;
  std::map<std::string, Running> running_;
  std::set<std::string> begun_;  // jobs that run; a change of one is no second beginning
};

// The line of another thing than a job: "listening", "warning".
[[nodiscard]] std::string log_line(const std::string& event, const std::string& text);
// With members of its own.
[[nodiscard]] std::string log_members(const std::string& event, const Json& members);

}  // namespace espalier::server
