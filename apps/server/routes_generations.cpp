// One request, and its asset as the answer.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <memory>

#include "base64.h"
#include "route_parts.h"
#include "routes.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr int kMostGenerations = 64;  // that wait
constexpr const char* kJobHeader = "X-Espalier-Job";

int status_of_failure(const std::string& code) {
  return code == "invalid_argument" || code == "format" || code == "unsupported" ? 422 : code == "out_of_memory" ? 503 : 500;
}

// Why a job that ended has no asset.
[[noreturn]] void refuse_unfinished(const Job& job) {
  if (job.state == JobState::cancelled)
    throw HttpError(409, "conflict", "job " + job.id + " was cancelled", "send the request again, with another Idempotency-Key")
        .with(kJobHeader, job.id);
  const auto text = [&](const char* key) {
    return job.error.is_object() && job.error.contains(key) ? job.error.at(key).get<std::string>() : std::string();
  };
  const std::string code = text("code");
  throw HttpError(status_of_failure(code), code.empty() ? "internal" : code, text("message"), text("hint"))
      .with(kJobHeader, job.id);
}

// As the client knows this server. A proxy with TLS says so.
std::string address_of(const RequestHead& head) {
  const bool tls = lower_case(head.header("x-forwarded-proto")) == "https";
  return (tls ? "https://" : "http://") + head.header("host");
}

// {"created", "id", "data": [{"b64_json"}]} with the file as it is read, so that it never lies in memory.
Response encoded(const fs::path& path, const Json& head) {
  const auto file = std::make_shared<std::ifstream>(path, std::ios::binary);
  std::error_code error;
  const std::uint64_t size = fs::file_size(path, error);
  if (error || !file->is_open()) not_found("the file is gone");
  const std::string before = text_of(head);
  const std::string opening = before.substr(0, before.size() - 1) + R"(,"data":[{"b64_json":")", closing = "\"}]}";
  Response response;
  response.header("Content-Type", "application/json");
  response.header("Cache-Control", "no-store");
  response.header("Content-Length", std::to_string(opening.size() + base64_length(size) + closing.size()));
  response.stream = [file, size, opening, closing](const Sink& sink) {
    std::string block(3 * 65536, '\0');
    sink(opening);
    for (std::uint64_t left = size; left > 0;) {
      const auto want = std::min<std::uint64_t>(left, block.size());
      file->read(block.data(), static_cast<std::streamsize>(want));
      // The length is promised already, so the connection must break.
      if (static_cast<std::uint64_t>(file->gcount()) != want) throw Gone();
      sink(base64_of(std::string_view(block).substr(0, static_cast<std::size_t>(want))));
      left -= want;
    }
    sink(closing);
  };
  return response;
}

}  // namespace

Response Routes::generate(HttpRequest& request) {
  require_json(request.head);
  const Counted counted(generations_, kMostGenerations, "requests wait for their assets",
                        "send POST /v1/jobs, which answers at once");
  if (request.head.headers.count("idempotency-key") == 0) store_.refuse_when_full(options_.max_queue);
  Upload upload =
      read_upload(request, {store_.incoming(), options_.max_upload_bytes, kMostImages, {}, {}, generation_members()});
  const Generation wanted = read_generation(upload.texts, upload.images.size());
  upload.texts = {{"options", wanted.options}};
  const std::string id = make_job(request, upload, "generations");
  runner_.wake();
  return answer_of(request.head, ended_job(request, id), wanted);
}

// A client that has left takes its job with it, unless it can send the same request again.
Job Routes::ended_job(HttpRequest& request, const std::string& id) {
  constexpr auto kPause = std::chrono::milliseconds(200);
  using Clock = std::chrono::steady_clock;
  const auto end =
      Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.max_wait_seconds));
  const bool comes_back = request.head.headers.count("idempotency-key") != 0;
  EventHub::Listener listener(hub_, id);  // before the state is read, so that nothing falls in between
  for (bool changed = true;;) {
    if (changed) {
      Job job = known_job(id);
      if (job.state == JobState::done) return job;
      if (has_ended(job.state)) refuse_unfinished(job);
    }
    if (request.connection.client_left()) {
      if (!comes_back) (void)runner_.cancel(id);
      throw Gone();
    }
    if (listener.closed())
      throw HttpError(503, "unavailable", "the server stops", "job " + id + " goes on when it is started again")
          .with(kJobHeader, id);
    if (Clock::now() >= end) {
      throw HttpError(504, "timeout", "the asset was not finished in time (--max-wait)",
                      "the job goes on: ask for /v1/jobs/" + id)
          .with(kJobHeader, id)
          .with("Location", "/v1/jobs/" + id);
    }
    const auto event = listener.wait(kPause);
    changed = event && (event->name == "state" || event->last);
  }
}

Response Routes::answer_of(const RequestHead& head, const Job& job, const Generation& wanted) const {
  const std::string name = "asset." + wanted.format;
  const JobFile* const file = job.file(name);
  if (file == nullptr) not_found("the file of job " + job.id + " is gone");
  Response response;
  const Json about{{"created", std::time(nullptr)}, {"id", job.id}};
  if (wanted.answer == Generation::Answer::url) {
    Json json = about;
    Json file_json = Json::object();
    file_json["url"] = address_of(head) + "/v1/jobs/" + job.id + "/files/" + name;
    json["data"] = Json::array({file_json});
    response = json_response(200, json);
  } else if (wanted.answer == Generation::Answer::base64) {
    response = encoded(store_.path_of(job.id, *file), about);
  } else {
    response.file = store_.path_of(job.id, *file);
    response.header("Content-Type", file->media_type);
    response.header("Cache-Control", "no-store");
    response.header("Content-Security-Policy", "default-src 'none'; sandbox");
    response.header("Content-Disposition", disposition(true, download_name(job.name, *file)));
  }
  response.header(kJobHeader, job.id);
  response.header("X-Espalier-Notices", ascii_of(job.notices));
  return response;
}

}  // namespace espalier::server
