#include "fleet_queue.h"

#include <algorithm>
#include <chrono>

#include "fleet_scripts.h"
#include "job_batch.h"
#include "job_record.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

const char* name_of(LaneKind lane) { return lane == LaneKind::networks ? "networks" : "exports"; }

std::string now() { return timestamp(std::chrono::system_clock::now()); }

JobEnd failure(const std::string& code, const std::string& message, const std::string& hint) {
  return {.state = JobState::failed,
          .error = {{"code", code}, {"message", message}, {"hint", hint}},
          .report = nullptr,
          .notices = Json::array()};
}

JobEnd end_of_spent() {
  return failure("interrupted", "the workers that ran this job were lost " + std::to_string(kMostBegins) + " times",
                 "start it again with other settings, or look at the messages of the workers");
}

}  // namespace

FleetQueue::FleetQueue(Options options, Redis& redis, FleetFiles& files, std::function<void(const std::string&)> report)
    : options_(std::move(options)), redis_(redis), files_(files), report_(std::move(report)) {
  std::error_code error;
  fs::remove_all(options_.scratch, error);
  if (!error) fs::create_directories(options_.scratch, error);
  if (error)
    throw Error(ErrorCode::io, "cannot use " + options_.scratch.string() + ": " + error.message(),
                "choose another folder with --data");
}

FleetQueue::~FleetQueue() {
  stop();
  std::error_code ignored;
  fs::remove_all(options_.scratch, ignored);
}

void FleetQueue::begin(std::function<std::vector<std::string>()> models, std::function<bool(const std::string&)> cancel) {
  models_ = std::move(models);
  cancel_ = std::move(cancel);
  beating_ = std::thread([this] { beat(); });
  listening_ = std::thread([this] { listen(); });
}

void FleetQueue::stop() {
  {
    const std::scoped_lock lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  changed_.notify_all();
  for (std::thread* thread : {&beating_, &listening_}) {
    if (thread->joinable()) thread->join();
  }
  for (const auto& [id, task] : tasks_) {
    try {
      (void)release(task, true);
    } catch (const FleetError&) {
      break;  // their leases end
    }
  }
  tasks_.clear();
}

std::optional<FleetQueue::Task> FleetQueue::task_of(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = tasks_.find(id);
  return found == tasks_.end() ? std::nullopt : std::optional(found->second);
}

void FleetQueue::note_progress(const std::string& id, const std::string& progress) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = tasks_.find(id); found != tasks_.end()) found->second.progress = progress;
}

// A job whose lease has ended comes without a word, so nobody waits long.
void FleetQueue::await(LaneKind lane, std::chrono::milliseconds longest, const std::function<bool()>& enough) {
  const auto pause =
      std::min(longest, std::chrono::milliseconds(static_cast<int>(std::clamp(options_.lease_seconds / 6, 0.2, 5.0) * 1000)));
  (void)redis_.wait({"BLPOP", kFleetPrefix + std::string("wake:") + name_of(lane),
                     std::to_string(std::chrono::duration<double>(pause).count())},
                    pause, enough);
}

// Weights that are in memory need not be read, so their model comes first, but not for ever; then whoever has waited longest.
std::vector<std::string> FleetQueue::models_by_turn(const std::string& loaded) const {
  std::vector<std::string> models = models_();
  const std::scoped_lock lock(mutex_);
  const auto turn_of = [&](const std::string& model) {
    if (model == loaded) return kept_ < kMostPasses ? std::int64_t{-1} : turn_ + 1;
    const auto found = turns_.find(model);
    return found == turns_.end() ? std::int64_t{0} : found->second;
  };
  std::stable_sort(models.begin(), models.end(),
                   [&](const std::string& a, const std::string& b) { return turn_of(a) < turn_of(b); });
  return models;
}

void FleetQueue::note_turn(const std::string& model, const std::string& loaded) {
  const std::scoped_lock lock(mutex_);
  kept_ = model == loaded ? kept_ + 1 : 0;
  turns_[model] = ++turn_;
}

std::optional<Job> FleetQueue::take_next(LaneKind lane, const std::string& loaded) {
  if (lane == LaneKind::exports) return take_of(lane, {std::string()});
  std::optional<Job> job = take_of(lane, models_by_turn(loaded));
  if (job) note_turn(model_of(*job), loaded);
  return job;
}

std::optional<Job> FleetQueue::take_of(LaneKind lane, const std::vector<std::string>& models,
                                       const std::function<bool(const Task&)>& wanted) {
  std::vector<std::string> arguments{name_of(lane),
                                     options_.worker,
                                     std::to_string(static_cast<std::int64_t>(options_.lease_seconds * 1000)),
                                     now(),
                                     std::to_string(kMostBegins),
                                     text_of(end_of_spent())};
  arguments.insert(arguments.end(), models.begin(), models.end());
  const RedisReply reply = redis_.run(fleet_scripts().take, arguments);
  for (const RedisReply& entry : reply.at(1).items)
    report_("a message of the queue names no job, and is removed: " + entry.str().substr(0, 40));
  if (reply.at(0).kind != RedisReply::Kind::list) return std::nullopt;
  auto task = taken(reply.at(0), lane);
  if (!task) return std::nullopt;
  const std::string id = task->job.id;
  if (wanted && !wanted(*task)) {
    (void)release(*task, true);
    return std::nullopt;
  }
  try {
    fetch(*task);
  } catch (const FileMissing&) {
    refuse(*task, "not_found", "what the job is made of is gone from the store", "send it again");
    return std::nullopt;
  } catch (const Error&) {
    (void)release(*task, true);
    throw;
  }
  const std::scoped_lock lock(mutex_);
  ended_.erase(lane);
  tasks_.insert_or_assign(id, *task);
  return std::move(task->job);
}

JobQueue::Companions FleetQueue::take_companions(const Job& first, std::size_t most) {
  constexpr const char* kOnce = "1";
  Companions found;
  const std::string key = batch_key(first);
  const auto of_first = task_of(first.id);
  found.last = key.empty() || !of_first || of_first->begun != kOnce;
  try {
    while (!found.last && found.jobs.size() < most) {
      std::optional<Job> job = take_of(LaneKind::networks, {model_of(first)}, [&](const Task& task) {
        found.last = batch_key(task.job) != key || task.begun != kOnce;
        return !found.last;
      });
      if (!job) break;
      found.jobs.push_back(*std::move(job));
    }
  } catch (const Error&) {  // those that are taken are run
    if (found.jobs.empty()) throw;
    found.last = true;
  }
  return found;
}

// {id, attempt, version of the message, fields}
std::optional<FleetQueue::Task> FleetQueue::taken(const RedisReply& given, LaneKind lane) {
  Task task;
  task.lane = lane;
  task.job.id = given.at(0).str();
  task.attempt = given.at(1).number;
  const std::string version = given.at(2).str();
  if (version != std::to_string(kFleetVersion)) {
    refuse(task, "unsupported",
           "the job has the message version " + (version.empty() ? "none" : version.substr(0, 20)) +
               ", and this worker reads " + std::to_string(kFleetVersion),
           "bring the servers and workers of the fleet to one version, then send it again");
    return std::nullopt;
  }
  const auto fields = fields_of(given.at(3));
  const auto count = fields.find("begun");
  const std::string begun = count == fields.end() ? std::string() : count->second;
  auto job = job_of(task.job.id, fields);
  if (!job) {
    refuse(task, "unsupported", "the record of the job cannot be read; it is damaged, or of another version",
           "bring the servers and workers of the fleet to one version, then send it again");
    return std::nullopt;
  }
  task.job = *std::move(job);
  task.begun = begun;
  std::erase_if(task.job.files, [](const JobFile& file) { return file.attempt != 0; });
  return task;
}

void FleetQueue::refuse(const Task& task, const std::string& code, const std::string& message, const std::string& hint) {
  report_("job " + task.job.id + " is refused: " + message);
  (void)commit(task, failure(code, message, hint));
}

// A link where that is possible: nothing that runs a job changes what it is made of.
void FleetQueue::bring(const std::string& id, const JobFile& file, const fs::path& folder) {
  const fs::path from = files_.get(stored_name(id, file)), to = folder / file.name;
  std::error_code error;
  fs::remove(to, error);
  fs::create_hard_link(from, to, error);
  if (error) fs::copy_file(from, to, fs::copy_options::overwrite_existing, error);
  if (error) throw Error(ErrorCode::io, to.string() + " cannot be written: " + error.message(), "look at the disk of --data");
}

void FleetQueue::fetch(Task& task) {
  const fs::path folder = folder_of(task.job.id);
  std::error_code error;
  fs::remove_all(folder, error);
  fs::create_directories(folder, error);
  if (error) throw Error(ErrorCode::io, folder.string() + ": " + error.message(), "look at the disk of --data");
  for (const JobFile& file : task.job.files) bring(task.job.id, file, folder);
  if (task.lane != LaneKind::exports) return;
  const std::string& parent = task.job.parent;
  const RedisReply reply = redis_.run(fleet_scripts().read, {parent});
  task.parent = job_of(parent, fields_of(reply.at(0).at(2)));
  if (!task.parent) return;  // the job says so when it runs
  const fs::path of_parent = folder_of(parent);
  fs::create_directories(of_parent, error);
  if (const JobFile* asset = task.parent->file("asset.safetensors")) bring(parent, *asset, of_parent);
}

std::optional<Job> FleetQueue::find(const std::string& id) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = tasks_.find(id); found != tasks_.end()) {
    Job job = found->second.job;
    job.files.insert(job.files.end(), found->second.files.begin(), found->second.files.end());
    return job;
  }
  for (const auto& [key, task] : tasks_) {
    if (task.parent && task.parent->id == id) return task.parent;
  }
  for (const auto& [lane, job] : ended_) {
    if (job.id == id) return job;
  }
  return std::nullopt;
}

void FleetQueue::forget(const std::string& id) {
  std::optional<Task> task = task_of(id);
  {
    const std::scoped_lock lock(mutex_);
    tasks_.erase(id);
  }
  std::error_code ignored;
  fs::remove_all(folder_of(id), ignored);
  if (task && task->parent) fs::remove_all(folder_of(task->parent->id), ignored);
}

std::string FleetQueue::release(const Task& task, bool as_if_not_run) {
  return redis_
      .run(fleet_scripts().release,
           {task.job.id, std::to_string(task.attempt), options_.worker, as_if_not_run ? "1" : "0", std::to_string(kMostBegins)})
      .str();
}

void FleetQueue::put_back(const std::string& id) {
  const auto task = task_of(id);
  if (!task) return;
  try {
    (void)release(*task, true);
  } catch (const Error&) {  // its lease ends, if nobody renews it
    forget(id);
    throw;
  }
  forget(id);
}

bool FleetQueue::try_again(const std::string& id) {
  const auto task = task_of(id);
  if (!task) return true;
  if (release(*task, false) == "spent") return false;
  forget(id);
  files_.remove_all(attempt_folder(id, task->attempt));
  return true;
}

// A store that cannot be reached for a moment costs nobody his job.
void FleetQueue::add_file(const std::string& id, const JobFile& made) {
  constexpr auto kPatience = 60s;
  const auto task = task_of(id);
  if (!task) return;
  JobFile file = made;
  file.attempt = task->attempt;
  for (const auto until = Clock::now() + kPatience;;) {
    try {
      files_.put(stored_name(id, file), folder_of(id) / file.name);
      break;
    } catch (const FleetError& error) {
      const auto known = task_of(id);
      if (Clock::now() >= until || !known || known->asked) throw;
      report_(std::string(error.what()) + "; it is tried again");
    }
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, 2s, [&] { return stopping_; })) break;
  }
  {
    const std::scoped_lock lock(mutex_);
    const auto found = tasks_.find(id);
    if (found == tasks_.end()) return;
    std::erase_if(found->second.files, [&](const JobFile& other) { return other.name == file.name; });
    found->second.files.push_back(file);
    found->second.fresh.push_back(text_of(std::vector{file}));
    ++found->second.changes;
    hurry_ = true;
  }
  changed_.notify_all();
}

void FleetQueue::drop_file(const std::string& id, const std::string& name) {
  const auto task = task_of(id);
  if (!task) return;
  {
    const std::scoped_lock lock(mutex_);
    Task& known = tasks_.at(id);
    if (std::erase_if(known.files, [&](const JobFile& file) { return file.name == name; }) == 0) return;
    ++known.changes;
  }
  files_.remove(attempt_folder(id, task->attempt) + "/" + name);
}

std::string FleetQueue::commit(const Task& task, const JobEnd& end) {
  std::uint64_t bytes = 0;
  for (const JobFile& file : task.files) bytes += file.bytes;
  const RedisReply reply =
      redis_.run(fleet_scripts().commit, {task.job.id, std::to_string(task.attempt), server::name_of(end.state), now(),
                                          text_of(end), text_of(task.files), std::to_string(bytes)});
  const std::string verdict = reply.at(0).str();
  if (verdict != "won" && verdict != "lost") fail_answer("the end of a job");
  // Files of attempts that are nobody's.
  try {
    if (verdict == "lost") files_.remove_all(attempt_folder(task.job.id, task.attempt));
    const std::int64_t attempts = std::atoll(reply.at(1).str().c_str());
    for (std::int64_t other = 1; verdict == "won" && other <= std::min<std::int64_t>(attempts, 100); ++other) {
      if (other != task.attempt) files_.remove_all(attempt_folder(task.job.id, other));
    }
  } catch (const FleetError& error) {
    report_("files of attempts that count for nothing stay: " + std::string(error.what()));
  }
  return verdict;
}

void FleetQueue::end(const std::string& id, const JobEnd& end) {
  auto task = task_of(id);
  if (!task) return;
  const bool won = commit(*task, end) == "won";
  forget(id);
  if (!won) return;
  Job& job = task->job;
  job.state = end.state;
  job.finished = now();
  job.error = end.error;
  job.files.insert(job.files.end(), task->files.begin(), task->files.end());
  const std::scoped_lock lock(mutex_);
  ended_.insert_or_assign(task->lane, std::move(job));
}

// Every second, so that clients see how far it is; several times in a lease.
void FleetQueue::beat() {
  const auto pause = std::chrono::milliseconds(static_cast<int>(std::min(options_.lease_seconds / 4, 1.0) * 1000));
  while (true) {
    std::vector<std::string> ids;
    {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, pause, [&] { return stopping_ || hurry_; });
      if (stopping_) return;
      hurry_ = false;
      for (const auto& [id, task] : tasks_) ids.push_back(id);
    }
    try {
      for (const std::string& id : ids) beat_for(id);
      const std::scoped_lock lock(mutex_);
      silent_ = false;
    } catch (const FleetError& error) {
      bool first = false;
      {
        const std::scoped_lock lock(mutex_);
        first = !std::exchange(silent_, true);
      }
      if (first) report_(std::string(error.what()) + "; jobs that run go on, and are reported later");
    }
  }
}

void FleetQueue::beat_for(const std::string& id) {
  const auto task = task_of(id);
  if (!task) return;
  std::vector<std::string> arguments{id, std::to_string(task->attempt), options_.worker, task->progress,
                                     task->changes != task->reported ? text_of(task->files) : std::string()};
  arguments.insert(arguments.end(), task->fresh.begin(), task->fresh.end());
  const std::string word = redis_.run(fleet_scripts().beat, arguments).str();
  {
    const std::scoped_lock lock(mutex_);
    const auto found = tasks_.find(id);
    if (found == tasks_.end() || found->second.attempt != task->attempt) return;
    Task& known = found->second;
    if (known.progress == task->progress) known.progress.clear();
    known.fresh.erase(known.fresh.begin(), known.fresh.begin() + static_cast<std::ptrdiff_t>(task->fresh.size()));
    known.reported = task->changes;
  }
  if (word != "go") stop_job(id);  // again with the next beat, if the job has not begun here yet
}

void FleetQueue::stop_job(const std::string& id) {
  {
    const std::scoped_lock lock(mutex_);
    const auto found = tasks_.find(id);
    if (found == tasks_.end()) return;
    found->second.asked = true;
  }
  (void)cancel_(id);
}

// What is said while the connection is lost is heard with the next beat.
void FleetQueue::listen() {
  constexpr auto kPause = 500ms;
  const auto enough = [this] {
    const std::scoped_lock lock(mutex_);
    return stopping_;
  };
  while (!enough()) {
    try {
      redis_.listen(kFleetPrefix + std::string("asks:") + options_.worker, enough, [this](const std::string& message) {
        if (const auto word = fleet_word_of(message); word && word->event == "cancel") stop_job(word->job);
      });
    } catch (const FleetError&) {
      std::unique_lock lock(mutex_);
      changed_.wait_for(lock, kPause, [&] { return stopping_; });
    }
  }
}

}  // namespace espalier::server
