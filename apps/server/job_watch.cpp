#include "job_watch.h"

#include <optional>

#include "job_store.h"

namespace espalier::server {

namespace {

std::optional<double> seconds_of(const Json& text) {
  if (!text.is_string()) return std::nullopt;
  const auto milliseconds = milliseconds_of(text.get<std::string>());
  return milliseconds ? std::optional(static_cast<double>(*milliseconds) / 1000.0) : std::nullopt;
}

// Clocks on walls jump; a time that would be negative is none.
std::optional<double> between(const Json& from, const Json& to) {
  const auto begin = seconds_of(from);
  const auto end = seconds_of(to);
  return begin && end && *end >= *begin ? std::optional(*end - *begin) : std::nullopt;
}

Json line_of(const std::string& event) { return {{"time", timestamp(std::chrono::system_clock::now())}, {"event", event}}; }

}  // namespace

std::string log_line(const std::string& event, const std::string& text) {
  Json line = line_of(event);
  line["message"] = text;
  return text_of(line);
}

std::string log_members(const std::string& event, const Json& members) {
  Json line = line_of(event);
  line.update(members);
  return text_of(line);
}

JobWatch::JobWatch(Metrics& metrics, std::function<void(const std::string&)> log) : metrics_(metrics), log_(std::move(log)) {}

void JobWatch::see(const std::string& job, const Event& event) {
  if (event.data.empty()) {
    running_.erase(job);
    begun_.erase(job);
    return;
  }
  if (event.name == "progress") {
    see_stage(job, Json::parse(event.data).at("stage"));
  } else if (event.name == "state") {
    see_state(Json::parse(event.data));
  }
}

void JobWatch::see_stage(const std::string& job, const std::string& stage) {
  const auto [found, first] = running_.emplace(job, Running{stage, Clock::now()});
  if (first || found->second.stage == stage) return;
  end_stage(found->second);
  found->second = {stage, Clock::now()};
}

void JobWatch::end_stage(const Running& running) {
  const std::scoped_lock lock(metrics_.mutex);
  metrics_.stages[running.stage].add(std::chrono::duration<double>(Clock::now() - running.since).count());
}

void JobWatch::see_state(const Json& job) {
  const std::string id = job.at("id");
  const std::string state = job.at("state");
  const auto waited = between(job.at("created"), job.at("started"));
  const auto ran = between(job.at("started"), job.at("finished"));
  if (state == "queued") {  // perhaps again, after its worker was lost
    running_.erase(id);
    return;
  }
  if (state == "running") {
    if (!begun_.insert(id).second) return;
    if (waited) {
      const std::scoped_lock lock(metrics_.mutex);
      metrics_.waits.add(*waited);
    }
  } else {
    begun_.erase(id);
    if (const auto found = running_.find(id); found != running_.end()) {
      end_stage(found->second);
      running_.erase(found);
    }
    if (ran) {
      const std::scoped_lock lock(metrics_.mutex);
      metrics_.runs.add(*ran);
    }
  }
  if (!log_) return;
  Json line = line_of(state == "running" ? "job_started" : "job_ended");
  line["job"] = id;
  line["kind"] = job.at("kind");
  if (job.contains("owner")) line["key"] = job.at("owner");
  line["state"] = state;
  if (waited) line["waited_seconds"] = *waited;
  if (state != "running" && ran) line["seconds"] = *ran;
  if (!job.at("error").is_null()) line["error"] = job.at("error");
  log_(text_of(line));
}

}  // namespace espalier::server
