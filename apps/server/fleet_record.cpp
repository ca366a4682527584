#include "fleet_record.h"

#include <charconv>

#include "base/json.h"
#include "fleet_scripts.h"
#include "job_record.h"
#include "job_store.h"

namespace espalier::server {

namespace {

constexpr JsonLimits kLimits{.bytes = std::size_t{1} << 20U, .values = 20'000, .depth = 16};

std::string at(const Fields& fields, const char* name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string() : found->second;
}

std::int64_t number_at(const Fields& fields, const char* name) {
  const std::string text = at(fields, name);
  std::int64_t value = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Null for what is none, or too large.
Json json_at(const Fields& fields, const char* name) {
  const std::string text = at(fields, name);
  std::string problem;
  Json value = text.empty() ? Json(nullptr) : read_json<Json>(text, kLimits, problem);
  return problem.empty() ? value : Json(nullptr);
}

}  // namespace

Fields fields_of(const RedisReply& reply) {
  Fields fields;
  for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2) fields[reply.items[i].str()] = reply.items[i + 1].str();
  return fields;
}

std::optional<Job> job_of(const std::string& id, const Fields& fields, std::int64_t ahead) {
  auto record = record_of(json_at(fields, "job"));
  const auto state = state_named(at(fields, "state"));
  if (!record || !state || record->job.id != id) return std::nullopt;
  Job& job = record->job;
  job.state = *state;
  job.sequence = number_at(fields, "sequence");
  job.place = number_at(fields, "place");
  job.name = at(fields, "name");
  job.pinned = at(fields, "pinned") == "1";
  job.created = at(fields, "created");
  job.started = at(fields, "started");
  job.finished = at(fields, "finished");
  for (JobFile& file : files_of(at(fields, "files"))) {
    if (job.file(file.name) == nullptr) job.files.push_back(std::move(file));
  }
  if (const Json end = json_at(fields, "end"); end.is_object()) {
    const auto part = [&](const char* name) { return end.contains(name) ? end.at(name) : Json(nullptr); };
    if (part("error").is_object()) job.error = part("error");
    if (part("report").is_object()) job.report = part("report");
    if (part("notices").is_array()) job.notices = part("notices");
  }
  if (const Json progress = json_at(fields, "progress"); progress.is_object()) job.progress = progress;
  if (ahead >= 0 && *state == JobState::queued) job.position = ahead;
  if (const std::string url = at(fields, "webhook"); !url.empty()) {
    const std::string result = at(fields, "webhook_result");
    job.webhook = JobWebhook{url, result.empty() ? "waiting" : result, static_cast<int>(number_at(fields, "webhook_tries")),
                             number_at(fields, "webhook_due"), at(fields, "webhook_problem")};
  }
  return std::move(job);
}

std::string text_of(const std::vector<JobFile>& files) {
  Json list = Json::array();
  for (const JobFile& file : files) {
    Json one = to_json(file);
    one["attempt"] = file.attempt;
    list.push_back(std::move(one));
  }
  return text_of(list);
}

std::vector<JobFile> files_of(const std::string& text) {
  std::string problem;
  const Json list = read_json<Json>(text, kLimits, problem);
  std::vector<JobFile> files;
  if (!problem.empty() || !list.is_array()) return files;
  for (const Json& one : list) {
    auto file = file_of(one);
    const auto attempt = one.is_object() ? one.find("attempt") : one.end();
    if (!file || attempt == one.end() || !attempt->is_number_unsigned()) continue;
    file->attempt = attempt->get<std::int64_t>();
    if (file->attempt > 0) files.push_back(*std::move(file));
  }
  return files;
}

std::string text_of(const JobEnd& end) {
  return text_of(Json{{"error", end.error}, {"report", end.report}, {"notices", end.notices}});
}

std::optional<FleetWord> fleet_word_of(const std::string& message) {
  std::string problem;
  const Json json = read_json<Json>(message, kLimits, problem);
  if (!problem.empty() || !json.is_object() || !json.contains("version") || json["version"] != kFleetVersion)
    return std::nullopt;
  const auto text = [&](const char* name) {
    const auto found = json.find(name);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  FleetWord word{text("job"), text("event"), text("file")};
  return JobStore::is_id(word.job) ? std::optional(std::move(word)) : std::nullopt;
}

std::string attempt_folder(const std::string& id, std::int64_t attempt) { return id + "/" + std::to_string(attempt); }

std::string stored_name(const std::string& id, const JobFile& file) {
  return (file.attempt > 0 ? attempt_folder(id, file.attempt) : id + "/in") + "/" + file.name;
}

void fail_answer(const std::string& what) {
  throw RedisError("Redis answers in a way that is not understood: " + what, "give the fleet a database of its own");
}

}  // namespace espalier::server
