#include "job_json.h"

#include <chrono>

#include "job_options.h"

namespace espalier::server {

namespace {

Json null_if_empty(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

// The options of a job by their present names: what an earlier version stored may spell them differently.
Json with_present_names(const Job& job) {
  try {
    const std::string text = text_of(job.options);
    return job.kind == JobKind::exported ? to_json(parse_export_options(text, Options(), Spelling::any))
                                         : to_json(parse_generate_options(text, Spelling::any), job.kind);
  } catch (const HttpError&) {
    return job.options;  // of a later version, perhaps
  }
}

}  // namespace

Json json_of(const std::string& id, const JobFile& file) {
  return {{"name", file.name},
          {"role", file.role},
          {"format", file.format},
          {"bytes", file.bytes},
          {"media_type", file.media_type},
          {"url", "/v1/jobs/" + id + "/files/" + file.name}};
}

Json json_of(const Job& job, const Json& progress) {
  Json files = Json::array();
  for (const JobFile& file : job.files) files.push_back(json_of(job.id, file));
  Json json{{"id", job.id}, {"kind", name_of(job.kind)}, {"parent", null_if_empty(job.parent)}, {"name", job.name}};
  json["asset"] = job.kind != JobKind::exported || job.asset.value_or(true);
  json["pinned"] = job.pinned;
  if (!job.owner.empty()) json["owner"] = job.owner;
  json["state"] = name_of(job.state);
  json["created"] = job.created;
  json["started"] = null_if_empty(job.started);
  json["finished"] = null_if_empty(job.finished);
  json["position"] = job.position ? Json(*job.position) : Json(nullptr);
  json["options"] = with_present_names(job);
  json["progress"] = job.state != JobState::running ? Json(nullptr) : job.progress.is_null() ? progress : job.progress;
  json["error"] = job.error;
  json["files"] = files;
  json["report"] = job.report;
  json["notices"] = job.notices;
  json["webhook"] = nullptr;
  if (const auto& w = job.webhook) {
    json["webhook"] = {
        {"url", w->url},
        {"result", w->result},
        {"tries", w->tries},
        {"next", w->due > 0 ? Json(timestamp(std::chrono::system_clock::time_point(std::chrono::milliseconds(w->due))))
                            : Json(nullptr)},
        {"problem", null_if_empty(w->problem)}};
  }
  return json;
}

}  // namespace espalier::server
