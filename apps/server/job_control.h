// What the routes ask of whatever runs jobs: this server's own workers (JobRunner), or a fleet's (FleetControl).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "job_worker.h"

namespace espalier::server {

inline constexpr const char* kExportsWorker = "exports";

// What a process that runs jobs is doing.
struct WorkerState {
  std::string name;    // "0", "1", ... and kExportsWorker; of a fleet, behind the name of the process and a slash
  std::string device;  // "cuda:1"
  std::string state;   // starting, idle, busy, lost
  int process = 0;     // of this machine; 0: none now, or of another machine
  std::uint64_t restarts = 0;
  GpuMemory gpu{};  // when weights came or went, or a job ended, last; 0 on the CPU, and before
};

// Functions may be called from any thread.
class JobControl {
 public:
  JobControl() = default;
  JobControl(const JobControl&) = delete;
  JobControl& operator=(const JobControl&) = delete;
  virtual ~JobControl() = default;

  // There may be a new job.
  virtual void wake() = 0;
  // Ends a waiting job at once and a running one at its next step; false when it is neither.
  virtual bool cancel(const std::string& id) = 0;
  // Whether a model was loaded once.
  [[nodiscard]] virtual bool ready() const = 0;
  // The models that jobs may name, that for jobs without a name first, as far as they are known before any is loaded.
  [[nodiscard]] virtual std::vector<ModelFacts> known_models() const = 0;
  // Whether its weights are in memory now, of any worker; of any model for an empty name.
  [[nodiscard]] virtual bool is_loaded(const std::string& model) const = 0;
  // How far the job is, if it runs here.
  [[nodiscard]] virtual Json progress_of(const std::string& id) const = 0;
  // The processes that run jobs; empty where this one does.
  [[nodiscard]] virtual std::vector<WorkerState> workers() const = 0;
  // The same, and what runs jobs in this process.
  [[nodiscard]] virtual std::vector<WorkerState> lanes() const = 0;
  // Whether there have to be such processes.
  [[nodiscard]] virtual bool needs_workers() const = 0;

  // Those that are known once one is loaded; empty until then.
  [[nodiscard]] std::vector<ModelFacts> models() const { return ready() ? known_models() : std::vector<ModelFacts>(); }
  // One of known_models(); the first for an empty name. Throws HttpError.
  [[nodiscard]] ModelFacts model_named(const std::string& name) const;
};

}  // namespace espalier::server
