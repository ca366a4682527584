#include "fleet_control.h"

#include <algorithm>

#include "base/json.h"
#include "fleet_scripts.h"
#include "job_json.h"
#include "job_record.h"
#include "worker_channel.h"

namespace espalier::server {

namespace {

using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr JsonLimits kLimits{.bytes = std::size_t{256} << 10U, .values = 2'000, .depth = 8};

std::optional<Json> object_of(const std::string& text) {
  std::string problem;
  Json value = read_json<Json>(text, kLimits, problem);
  return problem.empty() && value.is_object() ? std::optional(std::move(value)) : std::nullopt;
}

bool contains(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string text_of(const WorkerReport& report) {
  Json lanes = Json::array();
  for (const WorkerState& lane : report.lanes)
    lanes.push_back({{"name", lane.name},
                     {"device", lane.device},
                     {"state", lane.state},
                     {"restarts", lane.restarts},
                     {"gpu", {lane.gpu.free, lane.gpu.total}}});
  return text_of(Json{{"version", kFleetVersion}, {"lanes", lanes}, {"models", report.models}, {"loaded", report.loaded}});
}

std::optional<WorkerReport> worker_report_of(const std::string& text) try {
  const auto json = object_of(text);
  if (!json || json->at("version") != kFleetVersion) return std::nullopt;
  WorkerReport report;
  for (const Json& lane : json->at("lanes")) {
    // A worker of the version before says nothing of its GPU.
    const auto gpu = lane.value("gpu", std::array<std::uint64_t, 2>{});
    report.lanes.push_back({lane.at("name").get<std::string>(), lane.at("device").get<std::string>(),
                            lane.at("state").get<std::string>(), 0, lane.at("restarts").get<std::uint64_t>(),
                            GpuMemory{gpu[0], gpu[1]}});
  }
  report.models = json->at("models").get<std::vector<std::string>>();
  report.loaded = json->at("loaded").get<std::vector<std::string>>();
  return report;
} catch (const Json::exception&) {
  return std::nullopt;
}

FleetControl::FleetControl(const ServeOptions& options, Redis& redis, FleetBook& book, EventHub& hub, Metrics& metrics,
                           std::function<void(const std::string&)> report)
    : options_(options), redis_(redis), book_(book), hub_(hub), metrics_(metrics), report_(std::move(report)) {}

FleetControl::~FleetControl() { stop(); }

void FleetControl::start() {
  survey();
  listening_ = std::thread([this] { keep_at(200ms, [this] { listen(); }); });
  following_ = std::thread([this] { keep_at(400ms, [this] { follow(); }); });
}

void FleetControl::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread* thread : {&listening_, &following_}) {
    if (thread->joinable()) thread->join();
  }
}

bool FleetControl::waited(std::chrono::milliseconds time) {
  std::unique_lock lock(mutex_);
  return !changed_.wait_for(lock, time, [&] { return stopping_; });
}

void FleetControl::keep_at(std::chrono::milliseconds pause, const std::function<void()>& work) {
  do {
    try {
      work();
      const std::scoped_lock lock(mutex_);
      gone_ = false;
    } catch (const Error& error) {
      bool first = false;
      {
        const std::scoped_lock lock(mutex_);
        first = !stopping_ && !std::exchange(gone_, true);
      }
      if (first) report_(std::string(error.what()) + "; it is tried again");
    }
  } while (waited(pause));
}

bool FleetControl::cancel(const std::string& id) {
  const std::string word = redis_.run(fleet_scripts().cancel, {id, timestamp(std::chrono::system_clock::now())}).str();
  return word == "cancelled" || word == "asked";
}

bool FleetControl::ready() const {
  const std::scoped_lock lock(mutex_);
  return !models_.empty();
}

std::vector<ModelFacts> FleetControl::known_models() const {
  const std::scoped_lock lock(mutex_);
  return models_;
}

bool FleetControl::is_loaded(const std::string& model) const {
  const std::scoped_lock lock(mutex_);
  return model.empty() ? !loaded_.empty() : contains(loaded_, model);
}

std::vector<WorkerState> FleetControl::workers() const {
  const std::scoped_lock lock(mutex_);
  return workers_;
}

void FleetControl::publish_state(const Job& job) {
  hub_.publish(job.id, {"state", text_of(json_of(job, nullptr)), has_ended(job.state)});
}

// Until the connection is lost, or the server ends.
void FleetControl::listen() {
  const auto enough = [this] {
    const std::scoped_lock lock(mutex_);
    gone_ = false;
    return stopping_;
  };
  redis_.listen(kFleetPrefix + std::string("events"), enough, [this](const std::string& message) { hear(message); });
}

void FleetControl::hear(const std::string& message) {
  const auto word = fleet_word_of(message);
  if (!word) return;
  if (word->event == "file") {
    for (const JobFile& file : files_of(word->file)) hub_.publish(word->job, {"file", text_of(json_of(word->job, file))});
  } else if (const auto job = book_.find(word->job)) {
    publish_state(*job);
  } else {
    hub_.publish(word->job, {"", "", true});
  }
}

// {workers, models, counts, totals, paused, bytes, oldest}
void FleetControl::survey() {
  const RedisReply reply = redis_.run(fleet_scripts().survey, {std::to_string(kWorkerSilence)});
  std::vector<WorkerState> workers;
  std::vector<std::string> served, loaded;
  const std::vector<RedisReply>& found = reply.at(0).items;
  for (std::size_t i = 0; i + 1 < found.size(); i += 2) {
    const auto report = worker_report_of(found[i + 1].str());
    if (!report) continue;
    served.insert(served.end(), report->models.begin(), report->models.end());
    loaded.insert(loaded.end(), report->loaded.begin(), report->loaded.end());
    for (WorkerState lane : report->lanes) {
      lane.name = found[i].str() + "/" + lane.name;
      workers.push_back(std::move(lane));
    }
  }
  std::vector<ModelFacts> models;
  for (const RedisReply& facts : reply.at(1).items) {
    const auto json = object_of(facts.str());
    if (!json) continue;
    try {
      models.push_back(facts_of(*json));
    } catch (const Error&) {
      continue;  // of a later version, perhaps
    }
  }
  // While there are workers, what they have; else what there was, for jobs that wait until there are.
  if (!served.empty()) std::erase_if(models, [&](const ModelFacts& model) { return !contains(served, model.name); });
  const auto total = [&](std::size_t i) {
    return static_cast<std::uint64_t>(std::max(0LL, std::atoll(reply.at(3).at(i).str().c_str())));
  };
  metrics_.done = total(0);
  metrics_.failed = total(1);
  metrics_.cancelled = total(2);
  metrics_.retried = total(3);
  const std::scoped_lock lock(mutex_);
  models_ = std::move(models);
  workers_ = std::move(workers);
  loaded_ = std::move(loaded);
}

// How far jobs are to which somebody listens here, and what was not heard while the connection was lost.
void FleetControl::follow() {
  // Of thousands of workers a look takes Redis tens of milliseconds.
  const auto pause = std::clamp<Clock::duration>(std::chrono::milliseconds(2 * workers().size()), 1s, 15s);
  if (Clock::now() - last_survey_ >= pause) {
    survey();
    last_survey_ = Clock::now();
  }
  if (Clock::now() - last_removal_ >= 60s) {
    last_removal_ = Clock::now();
    book_.remove_unwanted(options_.keep_days, options_.keep_bytes);
  }
  const std::vector<std::string> ids = hub_.listened();
  std::map<std::string, Shown> shown;
  if (!ids.empty()) {
    for (const Job& job : book_.read(ids)) {
      const auto before = shown_.find(job.id);
      Shown now{job.state, job.progress.is_null() ? std::string() : text_of(job.progress)};
      if (before != shown_.end() && before->second.state != now.state) publish_state(job);
      if (!now.progress.empty() && (before == shown_.end() || before->second.progress != now.progress))
        hub_.publish(job.id, {"progress", now.progress});
      shown.emplace(job.id, std::move(now));
    }
  }
  shown_ = std::move(shown);
}

}  // namespace espalier::server
