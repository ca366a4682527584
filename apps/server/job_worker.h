// What runs jobs for a server: in its own process (job_work.h) or in another one (worker_process.h).
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "job_store.h"
#include "serve.h"

namespace espalier::server {

// What is known of a model.
struct ModelFacts {
  std::string name, pipeline;
  std::string description, full_model;  // as espalier/checkpoint.h has them
  std::string device, precision, tier;  // empty before it was loaded for the first time
  std::uint64_t weight_bytes = 0;       // of its files
  std::uint64_t memory_bytes = 0;       // that the device has to have free at least
  bool untrained = false, takes_text = false;
  std::pair<int, double> structure_defaults, latent_defaults;  // steps, guidance
};

struct GpuMemory {
  std::uint64_t free = 0, total = 0;  // bytes, of all processes
};

struct WorkerOptions {
  LaneKind lane = LaneKind::networks;  // which jobs it runs; only those of networks need weights
  std::vector<ServedModel> models;     // the first for jobs that name none; all on one device
  std::filesystem::path background_network;
  int threads = 0;  // of the processor; 0: all of them

  [[nodiscard]] const std::string& device() const { return models.front().pipeline.device; }
  // What figures of Paces hold for.
  [[nodiscard]] std::string place() const;
};

// A job with what it is made of.
struct Assignment {
  Job job;
  std::filesystem::path folder;  // of its files
  std::optional<Job> parent;     // of an export; nothing when it is gone
  std::filesystem::path parent_folder;
  std::map<Stage, double> pace;  // Observer::pace
};

// Hears of a job that runs, on the thread that called JobWorker::run.
class JobListener {
 public:
  virtual ~JobListener() = default;
  // Whether the job shall end soon.
  [[nodiscard]] virtual bool cancelled() const = 0;
  // The API's progress object.
  virtual void on_progress(const Json& progress) = 0;
  // A file is whole in the job's folder; or is to go, because something better is there.
  virtual void on_file(const JobFile& file) = 0;
  virtual void on_dropped(const std::string& name) = 0;
  // What the stages took.
  virtual void on_stages(const std::vector<StageReport>& stages) = 0;
};

// One of the jobs that a worker runs. Of references that outlive the run.
struct JobTask {
  const Assignment& assignment;
  JobListener& listener;
};
// Hears of the end of a task, by its place.
using TaskEnded = std::function<void(std::size_t task, const JobEnd& end)>;

// Hears of a worker, on the thread that called it.
class WorkerListener {
 public:
  virtual ~WorkerListener() = default;
  // The models that jobs may name, that for jobs without a name first.
  virtual void on_models(const std::vector<ModelFacts>& models) = 0;
  // This model's weights are in memory now, and no others; or, with an empty name, none.
  virtual void on_loaded(const ModelFacts& model) = 0;
  // Of the worker's GPU, after weights came or went and after jobs.
  virtual void on_gpu_memory(const GpuMemory& memory) = 0;
  // What a person should know.
  virtual void on_warning(const std::string& text) = 0;
};

// The worker's process has ended, or has to: its job is not done. what() says why, for people.
class WorkerLost : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Runs one job at a time, or several together. Of one thread, but for process().
class JobWorker {
 public:
  virtual ~JobWorker() = default;
  // Gets ready, again after it was lost: of networks, learns of the models and loads the first. `leaving` is asked meanwhile
  // and later: true when the server ends and nothing is waited for. Throws Error what loading throws, WorkerLost.
  virtual void start(const std::function<bool()>& leaving) = 0;
  // Runs jobs to their ends, whatever these are: one, or several of one batch_key(), which are sampled together. `ended` hears
  // of each as soon as it ends, and throws nothing. Throws WorkerLost, which concerns those that have not ended; and what the
  // listeners throw.
  virtual void run(std::span<const JobTask> tasks, const TaskEnded& ended) = 0;
  // Gives the weights' memory back.
  virtual void unload() = 0;
  // False once it was lost; to be asked while nothing runs.
  [[nodiscard]] virtual bool alive() = 0;
  // Its process; 0: this one. From any thread.
  [[nodiscard]] virtual int process() const = 0;
};

// The listener outlives the worker.
using WorkerMaker = std::function<std::unique_ptr<JobWorker>(const WorkerOptions& options, WorkerListener& listener)>;

// How a job ends with the exception that is being handled. Folders of the server are left out of its message.
[[nodiscard]] JobEnd end_of_exception(const Assignment& assignment);

}  // namespace espalier::server
