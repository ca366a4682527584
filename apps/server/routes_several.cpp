// What is done with several jobs at once, or with all files of one: removal and archives.
#include <algorithm>
#include <memory>
#include <set>

#include "archive.h"
#include "base/json.h"
#include "route_parts.h"
#include "routes.h"

namespace espalier::server {

namespace {

constexpr std::size_t kMostJobs = 1000;
constexpr int kMostArchives = 8;  // each reads its files twice
constexpr const char* kResults = "results";
constexpr const char* kAll = "all";

struct JobList {
  std::vector<std::string> ids;
  std::string content = kResults;
};

[[noreturn]] void refuse(const std::string& what, const std::string& hint) {
  throw HttpError(400, "invalid_argument", what, hint);
}

std::string content_named(const std::string& name) {
  if (name != kResults && name != kAll) refuse("content must be one of results, all", "leave it out for results");
  return name;
}

// {"ids": [...]}, and content where that `may` be.
JobList job_list(const std::string& text, bool may_have_content) {
  std::string problem;
  const Json json = read_json<Json>(text, {.bytes = kJsonBytes, .values = kMostJobs + 8, .string = 64, .depth = 4}, problem);
  if (!problem.empty())
    refuse("the body " + problem, "send one JSON object with at most " + std::to_string(kMostJobs) + " ids");
  if (!json.is_object()) refuse("the body is not a JSON object", "send {\"ids\": [...]}");
  JobList list;
  std::set<std::string> seen;
  for (const auto& [key, value] : json.items()) {
    if (key == "content" && may_have_content && value.is_string()) {
      list.content = content_named(value.get<std::string>());
    } else if (key == "ids" && value.is_array()) {
      for (const Json& id : value) {
        if (!id.is_string() || !JobStore::is_id(id.get<std::string>()))
          refuse("ids has something that is not the id of a job", "take ids from the list of jobs");
        if (!seen.insert(id.get<std::string>()).second) refuse("ids has a job twice", "name each once");
        list.ids.push_back(id.get<std::string>());
      }
    } else {
      refuse("\"" + shortened(key) + "\" means nothing here, or has a value of another kind", "see /openapi.json");
    }
  }
  if (list.ids.empty() || list.ids.size() > kMostJobs)
    refuse("ids has to name 1 to " + std::to_string(kMostJobs) + " jobs", "send several requests for more");
  return list;
}

bool is_wanted(const JobFile& file, const std::string& content) {
  return content == kAll || file.role == "result" || file.role == "video";
}

}  // namespace

// Each job is a request of its own: what is refused for one holds nothing back of the others.
Response Routes::remove_jobs(HttpRequest& request) {
  require_json(request.head);
  const JobList list = job_list(request.open_body(kJsonBytes).text(), false);
  Json results = Json::array();
  std::int64_t removed = 0;
  for (const std::string& id : list.ids) {
    Json result{{"id", id}, {"result", "failed"}, {"error", nullptr}};
    try {
      check_owner(request.caller, id);
      result["result"] = remove_job(id).status == 204 ? "removed" : "cancelled";
      ++removed;
    } catch (const HttpError& error) {
      result["error"] = error_json(error.code(), error.what(), error.hint()).at("error");
    } catch (const StorageError& error) {
      const std::string what = "the server cannot write its records: " + error.reason();
      result["error"] = error_json("io", what, std::string(error.hint())).at("error");
    }
    results.push_back(std::move(result));
  }
  return json_response(200, {{"done", removed}, {"results", results}});
}

Response Routes::archive_job(HttpRequest& request, const std::string& id) {
  std::string content = kResults;
  for (const auto& [key, value] : request.head.query) {
    if (key != "content") refuse("the query names something other than content", "see /openapi.json");
    content = content_named(value);
  }
  return archive_of(request, {known_job(id)}, content);
}

Response Routes::archive_jobs(HttpRequest& request) {
  require_json(request.head);
  const JobList list = job_list(request.open_body(kJsonBytes).text(), true);
  std::vector<Job> jobs;
  for (const std::string& id : list.ids) {
    check_owner(request.caller, id);
    auto job = store_.find(id);
    if (!job) not_found("there is no job " + id);
    jobs.push_back(*std::move(job));
  }
  return archive_of(request, jobs, list.content);
}

Response Routes::archive_of(HttpRequest& request, const std::vector<Job>& jobs, const std::string& content) {
  const auto counted = std::make_shared<Counted>(archives_, kMostArchives, "archives are being sent", "ask again later");
  const auto archive = std::make_shared<Archive>();
  const auto left = [&] { return request.connection.client_left(); };
  const bool folders = jobs.size() > 1 && content == kAll;  // else names alone tell files apart
  MemberNames names, folder_names;
  for (const Job& job : jobs) {
    const std::string folder = folders ? folder_names.unique(title_for_programs(job.name), "") + "/" : std::string();
    bool any = false;
    for (const JobFile& file : job.files) {
      if (!is_wanted(file, content)) continue;
      const std::string name = folder + download_name(job.name, file);
      const auto dot = name.find('.', folder.size());
      const std::string stem = name.substr(0, dot), ending = dot == std::string::npos ? std::string() : name.substr(dot);
      archive->add(names.unique(stem, ending), store_.path_of(job.id, file), left);
      any = true;
    }
    if (any) continue;
    throw HttpError(
        409, "conflict",
        "job " + job.id + " has no " + (content == kAll ? "files" : "finished files") + " (it is " + name_of(job.state) + ")",
        has_ended(job.state) ? "leave it out, or ask for all its files (content)" : "wait until it is done");
  }
  const std::string name = (jobs.size() == 1 ? title_for_programs(jobs.front().name) : std::string("espalier-assets")) + ".zip";
  Response response;
  response.header("Content-Type", "application/zip");
  response.header("Cache-Control", "no-store");
  response.header("Content-Disposition", disposition(true, name));
  response.header("Content-Length", std::to_string(archive->size()));
  response.stream = [archive, counted](const Sink& sink) { archive->send(sink); };
  return response;
}

}  // namespace espalier::server
