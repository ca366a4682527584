#include "job_lane.h"

#include <algorithm>

#include "job_json.h"
#include "job_work.h"
#include "worker_process.h"

namespace espalier::server {

JobRunner::Lane::Lane(JobRunner& runner, std::string name, WorkerOptions options, bool process)
    : runner_(runner), name_(std::move(name)), options_(std::move(options)), process_(process) {
  if (runner_.make_) {
    worker_ = runner_.make_(options_, *this);
  } else if (process_) {
    worker_ = std::make_unique<WorkerProcess>(options_, *this);
  } else {
    worker_ = std::make_unique<JobWork>(options_, *this);
  }
}

bool JobRunner::Running::cancelled() const { return cancelled_ || lane_.runner_.interrupted_; }

void JobRunner::Running::on_progress(const Json& progress) {
  JobRunner& runner = lane_.runner_;
  runner.hub_.publish(job_.id, {"progress", text_of(progress)});
  const std::scoped_lock lock(runner.mutex_);
  progress_ = progress;
}

void JobRunner::Running::on_file(const JobFile& file) {
  lane_.runner_.store_.add_file(job_.id, file);
  lane_.runner_.hub_.publish(job_.id, {"file", text_of(json_of(job_.id, file))});
}

void JobRunner::Running::on_dropped(const std::string& file) { lane_.runner_.store_.drop_file(job_.id, file); }

void JobRunner::Running::on_stages(const std::vector<StageReport>& stages) {
  lane_.runner_.paces_.learn(lane_.options_.place(), stages);
}

void JobRunner::Lane::on_models(const std::vector<ModelFacts>& models) {
  const std::scoped_lock lock(runner_.mutex_);
  if (runner_.models_.empty()) runner_.models_ = models;
}

void JobRunner::Lane::on_loaded(const ModelFacts& model) {
  const std::scoped_lock lock(runner_.mutex_);
  loaded_ = model.name;
  if (model.name.empty()) return;
  ++runner_.metrics_.loads;
  runner_.ready_ = true;
  const auto known =
      std::find_if(runner_.models_.begin(), runner_.models_.end(), [&](const ModelFacts& m) { return m.name == model.name; });
  if (known != runner_.models_.end()) *known = model;
}

void JobRunner::Lane::on_gpu_memory(const GpuMemory& memory) {
  const std::scoped_lock lock(runner_.mutex_);
  gpu_ = memory;
}

}  // namespace espalier::server
