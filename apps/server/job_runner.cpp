#include "job_runner.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>

#include "espalier/checkpoint.h"
#include "espalier/models.h"
#include "uploads.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

Json null_if_empty(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json error_of(const std::string& word, const std::string& message, const std::string& hint) {
  return {{"code", word}, {"message", message}, {"hint", hint}};
}

Json progress_json(const Progress& p) {
  return {{"stage", stage_id(p.stage)},
          {"title", stage_title(p.stage)},
          {"phase", stage_phase(p.stage)},
          {"step", p.step},
          {"steps", p.steps},
          {"fraction", p.fraction},
          {"seconds_left", p.seconds_left < 0 ? Json(nullptr) : Json(p.seconds_left)},
          {"memory_bytes", resident_bytes()}};
}

Json report_of(const Asset& asset) {
  const MeshSummary mesh = asset.mesh_summary();
  const FinishReport finished = asset.finish_report().value_or(FinishReport{});
  return {{"faces", mesh.faces},
          {"vertices", mesh.vertices},
          {"components", mesh.components},
          {"boundary_edges", mesh.boundary_edges},
          {"watertight", mesh.watertight},
          {"hidden_share", mesh.hidden_share < 0 ? Json(nullptr) : Json(mesh.hidden_share)},
          {"charts", finished.charts},
          {"mean_stretch", finished.mean_stretch},
          {"texture_use", finished.texture_use},
          {"gaussians", asset.gaussian_count()},
          {"voxels", asset.voxels().size() / 3}};
}

// "cutout.png", then "cutout-2.png".
std::string numbered(const std::string& stem, std::size_t index, const std::string& ending) {
  return index == 0 ? stem + ending : stem + '-' + std::to_string(index + 1) + ending;
}

ModelFacts facts_of(const std::string& name, const PipelineOptions& options) {
  const CheckpointDescription description = describe_checkpoint(options);
  ModelFacts facts;
  facts.name = name;
  facts.pipeline = description.pipeline;
  facts.description = description.text;
  facts.full_model = description.full_model;
  facts.takes_text = description.takes_text;
  facts.weight_bytes = description.weight_bytes;
  facts.memory_bytes = memory_need(options).least;
  facts.structure_defaults = description.structure_defaults;
  facts.latent_defaults = description.latent_defaults;
  return facts;
}

// The options of a job by their present names: what an earlier version stored may spell them differently.
Json with_present_names(const Job& job) {
  try {
    const std::string text = text_of(job.options);
    return job.kind == JobKind::exported ? to_json(parse_export_options(text, Options(), Spelling::any))
                                         : to_json(parse_generate_options(text, Spelling::any));
  } catch (const HttpError&) {
    return job.options;  // of a later version, perhaps
  }
}

}  // namespace

const char* word_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument: return "invalid_argument";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::format: return "format";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::io: return "io";
    case ErrorCode::out_of_memory: return "out_of_memory";
    case ErrorCode::device: return "device";
    case ErrorCode::cancelled: return "cancelled";
    case ErrorCode::internal: return "internal";
  }
  return "internal";
}

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
  json["state"] = name_of(job.state);
  json["created"] = job.created;
  json["started"] = null_if_empty(job.started);
  json["finished"] = null_if_empty(job.finished);
  json["position"] = job.position ? Json(*job.position) : Json(nullptr);
  json["options"] = with_present_names(job);
  json["progress"] = job.state == JobState::running ? progress : Json(nullptr);
  json["error"] = job.error;
  json["files"] = files;
  json["report"] = job.report;
  json["notices"] = job.notices;
  return json;
}

JobRunner::JobRunner(const ServeOptions& options, JobStore& store, EventHub& hub, Metrics& metrics, Say say)
    : options_(options),
      store_(store),
      hub_(hub),
      metrics_(metrics),
      say_(std::move(say)),
      paces_(options.data / "costs.json") {}

JobRunner::~JobRunner() { stop(); }

void JobRunner::start() {
  for (Lane& lane : lanes_) {
    lane.thread = std::thread([this, &lane] {
      try {
        loop(lane);
      } catch (...) {
        const std::scoped_lock lock(mutex_);
        failure_ = std::current_exception();
      }
      if (lane.kind == LaneKind::networks) unload();
    });
  }
}

void JobRunner::interrupt() {
  const std::scoped_lock lock(mutex_);
  if (std::exchange(stopping_, true)) return;
  interrupted_ = true;
  changed_.notify_all();
  for (const Lane& lane : lanes_) {
    if (lane.current.empty() || lane.cancelled) continue;
    try {
      store_.put_back(lane.current);
    } catch (const Error&) {
      continue;  // the disk is full, for example: the job begins again as after a sudden end
    }
  }
}

void JobRunner::stop() {
  for (Lane& lane : lanes_) {
    if (!lane.thread.joinable()) continue;
    interrupt();
    lane.thread.join();
  }
}

void JobRunner::wake() {
  {
    const std::scoped_lock lock(mutex_);
    for (Lane& lane : lanes_) lane.woken = true;
  }
  changed_.notify_all();
}

JobRunner::Lane* JobRunner::running(const std::string& id) {
  const auto found = std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& lane) { return lane.current == id; });
  return found == lanes_.end() ? nullptr : &*found;
}

bool JobRunner::cancel(const std::string& id) {
  {
    // next_job() takes jobs under this lock, so a job is either waiting or a running one.
    const std::scoped_lock lock(mutex_);
    if (!store_.cancel_waiting(id)) {
      Lane* const lane = running(id);
      if (lane == nullptr) return false;
      lane->cancelled = true;
      return true;
    }
  }
  ++metrics_.cancelled;
  publish_state(id);
  return true;
}

bool JobRunner::ready() const {
  const std::scoped_lock lock(mutex_);
  return learned_;
}

std::vector<ModelFacts> JobRunner::models() const {
  const std::scoped_lock lock(mutex_);
  return learned_ ? models_ : std::vector<ModelFacts>();
}

ModelFacts JobRunner::model_named(const std::string& name) const {
  const std::scoped_lock lock(mutex_);
  if (!learned_)
    throw HttpError(503, "unavailable", "the checkpoint is being loaded", "ask again soon").with("Retry-After", "1");
  if (name.empty()) return models_.front();
  std::string names;
  for (const ModelFacts& model : models_) {
    if (model.name == name) return model;
    names += (names.empty() ? "" : ", ") + model.name;
  }
  throw HttpError(400, "invalid_argument", "options: model: there is no model \"" + clean_name(name) + "\" here",
                  "there are " + names);
}

std::string JobRunner::loaded_model() const {
  const std::scoped_lock lock(mutex_);
  return loaded_model_;
}

std::exception_ptr JobRunner::failure() const {
  const std::scoped_lock lock(mutex_);
  return failure_;
}

Json JobRunner::progress_of(const std::string& id) const {
  const std::scoped_lock lock(mutex_);
  const auto found = std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& lane) { return lane.current == id; });
  return found == lanes_.end() ? Json(nullptr) : found->progress;
}

void JobRunner::publish_state(const std::string& id) {
  const auto job = store_.find(id);
  // Somebody may have removed the job since it ended: then there is nothing more to say.
  hub_.publish(id, job ? Event{"state", text_of(json_of(*job, progress_of(id))), has_ended(job->state)} : Event{"", "", true});
}

const PipelineOptions& JobRunner::pipeline_of(const std::string& name) const {
  for (const ServedModel& model : options_.others) {
    if (model.name == name) return model.pipeline;
  }
  if (name.empty() || name == model_title(options_.pipeline.checkpoint)) return options_.pipeline;
  throw Error(ErrorCode::not_found, "the model " + name + " is not here any more", "choose another one, or fetch it again");
}

// One model's weights at a time: those of the one before go first, so that what is planned for this one is free.
void JobRunner::load(const std::string& asked) {
  const std::string name = asked.empty() ? model_title(options_.pipeline.checkpoint) : asked;
  if (pipeline_ && loaded_model() == name) return;
  const PipelineOptions& options = pipeline_of(name);
  unload();
  pipeline_.emplace(options);
  ++metrics_.loads;
  ModelFacts facts = facts_of(name, options);
  facts.device = pipeline_->device();
  facts.precision = pipeline_->precision();
  facts.tier = pipeline_->tier();
  facts.untrained = pipeline_->untrained();
  facts.takes_text = pipeline_->takes_text();
  facts.structure_defaults = pipeline_->structure_defaults();
  facts.latent_defaults = pipeline_->latent_defaults();
  const std::scoped_lock lock(mutex_);
  loaded_model_ = name;
  const auto known = std::find_if(models_.begin(), models_.end(), [&](const ModelFacts& m) { return m.name == name; });
  if (known != models_.end())
    *known = std::move(facts);
  else
    models_.push_back(std::move(facts));
}

void JobRunner::learn_models() {
  for (const ServedModel& model : options_.others) {
    try {
      ModelFacts facts = facts_of(model.name, model.pipeline);
      const std::scoped_lock lock(mutex_);
      models_.push_back(std::move(facts));
    } catch (const Error& error) {
      say_("the model " + model.name + " cannot be used: " + error.what());
    }
  }
  const std::scoped_lock lock(mutex_);
  learned_ = true;
}

void JobRunner::unload() {
  {
    const std::scoped_lock lock(mutex_);
    loaded_model_.clear();
  }
  pipeline_.reset();
  ::malloc_trim(0);
}

void JobRunner::remove_old() {
  (void)recorded([&] { (void)store_.remove_old(options_.keep_days, options_.keep_bytes); });
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
      if (!records_fail_.exchange(true)) say_(std::string(error.what()) + "; jobs wait until it works again");
    }
    std::unique_lock lock(mutex_);
    if (changed_.wait_for(lock, kPause, [&] { return stopping_; })) return false;
  }
}

std::optional<Job> JobRunner::next_job(Lane& lane) {
  std::optional<Job> job;
  const bool asked = recorded([&] {
    const std::scoped_lock lock(mutex_);
    lane.woken = false;
    if (stopping_) return;
    job = store_.take_next(lane.kind);
    if (!job) return;
    lane.current = job->id;
    lane.progress = nullptr;
    lane.cancelled = false;
  });
  if (asked) records_fail_ = false;
  return job;
}

void JobRunner::wait(Lane& lane, Clock::time_point until) {
  std::unique_lock lock(mutex_);
  if (!stopping_) changed_.wait_until(lock, until, [&] { return lane.woken || stopping_; });
}

void JobRunner::loop(Lane& lane) {
  const bool networks = lane.kind == LaneKind::networks;
  if (networks) {
    load({});
    learn_models();
  }
  // Looks for old jobs are as far apart as it takes for a second one to tell more than the first.
  const auto until_look = std::chrono::duration_cast<Clock::duration>(
      std::chrono::duration<double>(options_.keep_days > 0 ? std::clamp(options_.keep_days * 86400.0, 0.1, 3600.0) : 3600.0));
  const auto patience =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(options_.keep_alive_minutes * 60));
  auto last_job = Clock::now();
  if (networks) remove_old();
  auto last_removal = Clock::now();
  while (true) {
    const std::optional<Job> job = next_job(lane);
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return;
    }
    if (job) {
      run(lane, *job);
      remove_old();
      last_job = Clock::now();
      continue;
    }
    if (networks && pipeline_ && Clock::now() - last_job >= patience) unload();
    if (networks && Clock::now() - last_removal > until_look) {
      remove_old();
      last_removal = Clock::now();
    }
    store_.tidy();
    const auto longest = Clock::now() + std::min<Clock::duration>(std::chrono::minutes(10), until_look);
    wait(lane, networks && pipeline_ ? std::min(longest, last_job + patience) : longest);
  }
}

void JobRunner::run(Lane& lane, const Job& job) {
  const auto start = Clock::now();
  JobEnd end;
  try {
    publish_state(job.id);
    end = run_kind(job);
  } catch (const Error& error) {
    end.state = error.code() == ErrorCode::cancelled ? JobState::cancelled : JobState::failed;
    if (end.state == JobState::failed)
      end.error = error_of(word_of(error.code()), without_folders(job, std::string(error.message())),
                           without_folders(job, std::string(error.hint())));
  } catch (const std::bad_alloc&) {
    end.state = JobState::failed;
    end.error =
        error_of("out_of_memory", "the host's memory is not enough for this job", "ask for less, or use --vram-tier low");
  } catch (const std::exception& error) {
    end.state = JobState::failed;
    end.error = error_of("internal", "unexpected failure: " + without_folders(job, error.what()), "please report it");
  }
  ::malloc_trim(0);  // memory of one asset must not pile up on that of the next
  if (end.state == JobState::cancelled && interrupted_ && !lane.cancelled) return;  // interrupt() has put it back
  if (!recorded([&] { store_.end(job.id, end); })) return;
  (end.state == JobState::done ? metrics_.done : end.state == JobState::failed ? metrics_.failed : metrics_.cancelled)++;
  metrics_.job_milliseconds +=
      static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count());
  {
    const std::scoped_lock lock(mutex_);
    lane.current.clear();
    lane.progress = nullptr;
  }
  (void)recorded([&] { publish_state(job.id); });
}

// Where the server keeps its files is no client's business.
std::string JobRunner::without_folders(const Job& job, std::string text) const {
  for (const std::string& id : {job.id, job.parent}) {
    const std::string folder = store_.folder_of(id).string() + "/";
    for (std::size_t at = 0; !id.empty() && (at = text.find(folder, at)) != std::string::npos;) text.erase(at, folder.size());
  }
  return text;
}

void JobRunner::check_cancelled(const Job& job) {
  if (lane_of_job(job).cancelled || interrupted_) throw Error(ErrorCode::cancelled, "stopped on request");
}

std::string JobRunner::place() const {
  const PipelineOptions& p = options_.pipeline;
  return model_title(p.checkpoint) + ", " + p.device + ", " + std::string(name_of(p.precision)) + ", " +
         std::to_string(std::thread::hardware_concurrency()) + " cores";
}

Observer JobRunner::observer_of(const Job& job) {
  Lane& lane = lane_of_job(job);
  Observer observer;
  // The system keeps one mark of the process's memory, which two lanes would reset for each other.
  observer.measure_memory = lane.kind == LaneKind::networks;
  observer.cancelled = [this, &lane] { return lane.cancelled || interrupted_; };
  observer.pace = paces_.of(place());
  observer.progress = [this, &lane, id = job.id, last = Clock::time_point(),
                       stage = std::optional<Stage>()](const Progress& p) mutable {
    constexpr auto kPause = std::chrono::milliseconds(100);
    if (p.stage == stage && Clock::now() - last < kPause && p.step != p.steps) return;
    last = Clock::now();
    stage = p.stage;
    Json progress = progress_json(p);
    hub_.publish(id, {"progress", text_of(progress)});
    const std::scoped_lock lock(mutex_);
    lane.progress = std::move(progress);
  };
  return observer;
}

void JobRunner::keep(const Job& job, const std::string& name, const std::string& role, const std::string& format,
                     const std::string& media_type, const std::function<void(const fs::path&)>& write) {
  check_cancelled(job);
  const fs::path path = store_.folder_of(job.id) / name;
  write(path);
  const JobFile file{name, role, format, media_type, fs::file_size(path)};
  store_.add_file(job.id, file);
  hub_.publish(job.id, {"file", text_of(json_of(job.id, file))});
}

void JobRunner::keep_result(const Job& job, const Asset& asset, const std::string& format, SaveOptions options, Json& notices) {
  options.message = [&](const std::string& line) { notices.push_back(line); };
  options.title = job.name;
  keep(job, "asset." + format, "result", format, find_format(format)->media_type,
       [&](const fs::path& path) { asset.save(path, options); });
}

void JobRunner::keep_thumbnail(const Job& job, const Asset& asset) {
  keep(job, "thumbnail.png", "thumbnail", "png", "image/png",
       [&](const fs::path& path) { render_view(asset, path, {.size = 256}, options_.pipeline.device); });
}

void JobRunner::keep_cutouts(const Job& job, const std::vector<Background>& background) {
  std::size_t index = 0;
  for (const JobFile& file : job.files) {
    if (file.role != "input") continue;
    const Pipeline::ForegroundRequest foreground{background[background.size() == 1 ? 0 : index], options_.background_network,
                                                 options_.pipeline.device};
    keep(job, numbered("cutout", index++, ".png"), "cutout", "png", "image/png",
         [&](const fs::path& path) { (void)Pipeline::preprocess(store_.folder_of(job.id) / file.name, foreground, path); });
  }
}

JobEnd JobRunner::run_kind(const Job& job) { return job.kind == JobKind::exported ? run_export(job) : run_generation(job); }

JobEnd JobRunner::run_generation(const Job& job) {
  const Options options = parse_generate_options(text_of(job.options), Spelling::any);
  const fs::path folder = store_.folder_of(job.id);
  if (job.kind == JobKind::image) keep_cutouts(job, options.background);
  load(options.model.string());
  Request request;
  request.prompt = options.prompt;
  request.negative_prompt = options.negative_prompt;
  request.seed = options.seed;
  request.structure = options.structure;
  request.latent = options.latent;
  request.multi_image = options.multi_image;
  request.background = options.background;
  request.background_network = options_.background_network;
  request.surface = surface_of(options);
  request.finish = finish_request_of(options);
  Observer observer = observer_of(job);
  observer.partial = [&, splats = false](const Asset& asset) mutable {
    // In the asset's own frame: where it will stand in its files is known with the finished mesh alone.
    const SaveOptions source{.origin = Origin::source};
    if (!std::exchange(splats, true)) {
      keep(job, "gaussians.ply", "splats", "ply", "application/octet-stream",
           [&](const fs::path& path) { asset.save(path, source); });
    } else if (!asset.faces().empty()) {
      keep(job, "preview.glb", "mesh", "glb", "model/gltf-binary", [&](const fs::path& path) { asset.save(path, source); });
      // From here on a job that is cancelled, or fails, can be finished and exported all the same.
      keep(job, "asset.safetensors", "asset", "safetensors", "application/octet-stream",
           [&](const fs::path& path) { asset.save_asset(path); });
    }
  };
  Asset asset;
  if (job.kind == JobKind::latent) {
    asset = pipeline_->decode(folder / job.files.front().name, request, observer);
  } else {
    for (const JobFile& file : job.files) request.images.push_back(folder / file.name);
    asset = pipeline_->generate(request, observer);
  }
  paces_.learn(place(), asset.stages());
  keep(job, "latent.safetensors", "latent", "safetensors", "application/octet-stream",
       [&](const fs::path& path) { asset.save_latent(path); });
  keep(job, "asset.safetensors", "asset", "safetensors", "application/octet-stream",
       [&](const fs::path& path) { asset.save_asset(path); });
  Json notices = asset.notices();
  for (const std::string& name : options.formats) keep_result(job, asset, name, options.save, notices);
  keep_thumbnail(job, asset);
  const bool shown = std::find(options.formats.begin(), options.formats.end(), "glb") != options.formats.end();
  if (shown) store_.drop_file(job.id, "preview.glb");  // the finished mesh is there instead
  return {.state = JobState::done, .error = nullptr, .report = report_of(asset), .notices = notices};
}

JobRunner::Finished JobRunner::finished_asset(const Job& parent, const Options& of_parent, const Options& wanted,
                                              const Observer& observer) {
  // The saved asset holds the finished mesh, and how it was made: seed, settings, hashes.
  const auto request = finish_request_of(wanted);
  const auto parent_request = finish_request_of(of_parent);
  const Asset asset = load_asset(store_.folder_of(parent.id) / "asset.safetensors");
  if (!request) return {asset.as_decoded(), false};
  const bool same = parent_request && request->texture == parent_request->texture && same_mesh(wanted, of_parent);
  if (same && asset.finish_report()) return {asset, true};
  Asset finished = finish(asset, *request, options_.pipeline.device, observer);
  paces_.learn(place(), finished.stages());
  return {std::move(finished), false};
}

JobEnd JobRunner::run_export(const Job& job) {
  const auto parent = store_.find(job.parent);
  const fs::path folder = store_.folder_of(job.parent);
  if (!parent || parent->file("asset.safetensors") == nullptr) {
    throw Error(ErrorCode::not_found, "the asset of job " + job.parent + " is gone", "generate it again");
  }
  const Options of_parent = parse_generate_options(text_of(parent->options), Spelling::any);
  const auto [options, as_turntable] = parse_export_options(text_of(job.options), of_parent, Spelling::any);
  const Observer observer = observer_of(job);
  if (as_turntable) {
    const TurntableOptions& video = options.video;
    const bool splats = video.style == RenderStyle::splats || video.style == RenderStyle::radiance_field;
    const Asset asset =
        splats ? load_asset(folder / "asset.safetensors") : finished_asset(*parent, of_parent, of_parent, observer).asset;
    TurntableRequest turntable;
    turntable.look.style = video.style;
    turntable.look.size = video.size;
    turntable.seconds = video.seconds;
    const std::string ending(name_of(video.format));
    keep(job, "turntable." + ending, "video", ending, video.format == VideoFormat::mp4 ? "video/mp4" : "image/webp",
         [&](const fs::path& path) { render_turntable(asset, path, turntable, options_.pipeline.device, observer); });
    return {.state = JobState::done, .error = nullptr, .report = parent->report, .notices = Json::array()};
  }
  const auto [asset, reused] = finished_asset(*parent, of_parent, options, observer);
  Json notices = asset.notices();
  for (const std::string& name : options.formats) keep_result(job, asset, name, options.save, notices);
  keep_thumbnail(job, asset);
  return {.state = JobState::done, .error = nullptr, .report = reused ? parent->report : report_of(asset), .notices = notices};
}

}  // namespace espalier::server
