#include "routes.h"

#include <malloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <memory>
#include <optional>
#include <string_view>

#include "base/json.h"
#include "job_options.h"
#include "job_sources.h"
#include "route_parts.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr int kMostStreams = 256;
constexpr const char* kEndOfIds = "-end";  // of the id of a job's last event
constexpr std::chrono::milliseconds kHeartbeat = std::chrono::seconds(15);
constexpr std::chrono::milliseconds kPlaceAsked = std::chrono::seconds(1);  // how often, of a job that waits and is listened to

// The library names files by their paths on this machine; the client knows its images by their own names.
Error with_name(const Error& error, const fs::path& path, const std::string& name) {
  std::string text(error.message());
  if (const auto at = text.find(path.string()); at != std::string::npos) text.replace(at, path.string().size(), name);
  return {error.code(), text, std::string(error.hint())};
}

// What to do about an image that was refused without a hint of its own.
std::string hint_for_image(const Error& error) {
  switch (error.code()) {
    case ErrorCode::format: return "the file is damaged or of another format: open it in an image editor and save it as PNG";
    case ErrorCode::unsupported: return "save it as an ordinary PNG, JPEG or WebP with 8 bits a channel";
    case ErrorCode::invalid_argument:
      return "choose another background setting, or an image with one object before a plain ground";
    case ErrorCode::out_of_memory: return "send a smaller image";
    default: return "look at the messages of the server";
  }
}

std::string stem_of(const std::string& filename) {
  const auto slash = filename.find_last_of("/\\");
  const std::string base = slash == std::string::npos ? filename : filename.substr(slash + 1);
  return base.substr(0, base.rfind('.') == 0 ? std::string::npos : base.rfind('.'));
}

// The checkpoint's values where none were asked for.
void fill_in(SamplerRequest& sampler, const std::pair<int, double>& defaults) {
  if (!sampler.steps) sampler.steps = defaults.first;
  if (!sampler.guidance) sampler.guidance = defaults.second;
}

// Steps and guidance of the fast preset for a model with these.
std::pair<int, double> fast_of(const std::pair<int, double>& defaults, SamplerRequest (*settings)(int)) {
  const SamplerRequest fast = settings(defaults.first);
  return {fast.steps.value_or(defaults.first), fast.guidance.value_or(defaults.second)};
}

// The value of next of a page, which holds whether or not the page's last job is still there.
std::int64_t sequence_of(const std::string& cursor) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), value);
  if (error == std::errc() && end == cursor.data() + cursor.size() && value > 0) return value;
  throw HttpError(400, "invalid_argument", "before is neither a job's id nor the next of a page",
                  "take it from next of the page before");
}

// How many jobs a page of a list has at most.
int limit_of(const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= 1 && value <= 200) return value;
  throw HttpError(400, "invalid_argument", "limit must be a whole number from 1 to 200", "leave it out for the default");
}

// Removes a new job's folder unless the job was recorded.
class FolderOfNewJob {
 public:
  explicit FolderOfNewJob(fs::path path) : path_(std::move(path)) { fs::create_directory(path_); }
  FolderOfNewJob(const FolderOfNewJob&) = delete;
  FolderOfNewJob& operator=(const FolderOfNewJob&) = delete;
  ~FolderOfNewJob() {
    std::error_code ignored;
    if (!kept_) fs::remove_all(path_, ignored);
  }
  void keep() { kept_ = true; }

 private:
  fs::path path_;
  bool kept_ = false;
};

// What decoding takes at most, and what the way from there to a preview adds.
std::uint64_t decoded_memory(const fs::path& file) {
  constexpr std::uint64_t kMostPixels = 100'000'000;
  const ImageInfo info = image_info(file);
  const std::uint64_t pixels = info.width > kMostPixels || info.height > kMostPixels ? kMostPixels : info.width * info.height;
  // A progressive JPEG is whole in memory as coefficients of 16 bits before it becomes pixels.
  const std::uint64_t each = info.format == "jpeg" ? 9 : 4;
  return each * (pixels == 0 ? kMostPixels : std::min(pixels, kMostPixels)) + (std::uint64_t{4} << 20U);
}
std::uint64_t preview_memory(const fs::path& file, const Pipeline::ForegroundRequest& request) {
  const bool by_network =
      !request.network.empty() && (request.background == Background::automatic || request.background == Background::network);
  return 3 * decoded_memory(file) + (std::uint64_t{96} << 20U) + (by_network ? background_network_memory(request.network) : 0);
}

// Throws HttpError for a view that there is not.
bool is_whole(const Upload& upload) {
  const auto view = upload.texts.find("view");
  if (view == upload.texts.end() || view->second == "cutout") return false;
  if (view->second != "whole")
    throw HttpError(400, "invalid_argument", "view must be one of cutout, whole", "leave it out for cutout");
  return true;
}

// An image that came, with the mask that came behind it, if one did. Errors call a mask so.
InputImage with_its_mask(const Upload& upload, std::size_t index) {
  const InputImage image(upload.images[index].path());
  const auto mask = upload.masks.find(index);
  if (mask == upload.masks.end()) return image;
  try {
    return with_mask(image, mask->second.path()).masked_by("");  // the file's name here says nothing to the client
  } catch (const Error& error) {
    throw with_name(error, mask->second.path(), "the mask");
  }
}

// What decoding its mask takes, if one came.
std::uint64_t mask_memory(const Upload& upload, std::size_t index) {
  const auto mask = upload.masks.find(index);
  if (mask == upload.masks.end()) return 0;
  try {
    return decoded_memory(mask->second.path());
  } catch (const Error& error) {
    throw with_name(error, mask->second.path(), "the mask");
  }
}

// What many small blocks held goes back to the system at the end.
struct ReturnedMemory {
  ReturnedMemory() = default;
  ReturnedMemory(const ReturnedMemory&) = delete;
  ReturnedMemory& operator=(const ReturnedMemory&) = delete;
  ~ReturnedMemory() { ::malloc_trim(0); }
};

Json json_of(const std::vector<WorkerState>& workers) {
  Json list = Json::array();
  for (const WorkerState& worker : workers)
    list.push_back({{"name", worker.name}, {"device", worker.device}, {"state", worker.state}, {"restarts", worker.restarts}});
  return list;
}

bool names_a_job(const RequestHead& head) {
  return head.path.size() > 2 && head.path[0] == "v1" && head.path[1] == "jobs" && JobStore::is_id(head.path[2]);
}

Json settings_json(const SamplerRequest& settings) {
  return {{"steps", settings.steps.value_or(0)}, {"guidance", settings.guidance.value_or(0.0)}};
}

}  // namespace

Routes::Routes(const ServeOptions& options, WebhookRules webhooks, JobBook& store, JobControl& runner, EventHub& hub,
               Metrics& metrics, ApiKeys* keys, Audit audit)
    : options_(options),
      rules_{options.api_key, is_loopback(options.host), options.allowed_origins, keys},
      audit_(std::move(audit)),
      webhooks_(std::move(webhooks)),
      store_(store),
      runner_(runner),
      hub_(hub),
      metrics_(metrics) {}

Response Routes::respond(HttpRequest& request) {
  const std::string origin = allowed_origin(request.head, rules_);
  Response response;
  try {
    if (request.head.method == "OPTIONS" && !origin.empty()) {  // a browser asks before the page of another server may
      response.status = 204;
      response.header("Access-Control-Allow-Methods", "GET, POST, PATCH, DELETE");
      response.header("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Range");
      response.header("Access-Control-Max-Age", "600");
    } else {
      request.caller = guard(request.head, rules_);
      check_scopes(request.caller, request.head);
      if (names_a_job(request.head)) check_owner(request.caller, request.head.path[2]);
      response = route(request, request.head.method == "HEAD" ? "GET" : request.head.method);
    }
  } catch (const HttpError& error) {
    response = error_response(error);
  }
  audit(request, response.status);
  if (!origin.empty()) {
    response.header("Access-Control-Allow-Origin", origin);
    response.header("Access-Control-Expose-Headers", "Location, X-Espalier-Job, X-Espalier-Notices");
    response.header("Vary", "Origin");
  }
  return response;
}

// Jobs of others are as if they were not there.
void Routes::check_owner(const Caller& caller, const std::string& id) {
  if (!caller.admin && store_.owner(id) != caller.name) not_found("there is no such job");
}

Allowance Routes::allowance_of(const Caller& caller) const {
  const auto waiting = static_cast<std::int64_t>(caller.queue_share * options_.max_queue);
  return {caller.jobs_a_day, caller.queue_share < 1.0 ? std::max<std::int64_t>(waiting, 1) : 0};
}

void Routes::check_priority(const Caller& caller, const std::string& priority) const {
  if (priority.empty()) return;
  if (!store_.has_priorities())
    throw HttpError(400, "invalid_argument", "options: priority means nothing here: this server runs its jobs in their order",
                    "leave it out, or move the job in the queue");
  if (priority != "normal" && !caller.admin)
    throw HttpError(403, "forbidden", "the queue is everybody's: high priority takes the scope admin", "use another key");
}

// Who changed what, and who was refused.
void Routes::audit(const HttpRequest& request, int status) const {
  const bool looks = request.head.method == "GET" || request.head.method == "HEAD" || request.head.method == "OPTIONS";
  if (!audit_ || rules_.keys == nullptr || (looks && status != 401 && status != 403)) return;
  std::string path;
  for (const std::string& segment : request.head.path) path.append("/").append(clean_name(segment));
  audit_({{"key", request.caller.name}, {"method", request.head.method}, {"path", path}, {"status", status}});
}

Response Routes::route(HttpRequest& request, const std::string& method) {
  const std::vector<std::string>& path = request.head.path;
  const auto only = [&](const char* allowed) {
    if (method != allowed) wrong_method(allowed);
  };
  if (!path.empty() && path.front() == "v1") {
    if (path.size() >= 2 && path[1] == "jobs") return route_jobs(request, method);
    if (path.size() == 2 && path[1] == "models") {
      only("GET");
      return models();
    }
    if (path.size() == 2 && path[1] == "queue") {
      if (method == "GET") return queue(request.head, request.caller);
      if (method == "PATCH") return change_queue(request);
      wrong_method("GET and PATCH");
    }
    if (path.size() == 2 && path[1] == "storage") {
      only("GET");
      return storage();
    }
    if (path.size() == 2 && path[1] == "preprocess") {
      only("POST");
      return preprocess(request);
    }
    if (path.size() == 3 && path[1] == "3d" && path[2] == "generations") {
      only("POST");
      return generate(request);
    }
    throw HttpError(404, "not_found", "there is nothing at this address", "see /openapi.json for what there is");
  }
  only("GET");
  if (path.size() == 1 && path.front() == "health") return health();
  if (path.size() == 1 && path.front() == "metrics") return metrics_page();
  return page_.respond(request.head);
}

Response Routes::route_jobs(HttpRequest& request, const std::string& method) {
  const std::vector<std::string>& path = request.head.path;
  if (path.size() == 2) {
    if (method == "POST") return add_job(request);
    if (method == "GET") return list_jobs(request.head, request.caller);
    wrong_method("GET and POST");
  }
  const std::string& id = path[2];
  if (path.size() == 3 && (id == "delete" || id == "archive")) {
    if (method != "POST") wrong_method("POST");
    return id == "delete" ? remove_jobs(request) : archive_jobs(request);
  }
  if (!JobStore::is_id(id)) not_found("there is no such job");
  if (path.size() == 3) {
    if (method == "GET") return json_response(200, job_json(id));
    if (method == "PATCH") return change_job(request, id);
    if (method == "DELETE") return remove_job(id);
    wrong_method("GET, PATCH and DELETE");
  }
  if (path.size() == 4 && path[3] == "events") {
    if (method != "GET") wrong_method("GET");
    return events(request.head, id);
  }
  if (path.size() == 4 && path[3] == "exports") {
    if (method != "POST") wrong_method("POST");
    return add_export(request, id);
  }
  if (path.size() == 4 && path[3] == "archive") {
    if (method != "GET") wrong_method("GET");
    return archive_job(request, id);
  }
  if (path.size() == 5 && path[3] == "files") {
    if (method != "GET") wrong_method("GET");
    return send_file(request.head, id, path[4]);
  }
  throw HttpError(404, "not_found", "there is nothing at this address", "see /openapi.json for what there is");
}

Response Routes::health() const {
  if (const auto trouble = store_.trouble()) {
    Response response = json_response(503, {{"status", "unavailable"},
                                            {"reason", "the server cannot keep jobs: " + trouble->reason()},
                                            {"hint", std::string(trouble->hint())}});
    response.header("Retry-After", "30");
    return response;
  }
  if (!runner_.ready()) {
    Response response = json_response(503, {{"status", "loading"}});
    response.header("Retry-After", "1");
    return response;
  }
  Json health{{"status", "ready"}, {"version", version()}};
  const std::vector<WorkerState> workers = runner_.workers();
  const bool any = std::any_of(workers.begin(), workers.end(), [](const WorkerState& worker) {
    return !worker.name.ends_with(kExportsWorker) && (worker.state == "idle" || worker.state == "busy");
  });
  if (runner_.needs_workers()) health["workers"] = json_of(workers);
  if (any || !runner_.needs_workers()) return json_response(200, health);
  Response response = json_response(503, {{"status", "unavailable"},
                                          {"reason", "no worker runs"},
                                          {"hint", "jobs wait until one does; the server's messages say why the last ended"},
                                          {"workers", json_of(workers)}});
  response.header("Retry-After", "5");
  return response;
}

Response Routes::models() const {
  Json list = Json::array();
  const auto defaults = [](const std::pair<int, double>& d) { return Json{{"steps", d.first}, {"guidance", d.second}}; };
  const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  for (const ModelFacts& model : runner_.models()) {
    list.push_back({{"name", model.name},
                    {"pipeline", model.pipeline},
                    {"takes", model.takes_text ? "text" : "image"},
                    {"description", or_null(model.description)},
                    {"full_model", or_null(model.full_model)},
                    {"weight_bytes", model.weight_bytes},
                    {"memory_bytes", model.memory_bytes},
                    {"device", or_null(model.device)},
                    {"precision", or_null(model.precision)},
                    {"tier", or_null(model.tier)},
                    {"loaded", runner_.is_loaded(model.name)},
                    {"untrained", model.untrained},
                    {"structure_defaults", defaults(model.structure_defaults)},
                    {"latent_defaults", defaults(model.latent_defaults)},
                    {"app_structure", settings_json(app_structure_settings())},
                    {"app_latent", settings_json(app_latent_settings())},
                    {"fast_structure", defaults(fast_of(model.structure_defaults, fast_structure_settings))},
                    {"fast_latent", defaults(fast_of(model.latent_defaults, fast_latent_settings))}});
  }
  Json videos = Json::array();
  if (can_write_mp4()) videos.push_back("mp4");
  videos.push_back("webp");
  return json_response(200, {{"models", list},
                             {"limits",
                              {{"max_upload_bytes", options_.max_upload_bytes},
                               {"max_images", kMostImages},
                               {"max_queue", options_.max_queue},
                               {"max_voxels", options_.max_voxels}}},
                             {"video_formats", videos}});
}

Response Routes::storage() {
  std::error_code error;
  const fs::space_info space = fs::space(options_.data, error);
  std::int64_t jobs = 0;
  for (const auto& [state, count] : store_.counts()) jobs += count;
  const auto limit = [](auto value) { return value > 0 ? Json(value) : Json(nullptr); };
  return json_response(200, {{"jobs", jobs},
                             {"bytes", store_.bytes()},
                             {"free_bytes", error ? Json(nullptr) : Json(space.available)},
                             {"keep_days", limit(options_.keep_days)},
                             {"keep_bytes", limit(options_.keep_bytes)}});
}

void Routes::add_workers(MetricsText& text) const {
  const std::vector<WorkerState> workers = runner_.workers();
  if (workers.empty()) return;
  const auto family = [&](const char* name, const char* kind, const char* help, const auto& value) {
    text.family(name, kind, help);
    for (const WorkerState& worker : workers)
      text.value(static_cast<double>(value(worker)), "worker=\"" + worker.name + "\",device=\"" + worker.device + '"');
  };
  family("espalier_worker_up", "gauge", "1 while the worker's process can run jobs.",
         [](const WorkerState& worker) { return worker.state == "idle" || worker.state == "busy" ? 1 : 0; });
  family("espalier_worker_busy", "gauge", "1 while the worker runs a job.",
         [](const WorkerState& worker) { return worker.state == "busy" ? 1 : 0; });
  family("espalier_worker_restarts_total", "counter", "Times that the worker's process was lost.",
         [](const WorkerState& worker) { return worker.restarts; });
  family("espalier_worker_resident_bytes", "gauge", "Resident memory of the worker's process.",
         [](const WorkerState& worker) { return worker.process == 0 ? 0 : resident_bytes(worker.process); });
  text.family("espalier_jobs_retried_total", "counter", "Jobs that were begun again because their worker was lost.")
      .value(static_cast<double>(metrics_.retried));
}

void Routes::add_gpus(MetricsText& text) const {
  std::vector<WorkerState> workers = runner_.lanes();
  std::erase_if(workers, [](const WorkerState& worker) { return worker.gpu.total == 0; });
  if (workers.empty()) return;
  const auto family = [&](const char* name, const char* help, std::uint64_t GpuMemory::*bytes) {
    text.family(name, "gauge", help);
    for (const WorkerState& worker : workers)
      text.value(static_cast<double>(worker.gpu.*bytes), "worker=\"" + worker.name + "\",device=\"" + worker.device + '"');
  };
  family("espalier_gpu_free_bytes", "Free memory of the worker's GPU when weights came or went, or a job ended, last.",
         &GpuMemory::free);
  family("espalier_gpu_total_bytes", "Memory of the worker's GPU.", &GpuMemory::total);
}

Response Routes::metrics_page() {
  MetricsText text;
  text.family("espalier_jobs_total", "counter", "Jobs that ended since the start.")
      .value(static_cast<double>(metrics_.done), "state=\"done\"")
      .value(static_cast<double>(metrics_.failed), "state=\"failed\"")
      .value(static_cast<double>(metrics_.cancelled), "state=\"cancelled\"");
  text.family("espalier_jobs", "gauge", "Jobs that are kept, by state.");
  for (const auto& [state, count] : store_.counts())
    text.value(static_cast<double>(count), std::string("state=\"") + name_of(state) + "\"");
  text.family("espalier_queue_paused", "gauge", "1 while no job begins.").value(store_.paused() ? 1 : 0);
  text.family("espalier_queue_oldest_seconds", "gauge", "Time that the job which waits longest has waited; 0 without one.")
      .value(store_.oldest_wait());
  {
    const std::scoped_lock lock(metrics_.mutex);
    text.family("espalier_job_wait_seconds", "histogram", "Time that jobs waited before they began.").values(metrics_.waits);
    text.family("espalier_batch_jobs", "histogram", "Jobs that were taken together to be sampled at once.")
        .values(metrics_.batches);
    text.family("espalier_job_run_seconds", "histogram", "Time from the start of a job to its end.").values(metrics_.runs);
    text.family("espalier_stage_seconds", "histogram", "Time of each stage of jobs.");
    for (const auto& [stage, times] : metrics_.stages) text.values(times, "stage=\"" + stage + "\"");
  }
  text.family("espalier_job_seconds_total", "counter",
              "Time from start to end of jobs that ended, added up; of jobs that ran together, each counts.")
      .value(static_cast<double>(metrics_.job_milliseconds) / 1000);
  text.family("espalier_requests_total", "counter", "Answers by class of status.");
  for (std::size_t digit = 2; digit < metrics_.requests.size(); ++digit) {
    text.value(static_cast<double>(metrics_.requests[digit]), "code=\"" + std::to_string(digit) + "xx\"");
  }
  text.family("espalier_event_streams", "gauge", "Event streams that are open.").value(streams_);
  text.family("espalier_model_loaded", "gauge", "1 while the weights are in memory.").value(runner_.is_loaded({}) ? 1 : 0);
  text.family("espalier_model_loads_total", "counter", "Times the checkpoint was loaded.")
      .value(static_cast<double>(metrics_.loads));
  text.family("espalier_stored_bytes", "gauge", "Bytes of the files of all jobs.").value(static_cast<double>(store_.bytes()));
  text.family("espalier_resident_bytes", "gauge", "Resident memory of the server.")
      .value(static_cast<double>(resident_bytes()));
  add_workers(text);
  add_gpus(text);
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - start_;
  text.family("espalier_uptime_seconds", "gauge", "Time since the start.").value(up.count());
  Response response;
  response.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.header("Cache-Control", "no-store");
  response.body = text.text();
  return response;
}

Response Routes::preprocess(HttpRequest& request) {
  const Upload upload = read_upload(request, {store_.incoming(), options_.max_upload_bytes, 1, {}, {"background", "view"}});
  if (upload.images.empty()) throw HttpError(400, "invalid_argument", "no image was sent", "send one as the part image");
  const auto text = upload.texts.find("background");
  const Background background = text == upload.texts.end() ? Background::automatic : parse_background(text->second);
  const bool whole = is_whole(upload);
  const fs::path& file = upload.images.front().path();
  (void)image_info_of(file);
  const auto left = [&] { return request.connection.client_left(); };
  Pipeline::Foreground made;
  const ReturnedMemory after;
  try {
    const Background chosen = upload.masks.empty() ? background : Background::alpha;
    const Pipeline::ForegroundRequest foreground{chosen, options_.background_network, options_.pipeline.device};
    const auto pass = gate_.enter(DecodeGate::Kind::preview, preview_memory(file, foreground) + mask_memory(upload, 0), left);
    const InputImage image = with_its_mask(upload, 0);
    const Observer observer{.cancelled = left};
    made = whole ? whole_foreground(image, foreground, observer) : Pipeline::preprocess(image, foreground, observer);
  } catch (const Error& error) {
    rethrow_as_answer(with_name(error, file, upload.image_names.front()), hint_for_image(error));
  }
  Response response;
  response.header("Content-Type", "image/png");
  response.header("Cache-Control", "no-store");
  response.header("X-Espalier-Notices", ascii_of(made.notices));
  response.body.assign(reinterpret_cast<const char*>(made.png.data()), made.png.size());
  return response;
}

Response Routes::accepted(const std::string& id) {
  runner_.wake();
  Response response = json_response(202, job_json(id));
  response.header("Location", "/v1/jobs/" + id);
  return response;
}

// An image with a mask is kept with it, as what people mended by hand: upright, with alpha.
JobFile Routes::checked_image(Upload& upload, std::size_t index, const std::function<bool()>& left) {
  IncomingFile& image = upload.images[index];
  const std::string number = "input-" + std::to_string(index + 1);
  const ImageInfo info = image_info_of(image.path());
  try {
    const auto pass = gate_.enter(DecodeGate::Kind::job, decoded_memory(image.path()) + mask_memory(upload, index), left);
    if (!upload.masks.contains(index)) {
      Pipeline::check_image(image.path(), Observer{.cancelled = left});
      return {number + info.ending, "input", info.format, info.media_type, image.size()};
    }
    const Pipeline::Foreground whole = whole_foreground(with_its_mask(upload, index), {Background::alpha, {}, "cpu"});
    image.replace({reinterpret_cast<const char*>(whole.png.data()), whole.png.size()});
    return {number + ".png", "input", "png", "image/png", image.size()};
  } catch (const Error& error) {
    throw with_name(error, image.path(), upload.image_names[index]);
  }
}

void Routes::check_uploads(HttpRequest& request, Upload& upload, Job& job) {
  const auto left = [&] { return request.connection.client_left(); };
  const ReturnedMemory after;
  try {
    for (std::size_t i = 0; i < upload.images.size(); ++i) job.files.push_back(checked_image(upload, i, left));
  } catch (const Error& error) {
    rethrow_as_answer(error, "send a PNG, JPEG or WebP that opens elsewhere");
  }
}

// Looked at where they are kept, since the ending of a name may tell what a file is.
void Routes::keep_sources(HttpRequest& request, Upload& upload, Job& job) {
  constexpr std::uint64_t kTypical = std::uint64_t{8} << 20U;
  const auto left = [&] { return request.connection.client_left(); };
  const ReturnedMemory after;
  for (auto& [part, source] : upload.sources) {
    job.files.push_back(file_of_source(part, source.name, source.file.size()));
    const fs::path path = store_.folder_of(job.id) / job.files.back().name;
    source.file.move_to(path);
    try {
      const auto pass = gate_.enter(DecodeGate::Kind::job, kTypical + 4 * source.file.size(), left);
      check_source(part, path, options_.max_voxels);
    } catch (const Error& error) {
      rethrow_as_answer(with_name(error, path, "the " + part), "send what a job left as latent.safetensors");
    }
  }
}

// A copy, or the same bytes under another name: the parent may be removed before this job begins.
void Routes::keep_asset_of(const Job& parent, Job& job) {
  JobFile file = file_of_source(kAssetPart, {}, parent.file(kAssetFile)->bytes);
  const fs::path from = store_.path_of(parent.id, *parent.file(kAssetFile)), to = store_.folder_of(job.id) / file.name;
  std::error_code error;
  fs::create_hard_link(from, to, error);
  if (error) fs::copy_file(from, to, error);
  if (error) throw HttpError(507, "io", "the asset of job " + parent.id + " cannot be kept: " + error.message(), "try again");
  job.files.push_back(std::move(file));
}

namespace {

// FNV-1a. It tells requests apart that were given one name by mistake; nobody gains by fooling it.
class Fingerprint {
 public:
  void add(std::string_view bytes) {
    for (const char c : bytes) value_ = (value_ ^ static_cast<unsigned char>(c)) * kPrime;
    value_ = (value_ ^ bytes.size()) * kPrime;
  }
  void add_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::array<char, 65536> block{};
    while (file.read(block.data(), block.size()) || file.gcount() > 0)
      add({block.data(), static_cast<std::size_t>(file.gcount())});
  }
  [[nodiscard]] std::uint64_t value() const { return value_; }

 private:
  static constexpr std::uint64_t kPrime = 0x100000001b3U;
  std::uint64_t value_ = 0xcbf29ce484222325U;
};

// The header Idempotency-Key of a request that says this; without a name where there is none.
RequestKey request_key(const HttpRequest& request, std::initializer_list<std::string_view> texts, const Upload& upload) {
  const RequestHead& head = request.head;
  RequestKey key{head.header("idempotency-key")};
  if (head.headers.count("idempotency-key") == 0) return key;
  constexpr std::size_t kLongest = 200;
  const bool visible = std::all_of(key.name.begin(), key.name.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (key.name.empty() || key.name.size() > kLongest || !visible) {
    throw HttpError(400, "invalid_argument", "the Idempotency-Key is not 1 to 200 visible ASCII characters",
                    "a random UUID is a good one");
  }
  Fingerprint content;
  for (const std::string_view text : texts) content.add(text);
  for (const std::string& name : upload.image_names) content.add(name);
  for (const IncomingFile& file : upload.images) content.add_file(file.path());
  for (const auto& [part, source] : upload.sources) {
    if (part != kLatentPart) content.add(part);
    content.add_file(source.file.path());
  }
  for (const auto& [index, mask] : upload.masks) {
    content.add("mask " + std::to_string(index));
    content.add_file(mask.path());
  }
  if (!request.caller.name.empty()) key.name = request.caller.name + " " + key.name;  // its own, whatever others call theirs
  key.content = content.value();
  return key;
}

// What is shown in lists: as the client has it, else as what it is made of is called.
std::string name_of_job(const Options& options, const Upload& upload, const std::optional<Job>& parent) {
  if (!options.name.empty()) return options.name;
  if (parent) return parent->name;
  for (const char* part : {kMeshPart, kAssetPart}) {
    if (upload.has(part) && !upload.sources.at(part).name.empty()) return stem_of(upload.sources.at(part).name);
  }
  if (!upload.image_names.empty()) return stem_of(upload.image_names.front());
  return options.prompt.empty() ? "" : clean_name(shortened(options.prompt, 60));
}

// A mask is the alpha channel of its image.
std::vector<Background> backgrounds_of(const Options& options, const Upload& upload) {
  if (upload.masks.empty()) return options.background;
  std::vector<Background> all(upload.images.size(), options.background.front());
  if (options.background.size() == all.size()) all = options.background;
  for (const auto& [index, mask] : upload.masks) all[index] = Background::alpha;
  return all;
}

}  // namespace

Response Routes::add_job(HttpRequest& request) {
  if (request.head.headers.count("idempotency-key") == 0) store_.refuse_when_full(options_.max_queue);
  Upload upload = read_upload(request, {store_.incoming(),
                                        options_.max_upload_bytes,
                                        kMostImages,
                                        {kLatentPart, kMeshPart, kAssetPart, kVoxelsPart},
                                        {kParentPart},
                                        {"options"}});
  return accepted(make_job(request, upload, "jobs"));
}

std::string Routes::make_job(HttpRequest& request, Upload& upload, const std::string& address) {
  const auto parent_text = upload.texts.find(kParentPart);
  const std::string parent_id = parent_text == upload.texts.end() ? "" : parent_text->second;
  const RequestKey key = parent_id.empty() ? request_key(request, {address, upload.texts["options"]}, upload)
                                           : request_key(request, {address, upload.texts["options"], parent_id}, upload);
  if (auto earlier = store_.made_by(key)) return *std::move(earlier);
  store_.refuse_when_full(options_.max_queue);
  Options options = parse_generate_options(upload.texts["options"]);
  if (!options.webhook.empty()) check_webhook(options.webhook, webhooks_);
  check_priority(request.caller, options.priority);
  const ModelFacts model = runner_.model_named(options.model.string());
  check_sources(upload, options, model);
  try {
    if (!options.prompt.empty() || !options.negative_prompt.empty()) Pipeline::check_prompt(options.prompt);
  } catch (const Error& error) {
    rethrow_as_answer(error, "write what to make");
  }
  if (!upload.images.empty() && options.background.size() != 1 && options.background.size() != upload.images.size()) {
    throw HttpError(400, "invalid_argument",
                    "options: background has " + std::to_string(options.background.size()) + " values for " +
                        std::to_string(upload.images.size()) + " images",
                    "give one for all images, or one for each");
  }
  options.model = model.name;
  options.background = backgrounds_of(options, upload);
  Job job;
  job.id = JobStore::new_id();
  job.kind = kind_of(upload, options);
  std::optional<Job> parent;
  if (upload.texts.contains(kParentPart)) {
    check_owner(request.caller, parent_id);
    parent = job_with_asset(parent_id);
  }
  check_uploads(request, upload, job);
  job.name = options.name = name_of_job(options, upload, parent);
  const bool fast = options.preset == SamplerPreset::fast;
  fill_in(options.structure, fast ? fast_of(model.structure_defaults, fast_structure_settings) : model.structure_defaults);
  fill_in(options.latent, fast ? fast_of(model.latent_defaults, fast_latent_settings) : model.latent_defaults);
  job.options = to_json(options, job.kind);
  FolderOfNewJob folder(store_.folder_of(job.id));
  for (std::size_t i = 0; i < upload.images.size(); ++i) upload.images[i].move_to(store_.folder_of(job.id) / job.files[i].name);
  keep_sources(request, upload, job);
  job.owner = request.caller.name;
  if (parent) {
    job.parent = parent->id;
    keep_asset_of(*parent, job);
  }
  std::string id = store_.add(job, options_.max_queue, key, allowance_of(request.caller));
  if (id == job.id) folder.keep();
  return id;
}

Response Routes::add_export(HttpRequest& request, const std::string& id) {
  require_json(request.head);
  const std::string text = request.open_body(kJsonBytes).text();
  const RequestKey key = request_key(request, {"exports", id, text}, {});
  if (const auto earlier = store_.made_by(key)) return accepted(*earlier);
  const Job parent = job_with_asset(id);
  const Options of_parent = parse_generate_options(text_of(parent.options), Spelling::any);
  ExportOptions options = parse_export_options(text, of_parent);
  if (options.turntable && options.values.video.format == VideoFormat::mp4 && !can_write_mp4()) {
    throw HttpError(422, "unsupported", "this server cannot write MP4: the program ffmpeg is not installed", "ask for webp");
  }
  if (!options.values.webhook.empty()) check_webhook(options.values.webhook, webhooks_);
  check_priority(request.caller, options.values.priority);
  if (options.values.name.empty()) options.values.name = parent.name;
  Job job;
  job.asset = is_asset(options, of_parent);
  job.owner = request.caller.name;
  job.id = JobStore::new_id();
  job.kind = JobKind::exported;
  job.parent = id;
  job.name = options.values.name;
  job.options = to_json(options);
  FolderOfNewJob folder(store_.folder_of(job.id));
  std::string new_id = store_.add(job, options_.max_queue, key, allowance_of(request.caller));
  if (new_id == job.id) folder.keep();
  return accepted(new_id);
}

Job Routes::known_job(const std::string& id) {
  auto job = store_.find(id);
  if (!job) not_found("there is no such job");
  return *std::move(job);
}

// What an export or an edit begins with.
Job Routes::job_with_asset(const std::string& id) {
  if (!JobStore::is_id(id)) not_found("there is no such job");
  Job job = known_job(id);
  if (job.kind == JobKind::exported) {
    throw HttpError(409, "conflict", "job " + id + " is an export itself", "name the job that it has as parent");
  }
  if (!has_ended(job.state) || job.file(kAssetFile) == nullptr) {
    throw HttpError(409, "conflict", "job " + id + " has no asset (it is " + name_of(job.state) + ")",
                    has_ended(job.state) ? "it ended before there was a mesh: generate it again" : "wait until it is done");
  }
  return job;
}

Json Routes::job_json(const std::string& id) { return json_of(known_job(id), runner_.progress_of(id)); }

Routes::ListRequest Routes::list_request(const RequestHead& head, const Caller& caller) {
  ListRequest list;
  if (!caller.admin) list.filter.owner = caller.name;
  for (const auto& [key, value] : head.query) {
    if (key == "state") {
      list.filter.state = state_named(value);
      if (!list.filter.state)
        throw HttpError(400, "invalid_argument", "state must be one of queued, running, done, failed, cancelled",
                        "leave it out for all");
    } else if (key == "kind") {
      if (value != "assets" && value != "exports")
        throw HttpError(400, "invalid_argument", "kind must be one of assets, exports", "leave it out for all");
      list.filter.asset = value == "assets";
    } else if (key == "parent") {
      check_owner(caller, value);
      list.filter.parent = known_job(value).id;
    } else if (key == "before") {
      if (JobStore::is_id(value)) check_owner(caller, value);
      list.below = JobStore::is_id(value) ? known_job(value).sequence : sequence_of(value);
    } else if (key == "limit") {
      list.limit = limit_of(value);
    } else {
      throw HttpError(400, "invalid_argument", "the query names something other than state, kind, parent, limit, before",
                      "see /openapi.json");
    }
  }
  return list;
}

Response Routes::list_jobs(const RequestHead& head, const Caller& caller) {
  ListRequest wanted = list_request(head, caller);
  const std::vector<Job> jobs = store_.list(wanted.filter, wanted.limit + 1, wanted.below);
  Json list = Json::array();
  const auto shown = std::min<std::size_t>(jobs.size(), static_cast<std::size_t>(wanted.limit));
  for (std::size_t i = 0; i < shown; ++i) list.push_back(json_of(jobs[i], runner_.progress_of(jobs[i].id)));
  return tagged_json(
      head, {{"jobs", list}, {"next", jobs.size() > shown ? Json(std::to_string(jobs[shown - 1].sequence)) : Json(nullptr)}});
}

Response Routes::queue(const RequestHead& head, const Caller& caller) {
  int limit = 200;
  for (const auto& [key, value] : head.query) {
    if (key != "limit")
      throw HttpError(400, "invalid_argument", "the query names something other than limit", "see /openapi.json");
    limit = limit_of(value);
  }
  Json jobs = Json::array();
  for (const Job& job : store_.queue(limit, caller.admin ? std::string() : caller.name))
    jobs.push_back(json_of(job, runner_.progress_of(job.id)));
  auto counts = store_.counts();
  return tagged_json(head, {{"paused", store_.paused()},
                            {"running", counts[JobState::running]},
                            {"queued", counts[JobState::queued]},
                            {"jobs", jobs}});
}

Response Routes::change_queue(HttpRequest& request) {
  require_json(request.head);
  store_.pause(parse_queue_change(request.open_body(kJsonBytes).text()));
  runner_.wake();
  return queue({}, request.caller);
}

Response Routes::change_job(HttpRequest& request, const std::string& id) {
  require_json(request.head);
  const std::string text = request.open_body(kJsonBytes).text();
  (void)known_job(id);
  const JobChange change = parse_job_change(text);
  if (change.moves() && !request.caller.admin)
    throw HttpError(403, "forbidden", "the queue is everybody's: to move a job in it takes the scope admin", "use another key");
  if (!store_.change(id, change)) not_found("there is no such job");
  const Json json = job_json(id);
  if (const std::string state = json.at("state"); state == "queued" || state == "running")  // of others nobody hears any more
    hub_.publish(id, {"state", text_of(json), false});
  return json_response(200, json);
}

Response Routes::remove_job(const std::string& id) {
  (void)known_job(id);
  if (runner_.cancel(id)) return json_response(200, job_json(id));
  if (!store_.remove(id)) not_found("there is no such job");
  Response response;
  response.status = 204;
  return response;
}

// Ids of events are those of this process; another one, before a restart, knew other events.
std::optional<std::uint64_t> Routes::last_event_of(const RequestHead& head) const {
  const std::string id = head.header("last-event-id");
  const auto dash = id.find('-');
  if (dash == std::string::npos || id.substr(0, dash) != stream_name_) return std::nullopt;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(id.data() + dash + 1, id.data() + id.size(), value);
  return error == std::errc() && end == id.data() + id.size() ? std::optional(value) : std::nullopt;
}

Response Routes::events(const RequestHead& head, const std::string& id) {
  // A client of the standard asks again after the end of every stream, unless it is told that nothing follows.
  if (has_ended(known_job(id).state) && head.header("last-event-id").ends_with(kEndOfIds)) {
    Response nothing;
    nothing.status = 204;
    return nothing;
  }
  const auto counted =
      std::make_shared<Counted>(streams_, kMostStreams, "event streams are open", "ask for the job itself instead");
  // Before the state is read, so that nothing falls in between.
  const auto listener = std::make_shared<EventHub::Listener>(hub_, id, last_event_of(head));
  Response response;
  response.header("Content-Type", "text/event-stream");
  response.header("Cache-Control", "no-store");
  response.header("X-Accel-Buffering", "no");
  response.stream = [this, id, counted, listener](const Sink& sink) { stream_events(id, *listener, sink); };
  return response;
}

void Routes::stream_events(const std::string& id, EventHub::Listener& listener, const Sink& sink) {
  const auto send = [&](std::uint64_t number, const std::string& name, const std::string& data, bool last) {
    const std::string end = last ? kEndOfIds : "";
    sink("id: " + stream_name_ + "-" + std::to_string(number) + end + "\nevent: " + name + "\ndata: " + data + "\n\n");
  };
  // No event of its own tells a job that waits of a new place: others have ended or were moved.
  const auto place_in = [](const Json& state) {
    const auto found = state.find("position");
    return found != state.end() && found->is_number() ? found->get<std::int64_t>() : std::int64_t{-1};
  };
  constexpr std::int64_t kUntold = std::numeric_limits<std::int64_t>::max();
  const bool ended = listener.ended();
  std::int64_t told =
      ended ? -1 : kUntold;  // the place that the client has been told, however old that is; -1: it does not wait
  const auto tell = [&](std::uint64_t number, const Job& job) {
    const Json state = json_of(job, runner_.progress_of(id));
    send(number, "state", text_of(state), has_ended(job.state));
    told = place_in(state);
  };
  if (!listener.resumed()) {
    const auto job = store_.find(id);
    if (!job) return;
    tell(listener.begin(), *job);
    if (has_ended(job->state)) return;
  }
  // The job, if it waits at another place than the client was told.
  const auto moved = [&]() -> std::optional<Job> {
    std::optional<Job> job = told >= 0 ? store_.find(id) : std::nullopt;
    if (!job || !job->position) told = -1;
    return told >= 0 && *job->position != told ? std::move(job) : std::nullopt;
  };
  std::uint64_t newest = listener.begin();
  auto heard = std::chrono::steady_clock::now();
  while (!listener.closed()) {
    const auto event = listener.wait(ended ? std::chrono::milliseconds(0) : told >= 0 ? kPlaceAsked : kHeartbeat);
    if (!event && ended) return;
    if (event) {
      newest = event->id;
      if (!event->data.empty()) send(newest, event->name, event->data, event->last);
      if (event->last && !ended) return;
      if (event->name == "state") told = place_in(Json::parse(event->data, nullptr, false));
    } else if (const auto job = moved()) {
      tell(newest, *job);
    } else if (std::chrono::steady_clock::now() - heard >= kHeartbeat) {
      sink(": alive\n\n");
    } else {
      continue;
    }
    heard = std::chrono::steady_clock::now();
  }
}

Response Routes::send_file(const RequestHead& head, const std::string& id, const std::string& name) {
  const Job job = known_job(id);
  const JobFile* file = job.file(name);  // only what is recorded has a path
  if (file == nullptr) not_found("the job has no such file");
  Response response;
  response.file = store_.path_of(id, *file);
  struct stat status {};
  if (::stat(response.file.c_str(), &status) != 0) not_found("the file is gone");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  // What a fleet has made never changes, and has one tag on all its servers.
  const std::string tag = file->attempt > 0 ? std::to_string(file->attempt) + "-" + std::to_string(size)
                                            : std::to_string(status.st_ino) + "-" + std::to_string(status.st_mtim.tv_sec) +
                                                  "-" + std::to_string(status.st_mtim.tv_nsec) + "-" + std::to_string(size);
  const std::string etag = '"' + tag + '"';
  response.header("ETag", etag);
  response.header("Cache-Control", "private, no-cache");
  if (matches_tag(head.header("if-none-match"), etag)) {
    response.status = 304;
    response.file.clear();
    return response;
  }
  response.header("Content-Type", file->media_type);
  response.header("Accept-Ranges", "bytes");
  // Never a page of this server, whatever is inside.
  response.header("Content-Security-Policy", "default-src 'none'; sandbox");
  const auto download = head.query.find("download");
  const bool attach = download != head.query.end() && download->second != "0";
  response.header("Content-Disposition", disposition(attach, download_name(job.name, *file)));
  const std::string if_range = head.header("if-range");
  // Range means something with GET alone (RFC 9110, 14.2).
  if (head.method == "GET" && (if_range.empty() || if_range == etag)) response.range = parse_range(head.header("range"), size);
  if (response.range) {
    response.status = 206;
    response.header("Content-Range", "bytes " + std::to_string(response.range->first) + "-" +
                                         std::to_string(response.range->last) + "/" + std::to_string(size));
  }
  return response;
}

}  // namespace espalier::server
