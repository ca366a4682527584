// Runs the jobs of a store in two lanes, one after another in each: what needs networks on a thread that alone touches the
// pipeline, and exports, which need none, on another, so that nobody waits minutes for a file.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "event_hub.h"
#include "job_options.h"
#include "job_store.h"
#include "metrics.h"
#include "paces.h"
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

// Functions may be called from any thread.
class JobRunner {
 public:
  // Is told what a person at the terminal should know.
  using Say = std::function<void(const std::string&)>;

  JobRunner(const ServeOptions& options, JobStore& store, EventHub& hub, Metrics& metrics, Say say);
  JobRunner(const JobRunner&) = delete;
  JobRunner& operator=(const JobRunner&) = delete;
  ~JobRunner();

  // Loads the checkpoint, then runs jobs.
  void start();
  // Puts a running job back into the queue, at once, because nobody may wait for the end of a step that takes long. No job
  // begins after this.
  void interrupt();
  // Interrupts, and waits for the end of the thread.
  void stop();

  // There may be a new job.
  void wake();
  // Ends a waiting job at once and a running one at its next step; false when it is neither.
  bool cancel(const std::string& id);

  // Whether the first model was loaded once.
  [[nodiscard]] bool ready() const;
  // The models that jobs may name, that for jobs without a name first; empty until ready.
  [[nodiscard]] std::vector<ModelFacts> models() const;
  // One of them; the first for an empty name. Throws HttpError.
  [[nodiscard]] ModelFacts model_named(const std::string& name) const;
  // Whose weights are in memory now; empty when none are.
  [[nodiscard]] std::string loaded_model() const;
  // Why the checkpoint could not be loaded at the start; null when it could.
  [[nodiscard]] std::exception_ptr failure() const;
  // How far the job is, if it runs.
  [[nodiscard]] Json progress_of(const std::string& id) const;

 private:
  struct Lane {
    LaneKind kind;
    std::thread thread{};
    std::string current{};  // id of the running job
    Json progress{};
    std::atomic<bool> cancelled{false};
    bool woken = false;
  };

  void loop(Lane& lane);
  [[nodiscard]] std::optional<Job> next_job(Lane& lane);
  void wait(Lane& lane, std::chrono::steady_clock::time_point until);
  // The lane that runs the job, or null.
  [[nodiscard]] Lane* running(const std::string& id);
  [[nodiscard]] Lane& lane_of_job(const Job& job) { return lanes_[static_cast<std::size_t>(lane_of(job.kind))]; }
  void load(const std::string& name);
  void unload();
  // Fills models_ with what can be said of those that are not loaded; what cannot be read is left out, and said.
  void learn_models();
  [[nodiscard]] const PipelineOptions& pipeline_of(const std::string& name) const;
  void run(Lane& lane, const Job& job);
  [[nodiscard]] JobEnd run_kind(const Job& job);
  [[nodiscard]] JobEnd run_generation(const Job& job);
  [[nodiscard]] JobEnd run_export(const Job& job);
  [[nodiscard]] Observer observer_of(const Job& job);
  void keep(const Job& job, const std::string& name, const std::string& role, const std::string& format,
            const std::string& media_type, const std::function<void(const std::filesystem::path&)>& write);
  // What the user should know of the file goes into `notices`.
  void keep_result(const Job& job, const Asset& asset, const std::string& format, SaveOptions options, Json& notices);
  void keep_thumbnail(const Job& job, const Asset& asset);
  struct Finished {
    Asset asset;
    bool reused;  // the parent's own mesh
  };
  // The parent's asset with its mesh finished as wanted.
  [[nodiscard]] Finished finished_asset(const Job& parent, const Options& of_parent, const Options& wanted,
                                        const Observer& observer);
  void keep_cutouts(const Job& job, const std::vector<Background>& background);
  [[nodiscard]] std::string without_folders(const Job& job, std::string text) const;
  void check_cancelled(const Job& job);
  // What figures of Paces hold for here.
  [[nodiscard]] std::string place() const;
  void publish_state(const std::string& id);
  void remove_old();
  bool recorded(const std::function<void()>& work);

  const ServeOptions& options_;
  JobStore& store_;
  EventHub& hub_;
  Metrics& metrics_;
  Say say_;
  Paces paces_;
  std::optional<Pipeline> pipeline_;       // of the thread with networks alone
  std::atomic<bool> records_fail_{false};  // was said

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  std::array<Lane, 2> lanes_{{{.kind = LaneKind::networks}, {.kind = LaneKind::exports}}};  // by LaneKind
  std::vector<ModelFacts> models_;
  bool learned_ = false;  // all of models_ are there
  std::string loaded_model_;
  std::exception_ptr failure_;
  std::atomic<bool> interrupted_{false};
};

// The API's job object.
[[nodiscard]] Json json_of(const Job& job, const Json& progress);
[[nodiscard]] Json json_of(const std::string& id, const JobFile& file);

}  // namespace espalier::server
