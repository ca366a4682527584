#include "job_runner.h"

#include <algorithm>
#include <chrono>

#include "espalier/models.h"
#include "job_json.h"
#include "job_lane.h"
#include "worker_process.h"

namespace espalier::server {

namespace {

using Clock = std::chrono::steady_clock;

Json error_of(const std::string& word, const std::string& message, const std::string& hint) {
  return {{"code", word}, {"message", message}, {"hint", hint}};
}

WorkerOptions worker_options(const ServeOptions& options, LaneKind lane, const std::string& device, int threads) {
  WorkerOptions worker{.lane = lane, .models = {}, .background_network = options.background_network, .threads = threads};
  worker.models.push_back({model_title(options.pipeline.checkpoint), options.pipeline});
  worker.models.insert(worker.models.end(), options.others.begin(), options.others.end());
  for (ServedModel& model : worker.models) model.pipeline.device = device;
  return worker;
}

}  // namespace

JobRunner::JobRunner(const ServeOptions& options, const std::vector<std::string>& devices, JobQueue& store, EventHub& hub,
                     Metrics& metrics, Reporter report, WorkerMaker make)
    : options_(options),
      store_(store),
      hub_(hub),
      metrics_(metrics),
      report_(std::move(report)),
      make_(std::move(make)),
      paces_(options.data / "costs.json") {
  const bool processes = has_processes_ = !devices.empty();
  const int threads = processes ? threads_of_worker(devices.size()) : 0;
  const std::vector<std::string> places = processes ? devices : std::vector{options.pipeline.device};
  const auto add = [&](const std::string& name, LaneKind kind, const std::string& device) {
    lanes_.push_back(std::make_unique<Lane>(*this, name, worker_options(options, kind, device, threads), processes));
  };
  for (std::size_t i = 0; i < places.size(); ++i) add(std::to_string(i), LaneKind::networks, places[i]);
  add(kExportsWorker, LaneKind::exports, places.front());
}

JobRunner::~JobRunner() { stop(); }

void JobRunner::start() {
  for (const auto& each : lanes_) {
    Lane& lane = *each;
    lane.thread_ = std::thread([this, &lane] {
      try {
        loop(lane);
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        failure_ = std::current_exception();
      }
      lane.worker_.reset();
    });
  }
}

void JobRunner::interrupt() {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(stopping_, true)) return;
  interrupted_ = true;
  changed_.notify_all();
  for (const auto& lane : lanes_) {
    for (const auto& job : lane->running_) {
      if (job->ended_ || job->cancelled_) continue;
      try {
        store_.put_back(job->job_.id);
      } catch (const Error&) {
        continue;  // the disk is full, for example: the job begins again as after a sudden end
      }
    }
  }
}

void JobRunner::stop() {
  interrupt();
  for (const auto& lane : lanes_) {
    if (lane->thread_.joinable()) lane->thread_.join();
  }
}

void JobRunner::wake() {
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& lane : lanes_) lane->woken_ = true;
  }
  changed_.notify_all();
}

JobRunner::Running* JobRunner::running(const std::string& id) const {
  for (const auto& lane : lanes_) {
    for (const auto& job : lane->running_) {
      if (!job->ended_ && job->job_.id == id) return job.get();
    }
  }
  return nullptr;
}

bool JobRunner::cancel(const std::string& id) {
  {
    // take_jobs() takes them under this lock, so a job is either waiting or a running one.
    const std::scoped_lock lock(mutex_);
    if (!store_.cancel_waiting(id)) {
      Running* const job = running(id);
      if (job == nullptr) return false;
      job->cancelled_ = true;
      return true;
    }
  }
  ++metrics_.cancelled;
  publish_state(id);
  return true;
}

bool JobRunner::ready() const {
  const std::scoped_lock lock(mutex_);
  return ready_;
}

std::vector<ModelFacts> JobRunner::known_models() const {
  const std::scoped_lock lock(mutex_);
  return models_;
}

bool JobRunner::is_loaded(const std::string& model) const {
  const std::scoped_lock lock(mutex_);
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [&](const auto& lane) { return model.empty() ? !lane->loaded_.empty() : lane->loaded_ == model; });
}

std::exception_ptr JobRunner::failure() const {
  const std::scoped_lock lock(mutex_);
  return failure_;
}

Json JobRunner::progress_of(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const Running* const job = running(id);
  return job == nullptr ? Json(nullptr) : job->progress_;
}

std::vector<WorkerState> JobRunner::workers() const { return has_processes_ ? lanes() : std::vector<WorkerState>(); }

std::vector<WorkerState> JobRunner::lanes() const {
  const std::scoped_lock lock(mutex_);
  std::vector<WorkerState> states;
  for (const auto& lane : lanes_)
    states.push_back({lane->name_, lane->options_.device(), lane->state_, lane->pid_, lane->restarts_, lane->gpu_});
  return states;
}

std::vector<std::string> JobRunner::loaded() const {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& lane : lanes_) {
    if (!lane->loaded_.empty()) names.push_back(lane->loaded_);
  }
  return names;
}

void JobRunner::publish_state(const std::string& id) {
  const auto job = store_.find(id);
  // Somebody may have removed the job since it ended: then there is nothing more to say.
  hub_.publish(id, job ? Event{"state", text_of(json_of(*job, progress_of(id))), has_ended(job->state)} : Event{"", "", true});
}

void JobRunner::remove_old() {
  (void)recorded([&] { store_.remove_unwanted(options_.keep_days, options_.keep_bytes); });
}

// Does what needs the records, again and again while they cannot be written: a full disk is somebody's to clear, and no reason
// to end. False when the server ends first.
bool JobRunner::recorded(const std::function<void()>& work) {
  constexpr auto kPause = std::chrono::seconds(1);
  while (true) {
    try {
      work();
      return true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::io) throw;
      if (!records_fail_.exchange(true)) report_(std::string(error.what()) + "; jobs wait until it works again");
    }
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kPause, [&] { return stopping_; })) return false;
  }
}

bool JobRunner::take_jobs(Lane& lane) {
  const bool asked = recorded([&] {
    std::unique_lock lock(mutex_);
    lane.woken_ = false;
    if (stopping_) return;
    const std::string loaded = lane.loaded_;
    // Others are not kept waiting for an answer of another machine; who cancels there waits until the job is known here.
    if (store_.is_shared()) lock.unlock();
    std::optional<Job> job = store_.take_next(lane.options_.lane, loaded);
    if (!lock.owns_lock()) lock.lock();
    if (!job) return;
    lane.running_.push_back(std::make_unique<Running>(lane, *std::move(job)));
    lane.state_ = "busy";
  });
  if (asked) records_fail_ = false;
  if (lane.running_.empty()) return false;
  take_companions(lane);
  return true;
}

// Waits for them as long as --max-wait-ms says.
void JobRunner::take_companions(Lane& lane) {
  const auto most = static_cast<std::size_t>(options_.max_batch);
  if (most < 2 || lane.options_.lane != LaneKind::networks) return;
  const Running& first = *lane.running_.front();
  const auto until = Clock::now() + std::chrono::milliseconds(options_.max_wait_ms);
  while (true) {
    bool last = false;
    (void)recorded([&] {
      std::unique_lock lock(mutex_);
      lane.woken_ = false;
      last = stopping_ || first.cancelled_;
      if (last) return;
      if (store_.is_shared()) lock.unlock();
      JobQueue::Companions found = store_.take_companions(first.job_, most - lane.running_.size());
      if (!lock.owns_lock()) lock.lock();
      for (Job& job : found.jobs) lane.running_.push_back(std::make_unique<Running>(lane, std::move(job)));
      last = found.last;
    });
    if (last || lane.running_.size() >= most || Clock::now() >= until) return;
    wait_for_companions(lane, until);
  }
}

// Of a shared queue by looking often: who waits for its word takes it from a worker that has nothing to do.
void JobRunner::wait_for_companions(Lane& lane, Clock::time_point until) {
  constexpr auto kPause = std::chrono::milliseconds(20);
  if (!store_.is_shared()) return wait(lane, until);
  std::unique_lock lock(mutex_);
  changed_.wait_until(lock, std::min(until, Clock::now() + kPause), [&] { return stopping_; });
}

void JobRunner::wait(Lane& lane, Clock::time_point until) {
  if (store_.is_shared()) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now());
    (void)recorded([&] {
      store_.await(lane.options_.lane, std::max(left, std::chrono::milliseconds(1)), [this] { return interrupted_.load(); });
    });
    return;
  }
  std::unique_lock lock(mutex_);
  if (!stopping_) changed_.wait_until(lock, until, [&] { return lane.woken_ || stopping_; });
}

bool JobRunner::others_may_load(const Lane& lane) const {
  return std::any_of(lanes_.begin(), lanes_.end(), [&](const auto& other) {
    return other.get() != &lane && other->options_.lane == LaneKind::networks && !other->cannot_load_;
  });
}

bool JobRunner::revive(Lane& lane) {
  constexpr int kLongest = 6;  // 2^6 seconds
  while (true) {
    std::string why;
    {
      std::unique_lock lock(mutex_);
      // The first time at once; what fails again and again is not worth a processor's time.
      const auto pause = std::chrono::seconds(lane.failures_ < 2 ? 0 : 1 << std::min(lane.failures_ - 2, kLongest));
      if (changed_.wait_for(lock, pause, [&] { return stopping_; })) return false;
      lane.state_ = "starting";
      lane.pid_ = 0;
    }
    try {
      lane.worker_->start([this] { return interrupted_.load(); });
      const std::scoped_lock lock(mutex_);
      lane.state_ = "idle";
      lane.cannot_load_ = false;
      lane.pid_ = lane.worker_->process();
      return true;
    } catch (const WorkerLost& lost) {
      why = lost.what();
    } catch (const Error& error) {
      // A checkpoint that nobody can load ends the server.
      const std::scoped_lock lock(mutex_);
      lane.cannot_load_ = true;
      if (!lane.process_ || (!ready_ && !others_may_load(lane))) throw;
      why = error.what();
    }
    const std::scoped_lock lock(mutex_);
    lane.state_ = "lost";
    ++lane.restarts_;
    ++lane.failures_;
    if (stopping_) return false;
    report_("the worker " + lane.name_ + " did not start: " + why + "; it is tried again");
  }
}

// What is done while no job waits.
void JobRunner::idle(Lane& lane) {
  const bool networks = lane.options_.lane == LaneKind::networks;
  const bool first = &lane == lanes_.front().get();
  // Looks for old jobs are as far apart as it takes for a second one to tell more than the first.
  const auto until_look = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(options_.keep_days > 0 ? std::clamp(options_.keep_days * 86400.0, 0.1, 3600.0) : 3600.0));
  const auto patience =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.keep_alive_minutes * 60));
  const auto loaded = [&] {
    const std::scoped_lock lock(mutex_);
    return !lane.loaded_.empty();
  };
  if (networks && loaded() && Clock::now() - lane.last_job_ >= patience) lane.worker_->unload();
  if (first && Clock::now() - lane.last_removal_ > until_look) {
    remove_old();
    lane.last_removal_ = Clock::now();
  }
  store_.tidy();
  auto until = Clock::now() + std::min<Clock::duration>(std::chrono::minutes(10), until_look);
  if (networks && loaded()) until = std::min(until, lane.last_job_ + patience);
  if (lane.process_) until = std::min<Clock::time_point>(until, Clock::now() + std::chrono::seconds(1));  // it may have died
  wait(lane, until);
}

void JobRunner::loop(Lane& lane) {
  if (!revive(lane)) return;
  lane.last_job_ = Clock::now();
  if (&lane == lanes_.front().get()) remove_old();
  lane.last_removal_ = Clock::now();
  while (true) {
    if (!lane.worker_->alive()) {
      {
        const std::scoped_lock lock(mutex_);
        lane.state_ = "lost";
        lane.pid_ = 0;
        lane.loaded_.clear();
        ++lane.restarts_;
        ++lane.failures_;
      }
      if (!interrupted_ && !lane.was_reported_)
        report_("the worker " + lane.name_ + " ended while it had nothing to do; it is started again");
      lane.was_reported_ = false;
      if (!revive(lane)) return;
    }
    const bool taken = take_jobs(lane);
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return;
    }
    if (taken) {
      run(lane);
      remove_old();
      lane.last_job_ = Clock::now();
    } else {
      idle(lane);
    }
  }
}

Assignment JobRunner::assignment_of(const Lane& lane, const Job& job) {
  Assignment assignment{job, store_.folder_of(job.id), std::nullopt, {}, paces_.of(lane.options_.place())};
  if (job.parent.empty()) return assignment;
  assignment.parent_folder = store_.folder_of(job.parent);
  if (job.kind == JobKind::exported) assignment.parent = store_.find(job.parent);
  return assignment;
}

std::optional<JobEnd> JobRunner::end_of_lost(Lane& lane, Running& running, const WorkerLost& lost) {
  lane.was_reported_ = true;
  const Job& job = running.job_;
  std::optional<JobEnd> end;
  const bool known = recorded([&] {
    const std::scoped_lock lock(mutex_);
    end.reset();
    if (interrupted_) return;  // interrupt() has put it back
    if (running.cancelled_) {
      end = JobEnd{.state = JobState::cancelled, .error = nullptr, .report = nullptr, .notices = Json::array()};
      store_.clean(job.id);
    } else if (!store_.try_again(job.id)) {
      end = JobEnd{.state = JobState::failed, .error = nullptr, .report = nullptr, .notices = Json::array()};
      end->error =
          error_of("interrupted", std::string("the process that ran this job was lost twice; the second time ") + lost.what(),
                   "start it again with other settings, or look at the server's messages");
    } else {
      running.ended_ = true;
    }
  });
  if (known && !interrupted_)
    report_("the worker " + lane.name_ + " was lost while it ran job " + job.id + ": " + lost.what() +
            (end ? "; the job ends" : "; the job is tried once more"));
  return known ? end : std::nullopt;
}

void JobRunner::run(Lane& lane) {
  const auto start = Clock::now();
  std::vector<Running*> jobs;
  for (const auto& job : lane.running_) jobs.push_back(job.get());
  if (lane.options_.lane == LaneKind::networks) {
    const std::scoped_lock lock(metrics_.mutex);
    metrics_.batches.add(static_cast<double>(jobs.size()));
  }
  std::exception_ptr broken;  // of keeping an end
  const auto ended = [&](std::size_t i, const JobEnd& how) {
    lane.failures_ = 0;
    try {
      end(*jobs[i], how, start);
    } catch (...) {
      broken = std::current_exception();
    }
  };
  const auto end_others = [&](const auto& how) {
    for (std::size_t i = 0; i < jobs.size(); ++i) {
      if (!jobs[i]->ended_) how(i);
    }
  };
  try {
    std::vector<Assignment> assignments;
    for (const Running* job : jobs) {
      publish_state(job->job_.id);
      assignments.push_back(assignment_of(lane, job->job_));
    }
    std::vector<JobTask> tasks;
    for (std::size_t i = 0; i < jobs.size(); ++i) tasks.push_back({assignments[i], *jobs[i]});
    lane.worker_->run(tasks, ended);
  } catch (const WorkerLost& lost) {
    end_others([&](std::size_t i) {
      if (const auto how = end_of_lost(lane, *jobs[i], lost)) return end(*jobs[i], *how, start);
      if (interrupted_) return;
      ++metrics_.retried;
      (void)recorded([&] { publish_state(jobs[i]->job_.id); });
    });
    if (!interrupted_) wake();  // another worker may be free
  } catch (...) {
    end_others([&](std::size_t i) {
      ended(i, end_of_exception({jobs[i]->job_, store_.folder_of(jobs[i]->job_.id), std::nullopt, {}, {}}));
    });
  }
  {
    const std::scoped_lock lock(mutex_);
    // Until the threads have ended, interrupt() may yet put back what has not.
    if (!interrupted_) lane.running_.clear();
    lane.state_ = "idle";
  }
  if (broken) std::rethrow_exception(broken);
}

void JobRunner::end(Running& job, const JobEnd& end, Clock::time_point start) {
  const std::string& id = job.job_.id;
  if (end.state == JobState::cancelled && interrupted_ && !job.cancelled_) return;  // interrupt() has put it back
  if (!recorded([&] { store_.end(id, end); })) return;
  (end.state == JobState::done ? metrics_.done : end.state == JobState::failed ? metrics_.failed : metrics_.cancelled)++;
  metrics_.job_milliseconds +=
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
  {
    const std::scoped_lock lock(mutex_);
    job.ended_ = true;
    job.progress_ = nullptr;
  }
  (void)recorded([&] { publish_state(id); });
}

}  // namespace espalier::server
