// Runs jobs in this process.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "job_options.h"
#include "job_worker.h"

namespace espalier::server {

class JobWork : public JobWorker {
 public:
  // The listener outlives it.
  JobWork(WorkerOptions options, WorkerListener& listener);
  JobWork(const JobWork&) = delete;
  JobWork& operator=(const JobWork&) = delete;
  ~JobWork() override;

  void start(const std::function<bool()>& leaving) override;
  void run(std::span<const JobTask> tasks, const TaskEnded& ended) override;
  void unload() override;
  [[nodiscard]] bool alive() override { return true; }
  [[nodiscard]] int process() const override { return 0; }

 private:
  // Of a job that runs.
  struct Task : JobTask {
    [[nodiscard]] const Job& job() const { return assignment.job; }
  };
  // What a job asks of the pipeline, which watches it with the observer.
  struct Generation;

  void learn_models();
  void load(const std::string& name);
  void tell_gpu_memory(const std::string& device) const;
  [[nodiscard]] const ServedModel& model_named(const std::string& name) const;
  [[nodiscard]] JobEnd run_one(const Task& task);
  void run_together(std::span<const JobTask> tasks, const TaskEnded& ended);
  [[nodiscard]] std::unique_ptr<Generation> prepared(const Task& task) const;
  [[nodiscard]] JobEnd keep_asset(const Task& task, const Generation& generation, const Asset& asset) const;
  [[nodiscard]] Asset made_of(const Task& task, const Request& request, EditRequest part, const Observer& observer);
  [[nodiscard]] JobEnd run_export(const Task& task);
  [[nodiscard]] Observer observer_of(const Task& task) const;
  static void keep(const Task& task, const std::string& name, const std::string& role, const std::string& format,
                   const std::string& media_type, const std::function<void(const std::filesystem::path&)>& write);
  // What the user should know of the file goes into `notices`.
  static void keep_result(const Task& task, const Asset& asset, const std::string& format, SaveOptions options, Json& notices);
  static void keep_structure(const Task& task, const StructurePreview& preview, std::string& before);
  void keep_partial(const Task& task, const Asset& asset, bool splats) const;
  void keep_thumbnail(const Task& task, const Asset& asset) const;
  void keep_cutouts(const Task& task, const std::vector<Background>& background) const;
  struct Finished {
    Asset asset;
    bool reused;  // the parent's own mesh
  };
  // The parent's asset with its mesh finished as wanted.
  [[nodiscard]] Finished finished_asset(const Task& task, const Options& of_parent, const Options& wanted,
                                        const Observer& observer) const;

  WorkerOptions options_;
  WorkerListener& listener_;
  std::optional<Pipeline> pipeline_;
  std::string loaded_;  // whose weights it has; empty: none
  std::vector<ModelFacts> models_;
};

}  // namespace espalier::server
