#include "routes.h"

#include <malloc.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <string_view>

#include "base/json.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kMostImages = 8;
constexpr int kMostStreams = 256;
constexpr std::uint64_t kJsonBytes = 65536;
constexpr auto kHeartbeat = std::chrono::seconds(15);

[[noreturn]] void not_found(const std::string& what) { throw HttpError(404, "not_found", what, "list the jobs again"); }

// A failure of the library as an answer: the client's fault where it is about what the client sent.
[[noreturn]] void rethrow_as_answer(const Error& error, const std::string& hint) {
  const ErrorCode code = error.code();
  if (code == ErrorCode::cancelled) throw Gone();  // nothing but the client's leaving cancels
  const bool of_client = code == ErrorCode::invalid_argument || code == ErrorCode::format || code == ErrorCode::unsupported;
  throw HttpError(of_client ? 422 : 500, word_of(code), std::string(error.message()),
                  error.hint().empty() ? hint : std::string(error.hint()));
}

// The library names files by their paths on this machine; the client knows its pictures by their own names.
Error with_name(const Error& error, const fs::path& path, const std::string& name) {
  std::string text(error.message());
  if (const auto at = text.find(path.string()); at != std::string::npos) text.replace(at, path.string().size(), name);
  return {error.code(), text, std::string(error.hint())};
}

// What to do about a picture that was refused without a hint of its own.
std::string hint_for_picture(const Error& error) {
  switch (error.code()) {
    case ErrorCode::format:
      return "the file is damaged, or no PNG, JPEG or WebP; open it in a picture program and save it anew";
    case ErrorCode::unsupported: return "save it as an ordinary PNG, JPEG or WebP with 8 bits a channel";
    case ErrorCode::invalid_argument:
      return "choose another background setting, or a picture with one object before a plain ground";
    case ErrorCode::out_of_memory: return "send a smaller picture";
    default: return "look at the messages of the server";
  }
}

std::string stem_of(const std::string& filename) {
  const auto slash = filename.find_last_of("/\\");
  const std::string base = slash == std::string::npos ? filename : filename.substr(slash + 1);
  return base.substr(0, base.rfind('.') == 0 ? std::string::npos : base.rfind('.'));
}

void require_json(const RequestHead& head) {
  const std::string type = head.header("content-type");
  if (lower_case(trimmed(std::string_view(type).substr(0, type.find(';')))) == "application/json") return;
  throw HttpError(415, "unsupported", "the content type is not application/json", "send the options as JSON");
}

// What a client calls a file that it keeps: chair.glb, chair-input-1.png.
std::string download_name(const std::string& job, const JobFile& file) {
  const std::string title = title_for_programs(job);
  constexpr std::string_view kOwn = "asset.";
  return file.name.starts_with(kOwn) ? title + "." + file.name.substr(kOwn.size()) : title + "-" + file.name;
}

// RFC 6266: a name of ASCII for old clients, and the real one.
std::string disposition(bool attach, const std::string& name) {
  std::string plain, escaped;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    const bool word = std::isalnum(byte) != 0 || c == '-' || c == '.' || c == '_';
    plain += byte >= ' ' && byte < 0x7F ? c : '_';
    escaped += word && byte < 0x80 ? std::string(1, c) : std::string{'%', kHex[byte >> 4U], kHex[byte & 15U]};
  }
  return std::string(attach ? "attachment" : "inline") + "; filename=\"" + plain + "\"; filename*=UTF-8''" + escaped;
}

// The checkpoint's values where none were asked for.
void fill_in(SamplerRequest& sampler, const std::pair<int, double>& defaults) {
  if (!sampler.steps) sampler.steps = defaults.first;
  if (!sampler.guidance) sampler.guidance = defaults.second;
}

// A method that an address does not take.
[[noreturn]] void wrong_method(const std::string& allowed) {
  std::string list = allowed;
  if (const auto at = list.find(" and "); at != std::string::npos) list.replace(at, 5, ", ");
  throw HttpError(405, "invalid_argument", "this address takes " + allowed + " only", "see /openapi.json").with("Allow", list);
}

// The value of next of a page, which holds whether or not the page's last job is still there.
std::int64_t sequence_of(const std::string& cursor) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(cursor.data(), cursor.data() + cursor.size(), value);
  if (error == std::errc() && end == cursor.data() + cursor.size() && value > 0) return value;
  throw HttpError(400, "invalid_argument", "before is neither a job's id nor the next of a page",
                  "take it from next of the page before");
}

// One more, unless there are `most` already.
class Counted {
 public:
  Counted(std::atomic<int>& count, int most) : count_(count) {
    if (++count_ <= most) return;
    --count_;
    throw HttpError(503, "unavailable", std::to_string(most) + " event streams are open, which is the most",
                    "ask for the job itself instead");
  }
  Counted(const Counted&) = delete;
  Counted& operator=(const Counted&) = delete;
  ~Counted() { --count_; }

 private:
  std::atomic<int>& count_;
};

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
std::uint64_t decoded_memory(const fs::path& picture) {
  constexpr std::uint64_t kMostPixels = 100'000'000;
  const PictureInfo info = picture_info(picture);
  const std::uint64_t pixels = info.width > kMostPixels || info.height > kMostPixels ? kMostPixels : info.width * info.height;
  // A progressive JPEG is whole in memory as coefficients of 16 bits before it becomes pixels.
  const std::uint64_t each = info.format == "jpeg" ? 9 : 4;
  return each * (pixels == 0 ? kMostPixels : std::min(pixels, kMostPixels)) + (std::uint64_t{4} << 20U);
}
std::uint64_t preview_memory(const fs::path& picture) { return 3 * decoded_memory(picture) + (std::uint64_t{96} << 20U); }

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
    return with_mask(image, mask->second.path());
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

Json settings_json(const SamplerRequest& settings) {
  return {{"steps", settings.steps.value_or(0)}, {"guidance", settings.guidance.value_or(0.0)}};
}

}  // namespace

Routes::Routes(const ServeOptions& options, JobStore& store, JobRunner& runner, EventHub& hub, Metrics& metrics)
    : options_(options),
      rules_{options.api_key, is_loopback(options.host), options.allowed_origins},
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
      response.header("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, Range");
      response.header("Access-Control-Max-Age", "600");
    } else {
      guard(request.head, rules_);
      response = route(request, request.head.method == "HEAD" ? "GET" : request.head.method);
    }
  } catch (const HttpError& error) {
    response = error_response(error);
  }
  if (!origin.empty()) {
    response.header("Access-Control-Allow-Origin", origin);
    response.header("Access-Control-Expose-Headers", "Location, X-Espalier-Notices");
    response.header("Vary", "Origin");
  }
  return response;
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
    if (path.size() == 2 && path[1] == "storage") {
      only("GET");
      return storage();
    }
    if (path.size() == 2 && path[1] == "preprocess") {
      only("POST");
      return preprocess(request);
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
    if (method == "GET") return list_jobs(request.head);
    wrong_method("GET and POST");
  }
  const std::string& id = path[2];
  if (!JobStore::is_id(id)) not_found("there is no such job");
  if (path.size() == 3) {
    if (method == "GET") return json_response(200, job_json(id));
    if (method == "PATCH") return change_job(request, id);
    if (method == "DELETE") return remove_job(id);
    wrong_method("GET, PATCH and DELETE");
  }
  if (path.size() == 4 && path[3] == "events") {
    if (method != "GET") wrong_method("GET");
    return events(id);
  }
  if (path.size() == 4 && path[3] == "exports") {
    if (method != "POST") wrong_method("POST");
    return add_export(request, id);
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
  return json_response(200, {{"status", "ready"}, {"version", version()}});
}

Response Routes::models() const {
  Json list = Json::array();
  const auto defaults = [](const std::pair<int, double>& d) { return Json{{"steps", d.first}, {"guidance", d.second}}; };
  const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  const std::string loaded = runner_.loaded_model();
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
                    {"loaded", model.name == loaded},
                    {"untrained", model.untrained},
                    {"structure_defaults", defaults(model.structure_defaults)},
                    {"latent_defaults", defaults(model.latent_defaults)},
                    {"app_structure", settings_json(app_structure_settings())},
                    {"app_latent", settings_json(app_latent_settings())}});
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

Response Routes::metrics_page() {
  MetricsText text;
  text.family("espalier_jobs_total", "counter", "Jobs that ended since the start.")
      .value(static_cast<double>(metrics_.done), "state=\"done\"")
      .value(static_cast<double>(metrics_.failed), "state=\"failed\"")
      .value(static_cast<double>(metrics_.cancelled), "state=\"cancelled\"");
  text.family("espalier_jobs", "gauge", "Jobs that are kept, by state.");
  for (const auto& [state, count] : store_.counts())
    text.value(static_cast<double>(count), std::string("state=\"") + name_of(state) + "\"");
  text.family("espalier_queue_oldest_seconds", "gauge", "Time that the job which waits longest has waited; 0 without one.")
      .value(store_.oldest_wait());
  {
    const std::scoped_lock lock(metrics_.mutex);
    text.family("espalier_job_wait_seconds", "histogram", "Time that jobs waited before they began.").values(metrics_.waits);
    text.family("espalier_job_run_seconds", "histogram", "Time from the start of a job to its end.").values(metrics_.runs);
    text.family("espalier_stage_seconds", "histogram", "Time of each stage of jobs.");
    for (const auto& [stage, times] : metrics_.stages) text.values(times, "stage=\"" + stage + "\"");
  }
  text.family("espalier_job_seconds_total", "counter", "Time spent on jobs that ended.")
      .value(static_cast<double>(metrics_.job_milliseconds) / 1000);
  text.family("espalier_requests_total", "counter", "Answers by class of status.");
  for (std::size_t digit = 2; digit < metrics_.requests.size(); ++digit) {
    text.value(static_cast<double>(metrics_.requests[digit]), "code=\"" + std::to_string(digit) + "xx\"");
  }
  text.family("espalier_event_streams", "gauge", "Event streams that are open.").value(streams_);
  text.family("espalier_model_loaded", "gauge", "1 while the weights are in memory.")
      .value(runner_.loaded_model().empty() ? 0 : 1);
  text.family("espalier_model_loads_total", "counter", "Times the checkpoint was loaded.")
      .value(static_cast<double>(metrics_.loads));
  text.family("espalier_stored_bytes", "gauge", "Bytes of the files of all jobs.").value(static_cast<double>(store_.bytes()));
  text.family("espalier_resident_bytes", "gauge", "Resident memory of the server.")
      .value(static_cast<double>(resident_bytes()));
  const std::chrono::duration<double> up = std::chrono::steady_clock::now() - start_;
  text.family("espalier_uptime_seconds", "gauge", "Time since the start.").value(up.count());
  Response response;
  response.header("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
  response.header("Cache-Control", "no-store");
  response.body = text.text();
  return response;
}

Response Routes::preprocess(HttpRequest& request) {
  const Upload upload = read_upload(request, {store_.incoming(), options_.max_upload_bytes, 1, 0, {"background", "view"}});
  if (upload.images.empty()) throw HttpError(400, "invalid_argument", "no picture was sent", "send one as the part image");
  const auto text = upload.texts.find("background");
  const Background background = text == upload.texts.end() ? Background::automatic : parse_background(text->second);
  const bool whole = is_whole(upload);
  const fs::path& picture = upload.images.front().path();
  (void)picture_info_of(picture);
  const auto left = [&] { return request.connection.client_left(); };
  Pipeline::Foreground made;
  const ReturnedMemory after;
  try {
    const auto pass = gate_.enter(DecodeGate::Kind::preview, preview_memory(picture) + mask_memory(upload, 0), left);
    const InputImage image = with_its_mask(upload, 0);
    const Background chosen = upload.masks.empty() ? background : Background::alpha;
    const Pipeline::ForegroundRequest foreground{chosen, options_.background_network, options_.pipeline.device};
    const Observer observer{.cancelled = left};
    made = whole ? whole_foreground(image, foreground, observer) : Pipeline::preprocess(image, foreground, observer);
  } catch (const Error& error) {
    rethrow_as_answer(with_name(error, picture, upload.image_names.front()), hint_for_picture(error));
  }
  Response response;
  response.header("Content-Type", "image/png");
  response.header("Cache-Control", "no-store");
  // Headers are ASCII.
  response.header("X-Espalier-Notices", Json(made.notices).dump(-1, ' ', true, Json::error_handler_t::replace));
  response.body.assign(reinterpret_cast<const char*>(made.png.data()), made.png.size());
  return response;
}

void Routes::refuse_when_full() {
  if (store_.counts()[JobState::queued] < options_.max_queue) return;
  throw HttpError(429, "queue_full", "the queue is full (--max-queue " + std::to_string(options_.max_queue) + ")",
                  "try again later, or start the server with a larger --max-queue");
}

Response Routes::accepted(const std::string& id) {
  runner_.wake();
  Response response = json_response(202, job_json(id));
  response.header("Location", "/v1/jobs/" + id);
  return response;
}

// A picture with a mask is kept with it, as what people mended by hand: upright, with alpha.
JobFile Routes::checked_image(Upload& upload, std::size_t index, const std::function<bool()>& left) {
  IncomingFile& image = upload.images[index];
  const std::string number = "input-" + std::to_string(index + 1);
  const PictureInfo info = picture_info_of(image.path());
  try {
    const auto pass = gate_.enter(DecodeGate::Kind::job, decoded_memory(image.path()) + mask_memory(upload, index), left);
    if (!upload.masks.contains(index)) {
      Pipeline::check_picture(image.path(), Observer{.cancelled = left});
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
    for (const IncomingFile& latent : upload.latents) {
      constexpr std::uint64_t kTypical = std::uint64_t{8} << 20U;
      const auto pass = gate_.enter(DecodeGate::Kind::job, kTypical + 4 * latent.size(), left);
      if (is_asset_file(latent.path())) throw Error(ErrorCode::unsupported, "the file is a saved asset, not a latent");
      if (const std::int64_t voxels = saved_voxels(latent.path()); voxels > options_.max_voxels) {
        throw HttpError(413, "too_large",
                        "the latent has " + std::to_string(voxels) + " voxels; at most " + std::to_string(options_.max_voxels) +
                            " are allowed",
                        "send a smaller one, or start the server with a larger --max-voxels");
      }
      job.files.push_back({"input.safetensors", "input", "safetensors", "application/octet-stream", latent.size()});
    }
  } catch (const Error& error) {
    rethrow_as_answer(upload.latents.empty() ? error : with_name(error, upload.latents.front().path(), "the latent"),
                      upload.latents.empty() ? "send a PNG, JPEG or WebP that opens elsewhere"
                                             : "send what a job left as latent.safetensors");
  }
}

// Exactly one of images, a latent and a prompt, and of a kind that the model takes.
void Routes::check_sources(const Upload& upload, const Options& options, const ModelFacts& model) {
  const bool images = !upload.images.empty(), latent = !upload.latents.empty();
  const bool prompt = !options.prompt.empty() || !options.negative_prompt.empty();
  const auto refuse = [](const std::string& what, const std::string& hint) {
    throw HttpError(400, "invalid_argument", what, hint);
  };
  if (images && latent)
    refuse("pictures and a latent were sent", "send pictures as parts named image, or one latent as the part latent");
  if (prompt && (images || latent))
    refuse(images ? "pictures and a prompt were sent" : "a latent and a prompt were sent", "send one of them");
  if (!images && !latent && options.prompt.empty())
    refuse("no picture was sent",
           "send pictures as parts named image, one latent as the part latent, or a prompt in the options");
  if (upload.images.size() > 1 && !options.views_of_one) {
    refuse(std::to_string(upload.images.size()) + " pictures were sent without saying that they are views of one object",
           "set views to true in the options, or send a job for each picture");
  }
  if (!latent && prompt != model.takes_text) {
    throw HttpError(422, "invalid_argument",
                    prompt ? "a prompt was sent, but the checkpoint " + model.name + " makes assets from pictures"
                           : "pictures were sent, but the checkpoint " + model.name + " makes assets from a prompt",
                    prompt ? "name a text model in the options, or start the server with one (--model trellis-text-base)"
                           : "send a prompt in the options");
  }
  if (!prompt) return;
  try {
    Pipeline::check_prompt(options.prompt);
  } catch (const Error& error) {
    rethrow_as_answer(error, "write what to make");
  }
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
RequestKey request_key(const RequestHead& head, std::initializer_list<std::string_view> texts, const Upload& upload) {
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
  for (const auto* const files : {&upload.images, &upload.latents}) {
    for (const IncomingFile& file : *files) content.add_file(file.path());
  }
  for (const auto& [index, mask] : upload.masks) {
    content.add("mask " + std::to_string(index));
    content.add_file(mask.path());
  }
  key.content = content.value();
  return key;
}

// A mask is the alpha channel of its picture.
std::vector<Background> backgrounds_of(const Options& options, const Upload& upload) {
  if (upload.masks.empty()) return options.background;
  std::vector<Background> all(upload.images.size(), options.background.front());
  if (options.background.size() == all.size()) all = options.background;
  for (const auto& [index, mask] : upload.masks) all[index] = Background::alpha;
  return all;
}

}  // namespace

Response Routes::add_job(HttpRequest& request) {
  if (request.head.headers.count("idempotency-key") == 0) refuse_when_full();
  Upload upload = read_upload(request, {store_.incoming(), options_.max_upload_bytes, kMostImages, 1, {"options"}});
  const RequestKey key = request_key(request.head, {"jobs", upload.texts["options"]}, upload);
  if (const auto earlier = store_.made_by(key)) return accepted(*earlier);
  refuse_when_full();
  Options options = parse_generate_options(upload.texts["options"]);
  const ModelFacts model = runner_.model_named(options.model.string());
  check_sources(upload, options, model);
  if (!upload.images.empty() && options.background.size() != 1 && options.background.size() != upload.images.size()) {
    throw HttpError(400, "invalid_argument",
                    "options: background has " + std::to_string(options.background.size()) + " values for " +
                        std::to_string(upload.images.size()) + " pictures",
                    "give one for all pictures, or one for each");
  }
  options.model = model.name;
  options.background = backgrounds_of(options, upload);
  Job job;
  job.id = JobStore::new_id();
  job.kind = !upload.latents.empty() ? JobKind::latent : options.prompt.empty() ? JobKind::image : JobKind::text;
  check_uploads(request, upload, job);
  if (options.name.empty() && !upload.image_names.empty()) options.name = stem_of(upload.image_names.front());
  if (options.name.empty() && job.kind == JobKind::text) options.name = clean_name(shortened(options.prompt, 60));
  job.name = options.name;
  fill_in(options.structure, model.structure_defaults);
  fill_in(options.latent, model.latent_defaults);
  job.options = to_json(options);
  FolderOfNewJob folder(store_.folder_of(job.id));
  std::size_t index = 0;
  for (auto* const files : {&upload.images, &upload.latents}) {
    for (IncomingFile& file : *files) file.move_to(store_.folder_of(job.id) / job.files[index++].name);
  }
  std::string id = store_.add(job, options_.max_queue, key);
  if (id == job.id) folder.keep();
  return accepted(id);
}

Response Routes::add_export(HttpRequest& request, const std::string& id) {
  require_json(request.head);
  const std::string text = request.open_body(kJsonBytes).text();
  const RequestKey key = request_key(request.head, {"exports", id, text}, {});
  if (const auto earlier = store_.made_by(key)) return accepted(*earlier);
  const Job parent = known_job(id);
  if (parent.kind == JobKind::exported) {
    throw HttpError(409, "conflict", "job " + id + " is an export itself", "export the job that it names as parent");
  }
  if (!has_ended(parent.state) || parent.file("asset.safetensors") == nullptr) {
    throw HttpError(409, "conflict", "job " + id + " has no asset (it is " + name_of(parent.state) + ")",
                    has_ended(parent.state) ? "it ended before there was a mesh: generate it again" : "wait until it is done");
  }
  const Options of_parent = parse_generate_options(text_of(parent.options), Spelling::any);
  ExportOptions options = parse_export_options(text, of_parent);
  if (options.turntable && options.values.video.format == VideoFormat::mp4 && !can_write_mp4()) {
    throw HttpError(422, "unsupported", "this server cannot write MP4: the program ffmpeg is not installed", "ask for webp");
  }
  if (options.values.name.empty()) options.values.name = parent.name;
  Job job;
  job.asset = is_asset(options, of_parent);
  job.id = JobStore::new_id();
  job.kind = JobKind::exported;
  job.parent = id;
  job.name = options.values.name;
  job.options = to_json(options);
  FolderOfNewJob folder(store_.folder_of(job.id));
  std::string new_id = store_.add(job, options_.max_queue, key);
  if (new_id == job.id) folder.keep();
  return accepted(new_id);
}

Job Routes::known_job(const std::string& id) {
  auto job = store_.find(id);
  if (!job) not_found("there is no such job");
  return *std::move(job);
}

Json Routes::job_json(const std::string& id) { return json_of(known_job(id), runner_.progress_of(id)); }

Routes::ListRequest Routes::list_request(const RequestHead& head) {
  ListRequest list;
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
      list.filter.parent = known_job(value).id;
    } else if (key == "before") {
      list.below = JobStore::is_id(value) ? known_job(value).sequence : sequence_of(value);
    } else if (key == "limit") {
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), list.limit);
      if (error != std::errc() || end != value.data() + value.size() || list.limit < 1 || list.limit > 200) {
        throw HttpError(400, "invalid_argument", "limit must be a whole number from 1 to 200", "leave it out for 50");
      }
    } else {
      throw HttpError(400, "invalid_argument", "the query names something other than state, kind, parent, limit, before",
                      "see /openapi.json");
    }
  }
  return list;
}

Response Routes::list_jobs(const RequestHead& head) {
  const ListRequest wanted = list_request(head);
  const std::vector<Job> jobs = store_.list(wanted.filter, wanted.limit + 1, wanted.below);
  Json list = Json::array();
  const auto shown = std::min<std::size_t>(jobs.size(), static_cast<std::size_t>(wanted.limit));
  for (std::size_t i = 0; i < shown; ++i) list.push_back(json_of(jobs[i], runner_.progress_of(jobs[i].id)));
  return tagged_json(
      head, {{"jobs", list}, {"next", jobs.size() > shown ? Json(std::to_string(jobs[shown - 1].sequence)) : Json(nullptr)}});
}

Response Routes::change_job(HttpRequest& request, const std::string& id) {
  require_json(request.head);
  const std::string text = request.open_body(kJsonBytes).text();
  (void)known_job(id);
  if (!store_.change(id, parse_job_change(text))) not_found("there is no such job");
  const Json json = job_json(id);
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

Response Routes::events(const std::string& id) {
  (void)known_job(id);
  const auto counted = std::make_shared<Counted>(streams_, kMostStreams);
  Response response;
  response.header("Content-Type", "text/event-stream");
  response.header("Cache-Control", "no-store");
  response.header("X-Accel-Buffering", "no");
  response.stream = [this, id, counted](const Sink& sink) { stream_events(id, sink); };
  return response;
}

void Routes::stream_events(const std::string& id, const Sink& sink) {
  EventHub::Listener listener(hub_, id);  // before the state is read, so that nothing falls in between
  const auto send = [&](const std::string& name, const std::string& data) {
    sink("event: " + name + "\ndata: " + data + "\n\n");
  };
  const auto job = store_.find(id);
  if (!job) return;
  send("state", text_of(json_of(*job, runner_.progress_of(id))));
  if (has_ended(job->state)) return;
  while (!listener.closed()) {
    const auto event = listener.wait(kHeartbeat);
    if (!event) {
      sink(": alive\n\n");
      continue;
    }
    if (!event->data.empty()) send(event->name, event->data);
    if (event->last) return;
  }
}

Response Routes::send_file(const RequestHead& head, const std::string& id, const std::string& name) {
  const Job job = known_job(id);
  const JobFile* file = job.file(name);  // only what is recorded has a path
  if (file == nullptr) not_found("the job has no such file");
  Response response;
  response.file = store_.folder_of(id) / file->name;
  struct stat status {};
  if (::stat(response.file.c_str(), &status) != 0) not_found("the file is gone");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const std::string etag = '"' + std::to_string(status.st_ino) + "-" + std::to_string(status.st_mtim.tv_sec) + "-" +
                           std::to_string(status.st_mtim.tv_nsec) + "-" + std::to_string(size) + "\"";
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
