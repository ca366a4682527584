#include "job_work.h"

#include <malloc.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <thread>

#include "espalier/checkpoint.h"
#include "espalier/diagnostics.h"
#include "espalier/models.h"
#include "job_sources.h"
#include "metrics.h"
#include "uploads.h"

namespace espalier::server {

namespace fs = std::filesystem;

namespace {

using Clock = std::chrono::steady_clock;

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

constexpr std::int32_t kLargestGrid = 256;  // whose coordinates are bytes

// The occupied voxels as points of a PLY.
void write_structure(const fs::path& path, const StructurePreview& preview) {
  std::string text = "ply\nformat binary_little_endian 1.0\ncomment occupied voxels of a grid of " +
                     std::to_string(preview.resolution) + ", Z up, after step " + std::to_string(preview.step) + " of " +
                     std::to_string(preview.steps) + "\nelement vertex " + std::to_string(preview.positions.size() / 3) +
                     "\nproperty uchar x\nproperty uchar y\nproperty uchar z\nend_header\n";
  for (const std::int32_t value : preview.positions) text.push_back(static_cast<char>(value));
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw Error(ErrorCode::io, path.filename().string() + " could not be written", "make room on the disk of --data");
}

bool is_image(const JobFile& file) { return file.role == "input" && file.media_type.starts_with("image/"); }

// "cutout.png", then "cutout-2.png".
std::string numbered(const std::string& stem, std::size_t index, const std::string& ending) {
  return index == 0 ? stem + ending : stem + '-' + std::to_string(index + 1) + ending;
}

ModelFacts facts_of(const ServedModel& model) {
  const CheckpointDescription description = describe_checkpoint(model.pipeline);
  ModelFacts facts;
  facts.name = model.name;
  facts.pipeline = description.pipeline;
  facts.description = description.text;
  facts.full_model = description.full_model;
  facts.takes_text = description.takes_text;
  facts.weight_bytes = description.weight_bytes;
  facts.memory_bytes = memory_need(model.pipeline).least;
  facts.structure_defaults = description.structure_defaults;
  facts.latent_defaults = description.latent_defaults;
  return facts;
}

// Where the server keeps its files is no client's business.
std::string without_folders(const Assignment& assignment, std::string text) {
  for (const fs::path& place : {assignment.folder, assignment.parent_folder}) {
    const std::string folder = place.string() + "/";
    for (std::size_t at = 0; !place.empty() && (at = text.find(folder, at)) != std::string::npos;)
      text.erase(at, folder.size());
  }
  return text;
}

void check_cancelled(const JobListener& listener) {
  if (listener.cancelled()) throw Error(ErrorCode::cancelled, "stopped on request");
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

std::string WorkerOptions::place() const {
  const PipelineOptions& p = models.front().pipeline;
  const unsigned cores = threads > 0 ? static_cast<unsigned>(threads) : std::thread::hardware_concurrency();
  return model_title(p.checkpoint) + ", " + p.device + ", " + std::string(name_of(p.precision)) + ", " + std::to_string(cores) +
         " cores";
}

JobEnd end_of_exception(const Assignment& assignment) {
  JobEnd end{.state = JobState::failed, .error = nullptr, .report = nullptr, .notices = Json::array()};
  try {
    throw;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::cancelled) {
      end.state = JobState::cancelled;
      return end;
    }
    end.error = error_of(word_of(error.code()), without_folders(assignment, std::string(error.message())),
                         without_folders(assignment, std::string(error.hint())));
  } catch (const std::bad_alloc&) {
    end.error =
        error_of("out_of_memory", "the host's memory is not enough for this job", "ask for less, or use --vram-tier low");
  } catch (const std::exception& error) {
    end.error = error_of("internal", "unexpected failure: " + without_folders(assignment, error.what()), "please report it");
  }
  return end;
}

JobWork::JobWork(WorkerOptions options, WorkerListener& listener) : options_(std::move(options)), listener_(listener) {}

JobWork::~JobWork() { unload(); }

void JobWork::start(const std::function<bool()>& /*leaving*/) {
  if (options_.lane != LaneKind::networks) return;
  learn_models();  // jobs that come while the weights are read can be looked at, and wait
  load({});
}

const ServedModel& JobWork::model_named(const std::string& name) const {
  if (name.empty()) return options_.models.front();
  for (const ServedModel& model : options_.models) {
    if (model.name == name) return model;
  }
  throw Error(ErrorCode::not_found, "the model " + name + " is not here any more", "choose another one, or fetch it again");
}

// What their headers say; models that cannot be read are left out, and said, but for the first.
void JobWork::learn_models() {
  models_.clear();
  for (const ServedModel& model : options_.models) {
    try {
      models_.push_back(facts_of(model));
    } catch (const Error& error) {
      if (models_.empty()) throw;
      listener_.on_warning("the model " + model.name + " cannot be used: " + error.what());
    }
  }
  listener_.on_models(models_);
}

// One model's weights at a time: those of the one before go first, so that what is planned for this one is free.
void JobWork::load(const std::string& asked) {
  const ServedModel& model = model_named(asked);
  if (pipeline_ && loaded_ == model.name) return;
  unload();
  pipeline_.emplace(model.pipeline);
  loaded_ = model.name;
  ModelFacts facts;
  facts.name = model.name;
  // A job of an earlier start may name one whose headers could not be read at this one.
  const auto known = std::find_if(models_.begin(), models_.end(), [&](const ModelFacts& m) { return m.name == model.name; });
  if (known != models_.end()) facts = *known;
  facts.device = pipeline_->device();
  facts.precision = pipeline_->precision();
  facts.tier = pipeline_->tier();
  facts.untrained = pipeline_->untrained();
  facts.takes_text = pipeline_->takes_text();
  facts.structure_defaults = pipeline_->structure_defaults();
  facts.latent_defaults = pipeline_->latent_defaults();
  if (known != models_.end()) *known = facts;
  listener_.on_loaded(facts);
  tell_gpu_memory(facts.device);
}

void JobWork::unload() {
  if (!pipeline_) return;
  const std::string device = pipeline_->device();
  loaded_.clear();
  pipeline_.reset();
  ::malloc_trim(0);
  listener_.on_loaded({});
  tell_gpu_memory(device);
}

// device: in words, the name first.
void JobWork::tell_gpu_memory(const std::string& device) const {
  if (!device.starts_with("cuda")) return;
  try {
    const DeviceMemory memory = device_memory(device.substr(0, device.find(' ')));
    listener_.on_gpu_memory({memory.free, memory.total});
  } catch (const Error&) {
    return;  // a GPU with a fault; the job says so
  }
}

struct JobWork::Generation {
  Options options;
  Request request{};
  Observer observer{};
  std::string structure{};  // the file of the last preview
  Clock::time_point shown{};
};

void JobWork::run(std::span<const JobTask> tasks, const TaskEnded& ended) {
  const auto tidy = [&] {
    ::malloc_trim(0);  // memory of one asset must not pile up on that of the next
    if (pipeline_) tell_gpu_memory(pipeline_->device());
  };
  if (tasks.size() == 1) {
    const JobEnd end = run_one({tasks.front()});
    tidy();
    ended(0, end);
    return;
  }
  run_together(tasks, ended);
  tidy();
}

JobEnd JobWork::run_one(const Task& task) {
  try {
    if (task.job().kind == JobKind::exported) return run_export(task);
    const auto generation = prepared(task);
    load(generation->options.model.string());
    const Asset asset = made_of(task, generation->request, generation->options.edit, generation->observer);
    return keep_asset(task, *generation, asset);
  } catch (...) {
    return end_of_exception(task.assignment);
  }
}

void JobWork::run_together(std::span<const JobTask> tasks, const TaskEnded& ended) {
  std::vector<std::unique_ptr<Generation>> generations(tasks.size());
  std::vector<bool> over(tasks.size());
  const auto finish = [&](std::size_t i, const JobEnd& end) {
    over[i] = true;
    ended(i, end);
  };
  try {
    std::vector<Pipeline::BatchItem> items;
    std::vector<std::size_t> place;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      try {
        generations[i] = prepared({tasks[i]});
        items.push_back({generations[i]->request, generations[i]->observer});
        place.push_back(i);
      } catch (...) {
        finish(i, end_of_exception(tasks[i].assignment));
      }
    }
    if (items.empty()) return;
    load(generations[place.front()]->options.model.string());
    pipeline_->generate_batch(items, static_cast<int>(items.size()), [&](std::size_t k, const Pipeline::BatchResult& result) {
      const std::size_t i = place[k];
      JobEnd end;
      try {
        if (result.failure) std::rethrow_exception(result.failure);
        end = keep_asset({tasks[i]}, *generations[i], *result.asset);
      } catch (...) {
        end = end_of_exception(tasks[i].assignment);
      }
      finish(i, end);
    });
  } catch (...) {
    for (std::size_t i = 0; i < tasks.size(); ++i) {
      if (!over[i]) finish(i, end_of_exception(tasks[i].assignment));
    }
  }
}

Observer JobWork::observer_of(const Task& task) const {
  Observer observer;
  // The system keeps one mark of the process's memory, which two lanes of one process would reset for each other.
  observer.measure_memory = options_.lane == LaneKind::networks;
  observer.cancelled = [&listener = task.listener] { return listener.cancelled(); };
  observer.pace = task.assignment.pace;
  observer.progress = [&listener = task.listener, last = Clock::time_point(),
                       stage = std::optional<Stage>()](const Progress& p) mutable {
    constexpr auto kPause = std::chrono::milliseconds(100);
    if (p.stage == stage && Clock::now() - last < kPause && p.step != p.steps) return;
    last = Clock::now();
    stage = p.stage;
    listener.on_progress(progress_json(p));
  };
  return observer;
}

void JobWork::keep(const Task& task, const std::string& name, const std::string& role, const std::string& format,
                   const std::string& media_type, const std::function<void(const fs::path&)>& write) {
  check_cancelled(task.listener);
  const fs::path path = task.assignment.folder / name;
  write(path);
  task.listener.on_file({name, role, format, media_type, fs::file_size(path)});
}

void JobWork::keep_result(const Task& task, const Asset& asset, const std::string& format, SaveOptions options, Json& notices) {
  options.message = [&](const std::string& line) { notices.push_back(line); };
  options.title = task.job().name;
  keep(task, "asset." + format, "result", format, find_format(format)->media_type,
       [&](const fs::path& path) { asset.save(path, options); });
}

// In a file of its own, so that one that somebody reads does not change; the one `before` goes.
void JobWork::keep_structure(const Task& task, const StructurePreview& preview, std::string& before) {
  if (preview.positions.empty() || preview.resolution > kLargestGrid) return;
  const std::string name = "structure-" + std::to_string(preview.step) + ".ply";
  keep(task, name, "structure", "ply", "application/octet-stream",
       [&](const fs::path& path) { write_structure(path, preview); });
  if (!before.empty()) task.listener.on_dropped(before);
  before = name;
}

// What exists so far. In the asset's own frame: where it will stand in its files is known with the finished mesh alone.
void JobWork::keep_partial(const Task& task, const Asset& asset, bool splats) const {
  const SaveOptions source{.origin = Origin::source};
  if (splats) {
    keep(task, "gaussians.ply", "splats", "ply", "application/octet-stream",
         [&](const fs::path& path) { asset.save(path, source); });
  } else if (!asset.faces().empty()) {
    keep(task, "preview.glb", "mesh", "glb", "model/gltf-binary", [&](const fs::path& path) { asset.save(path, source); });
    // From here on a job that is cancelled, or fails, can be finished and exported all the same.
    keep(task, "asset.safetensors", "asset", "safetensors", "application/octet-stream",
         [&](const fs::path& path) { asset.save_asset(path); });
  }
}

void JobWork::keep_thumbnail(const Task& task, const Asset& asset) const {
  keep(task, "thumbnail.png", "thumbnail", "png", "image/png",
       [&](const fs::path& path) { render_view(asset, path, {.size = 256}, options_.device()); });
}

void JobWork::keep_cutouts(const Task& task, const std::vector<Background>& background) const {
  std::size_t index = 0;
  for (const JobFile& file : task.job().files) {
    if (!is_image(file)) continue;
    const Pipeline::ForegroundRequest foreground{background[background.size() == 1 ? 0 : index], options_.background_network,
                                                 options_.device()};
    keep(task, numbered("cutout", index++, ".png"), "cutout", "png", "image/png",
         [&](const fs::path& path) { (void)Pipeline::preprocess(task.assignment.folder / file.name, foreground, path); });
  }
}

std::unique_ptr<JobWork::Generation> JobWork::prepared(const Task& task) const {
  const Job& job = task.job();
  auto generation = std::make_unique<Generation>(Generation{parse_generate_options(text_of(job.options), Spelling::any)});
  const Options& options = generation->options;
  if (std::any_of(job.files.begin(), job.files.end(), is_image)) keep_cutouts(task, options.background);
  Request& request = generation->request;
  request.prompt = options.prompt;
  request.negative_prompt = options.negative_prompt;
  request.seed = options.seed;
  request.structure = options.structure;
  request.latent = options.latent;
  request.preset = options.preset;
  request.multi_image = options.multi_image;
  request.background = options.background;
  request.background_network = options_.background_network;
  request.surface = surface_of(options);
  request.finish = finish_request_of(options);
  request.keep_mesh = options.keep_mesh;
  request.keep_uvs = options.keep_uvs;
  for (const JobFile& file : job.files) {
    if (is_image(file)) request.images.push_back(task.assignment.folder / file.name);
  }
  Observer& observer = generation->observer;
  observer = observer_of(task);
  observer.structure = [task, &g = *generation](const StructurePreview& preview) {
    constexpr auto kPause = std::chrono::seconds(1);  // what is replaced sooner, nobody sees
    if (!g.structure.empty() && Clock::now() - g.shown < kPause) return;
    keep_structure(task, preview, g.structure);
    g.shown = Clock::now();
  };
  observer.partial = [this, task, &g = *generation, splats = true](const Asset& asset) mutable {
    keep_partial(task, asset, std::exchange(splats, false));
    if (!g.structure.empty()) task.listener.on_dropped(std::exchange(g.structure, {}));
  };
  return generation;
}

JobEnd JobWork::keep_asset(const Task& task, const Generation& generation, const Asset& asset) const {
  const Options& options = generation.options;
  task.listener.on_stages(asset.stages());
  keep(task, "latent.safetensors", "latent", "safetensors", "application/octet-stream",
       [&](const fs::path& path) { asset.save_latent(path); });
  keep(task, "asset.safetensors", "asset", "safetensors", "application/octet-stream",
       [&](const fs::path& path) { asset.save_asset(path); });
  Json notices = asset.notices();
  for (const std::string& name : options.formats) keep_result(task, asset, name, options.save, notices);
  keep_thumbnail(task, asset);
  const bool shown = std::find(options.formats.begin(), options.formats.end(), "glb") != options.formats.end();
  if (shown) task.listener.on_dropped("preview.glb");  // the finished mesh is there instead
  return {.state = JobState::done, .error = nullptr, .report = report_of(asset), .notices = notices};
}

Asset JobWork::made_of(const Task& task, const Request& request, EditRequest part, const Observer& observer) {
  const Job& job = task.job();
  const fs::path& folder = task.assignment.folder;
  const auto source = [&](const char* role) {
    const auto found = std::find_if(job.files.begin(), job.files.end(),
                                    [&](const JobFile& f) { return f.role == role && f.format != "txt" && !is_image(f); });
    if (found == job.files.end()) throw Error(ErrorCode::not_found, "what the job is made of is gone", "send it again");
    return folder / found->name;
  };
  switch (job.kind) {
    case JobKind::latent: return pipeline_->decode(source("input"), request, observer);
    case JobKind::variant: return pipeline_->vary(load_mesh(source("source")), request, observer);
    case JobKind::edit:
      if (part.region.empty()) part.region = region_of_list(folder);
      return pipeline_->edit(load_asset(source("source")), part, request, observer);
    default: return pipeline_->generate(request, observer);
  }
}

JobWork::Finished JobWork::finished_asset(const Task& task, const Options& of_parent, const Options& wanted,
                                          const Observer& observer) const {
  // The saved asset holds the finished mesh, and how it was made: seed, settings, hashes.
  const auto request = finish_request_of(wanted);
  const auto parent_request = finish_request_of(of_parent);
  const Asset asset = load_asset(task.assignment.parent_folder / "asset.safetensors");
  if (!request) return {asset.as_decoded(), false};
  const bool same = parent_request && request->texture == parent_request->texture && same_mesh(wanted, of_parent);
  if (same && asset.finish_report()) return {asset, true};
  Asset finished = finish(asset, *request, options_.device(), observer);
  task.listener.on_stages(finished.stages());
  return {std::move(finished), false};
}

JobEnd JobWork::run_export(const Task& task) {
  const auto& parent = task.assignment.parent;
  if (!parent || parent->file("asset.safetensors") == nullptr) {
    throw Error(ErrorCode::not_found, "the asset of job " + task.job().parent + " is gone", "generate it again");
  }
  const Options of_parent = parse_generate_options(text_of(parent->options), Spelling::any);
  const auto [options, as_turntable] = parse_export_options(text_of(task.job().options), of_parent, Spelling::any);
  const Observer observer = observer_of(task);
  if (as_turntable) {
    const TurntableOptions& video = options.video;
    const bool splats = video.style == RenderStyle::splats || video.style == RenderStyle::radiance_field;
    const Asset asset = splats ? load_asset(task.assignment.parent_folder / "asset.safetensors")
                               : finished_asset(task, of_parent, of_parent, observer).asset;
    TurntableRequest turntable;
    turntable.look.style = video.style;
    turntable.look.size = video.size;
    turntable.seconds = video.seconds;
    const std::string ending(name_of(video.format));
    keep(task, "turntable." + ending, "video", ending, video.format == VideoFormat::mp4 ? "video/mp4" : "image/webp",
         [&](const fs::path& path) { render_turntable(asset, path, turntable, options_.device(), observer); });
    return {.state = JobState::done, .error = nullptr, .report = parent->report, .notices = Json::array()};
  }
  const auto [asset, reused] = finished_asset(task, of_parent, options, observer);
  Json notices = asset.notices();
  for (const std::string& name : options.formats) keep_result(task, asset, name, options.save, notices);
  keep_thumbnail(task, asset);
  return {.state = JobState::done, .error = nullptr, .report = reused ? parent->report : report_of(asset), .notices = notices};
}

}  // namespace espalier::server
