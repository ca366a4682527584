// The public pipeline: order of stages, seeds, progress, records.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "api/asset.h"
#include "api/device.h"
#include "api/job_costs.h"
#include "api/observer_monitor.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/version.h"
#include "espalier/espalier.h"
#include "finishing/finish.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "session/engine.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr int kPictureSide = 518;  // what the reference feeds to the image encoder

SamplerSettings apply(SamplerSettings s, const SamplerRequest& request, MultiImageMode mode) {
  if (request.steps) s.steps = *request.steps;
  if (request.guidance) {
    s.strength = *request.guidance;
    s.guided = true;
  }
  if (request.rescale_t) s.rescale_t = *request.rescale_t;
  if (request.interval) {
    s.interval_lo = (*request.interval)[0];
    s.interval_hi = (*request.interval)[1];
  }
  s.multi_image = mode == MultiImageMode::stochastic ? MultiImage::stochastic : MultiImage::multidiffusion;
  return s;
}

std::string describe(const SamplerSettings& s) {
  return str("steps ", s.steps, ", guidance ", s.strength, ", rescale_t ", s.rescale_t, ", interval ", s.interval_lo, " ",
             s.interval_hi);
}

std::string describe(const FinishRequest& f) {
  std::string text = f.clean ? "cleaned, " : "";
  text += f.faces ? str("faces ", *f.faces) : str("simplify ", f.simplify);
  if (f.texture)
    text += str(", texture ", f.texture_size, " ", f.bake == BakeMode::best ? "best" : "fast", " of ", f.views,
                " views of the ", f.bake_radiance_field ? "radiance field" : "Gaussians");
  return text;
}

// prepare_picture with errors that name the file. `background` is automatic or alpha.
PreparedPicture prepare_file(const fs::path& path, const Picture& picture, Background background) {
  if (background == Background::alpha && !has_alpha(picture)) {
    fail(ErrorCode::invalid_argument, path.string(),
         ": the picture has no transparent pixel, so it brings no cut-out; let the background be removed (automatic), or give "
         "a picture with an alpha channel");
  }
  try {
    return prepare_picture(picture, kPictureSide);
  } catch (const Error& e) {
    fail(e.code(), path.string(), ": ", e.what());
  }
}

std::vector<float> draw(TorchGenerator& stream, std::int64_t n) {
  std::vector<float> values(static_cast<std::size_t>(n));
  stream.randn(values);
  return values;
}

// The request with everything decoded that finishing works on; checked before anything runs.
Request with_what_finishing_needs(Request request) {
  if (!request.finish) return request;
  check_finish_request(*request.finish);
  request.mesh = true;
  if (request.finish->texture) (request.finish->bake_radiance_field ? request.radiance_field : request.gaussians) = true;
  return request;
}

JobSizes sizes_of(const Asset::Data& data) {
  JobSizes sizes;
  if (data.mesh) sizes.faces = static_cast<double>(data.mesh->face_count());
  if (data.gaussians) sizes.gaussians = static_cast<double>(data.gaussians->count());
  if (data.voxels.rows() > 0) sizes.voxels = static_cast<double>(data.voxels.rows());
  sizes.pictures = std::max(1, static_cast<int>(data.pictures.size()));
  return sizes;
}

// Finishes the mesh of an asset in the making.
void finish_builder(const EngineOptions& device, const FinishRequest& request, const EngineHooks& hooks, AssetBuilder& asset,
                    std::vector<StageReport>& stages) {
  const Asset::Data& data = asset.data();
  const FinishInput input{data.mesh ? &*data.mesh : nullptr, data.gaussians ? &*data.gaussians : nullptr,
                          data.radiance_field ? &*data.radiance_field : nullptr, data.pictures};
  FinishedMesh finished = finish_mesh(device, input, request, hooks, stages);
  asset.record("finishing", describe(request));
  for (const std::string& notice : finished.notices) asset.notice(notice);
  asset.finished(std::move(finished));
}

const char* name_of(MemoryTier tier) {
  switch (tier) {
    case MemoryTier::high: return "high";
    case MemoryTier::medium: return "medium";
    case MemoryTier::low: return "low";
    default: return "auto";
  }
}

}  // namespace

std::string version() { return ESPALIER_VERSION; }

SamplerRequest app_structure_settings() {
  SamplerRequest r;
  r.steps = 12;
  r.guidance = 7.5;
  return r;
}
SamplerRequest app_latent_settings() {
  SamplerRequest r;
  r.steps = 12;
  r.guidance = 3.0;
  return r;
}

struct Pipeline::Impl {
  std::shared_ptr<const Checkpoint> checkpoint;
  std::unique_ptr<Engine> engine;
  EngineOptions device;
  std::map<std::string, std::string> hashes;  // of the tensor files, made on first use

  const std::map<std::string, std::string>& checkpoint_hashes() {
    if (hashes.empty()) {
      for (const auto& [role, m] : checkpoint->modules) {
        if (!m.file.empty()) hashes["sha256 " + m.file.filename().string()] = sha256_of_file(m.file);
      }
    }
    return hashes;
  }

  // One prepared picture, with what the user should know about its cut-out.
  std::vector<float> prepare(const fs::path& path, Background background, AssetBuilder& asset) const {
    const Picture picture = load_picture(path);
    if (background == Background::none) {
      if (Picture cutout = cutout_as_is(picture); cutout.width > 0) asset.picture(std::move(cutout));
      return encoder_input(picture, kPictureSide);
    }
    PreparedPicture prepared = prepare_file(path, picture, background);
    asset.picture(std::move(prepared.cutout));
    if (prepared.report.method == CutoutReport::Method::plain_background) {
      asset.notice(path.filename().string() + ": no alpha channel; its plain background was removed");
    }
    for (const std::string& w : prepared.report.warnings) asset.notice("warning: " + path.filename().string() + ": " + w);
    return encoder_input(prepared.picture, kPictureSide);
  }

  void decode(const Voxels& voxels, const std::vector<float>& latent, const Request& request, const Observer& observer,
              AssetBuilder& asset) {
    const auto show = [&] {
      if (observer.partial) observer.partial(asset.so_far());
    };
    if (request.gaussians) {
      asset.gaussians(engine->decode_gaussians(voxels, latent));
      show();
    }
    if (request.mesh) {
      asset.mesh(engine->decode_mesh(voxels, latent));
      show();
    }
    if (request.radiance_field) asset.radiance_field(engine->decode_radiance_field(voxels, latent));
  }

  // All stages behind sampling.
  std::vector<PlannedStage> costs_behind_sampling(const Request& request, const JobSizes& sizes) const {
    std::vector<PlannedStage> stages = decoding_costs(*checkpoint, device, request, sizes);
    if (!request.finish) return stages;
    for (PlannedStage& stage : finishing_costs(device, *request.finish, sizes)) stages.push_back(std::move(stage));
    return stages;
  }

  // Decoding, and finishing where it is asked for.
  std::vector<StageReport> complete(const Voxels& voxels, const std::vector<float>& latent, const Request& request,
                                    const EngineHooks& hooks, const Observer& observer, JobClock& clock, AssetBuilder& asset) {
    std::vector<StageReport> finishing;
    clock.replan(costs_behind_sampling(request, {.voxels = static_cast<double>(voxels.rows())}));
    decode(voxels, latent, request, observer, asset);
    if (request.finish) clock.replan(finishing_costs(device, *request.finish, sizes_of(asset.data())));
    if (request.finish && !asset.mesh_is_empty()) finish_builder(device, *request.finish, hooks, asset, finishing);
    return finishing;
  }

  // Runs `job` with the observer attached to the engine for its duration.
  template <class Job>
  void observed(const Observer& observer, JobClock& clock, Job job) {
    const ObserverMonitor monitor(observer);
    EngineHooks hooks;
    hooks.monitor = &monitor;
    hooks.progress = [&](const std::string& stage, int step, int steps) {
      if (observer.progress) observer.progress(clock.at(stage, step, steps));
    };
    engine->set_hooks(hooks);
    struct Detach {
      Engine& engine;
      ~Detach() { engine.set_hooks({}); }
    } const detach{*engine};
    (void)engine->take_costs();
    job(hooks);
  }

  void finish(AssetBuilder& asset, const Request& request, const std::vector<StageReport>& finishing) {
    asset.costs(engine->take_costs());
    for (const StageReport& stage : finishing) asset.stage(stage);
    asset.record("generator", "Espalier " + version());
    asset.record("device", engine->device_name());
    asset.record("precision", engine->precision_name());
    for (const auto& [file, hash] : checkpoint_hashes()) asset.record(file, hash);
    if (checkpoint->untrained)
      asset.notice("the weights of " + checkpoint->folder.string() + " are not trained: the asset is a shapeless object");
    if (request.mesh && asset.mesh_is_empty()) asset.notice("warning: the mesh has no faces: the decoder found no surface");
  }
};

Pipeline::Pipeline(const PipelineOptions& options) : impl_(std::make_unique<Impl>()) {
  impl_->checkpoint = std::make_shared<Checkpoint>(open_checkpoint(options.checkpoint, options.image_encoder));
  impl_->device = engine_options(options.device, options.precision, options.tier);
  impl_->engine = make_engine(impl_->device, impl_->checkpoint);
}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;

Asset Pipeline::generate(const Request& asked, const Observer& observer) {
  const Request request = with_what_finishing_needs(asked);
  if (request.images.empty()) fail(ErrorCode::invalid_argument, "no picture was given");
  if (request.images.size() > 64)
    fail(ErrorCode::invalid_argument, request.images.size(), " pictures were given; 64 is the most");
  if (request.background.size() != 1 && request.background.size() != request.images.size())
    fail(ErrorCode::invalid_argument, request.background.size(), " backgrounds were given for ", request.images.size(),
         " pictures; give one for all, or one for each");
  Engine& engine = *impl_->engine;
  const SamplerSettings structure = apply(impl_->checkpoint->structure_sampler, request.structure, request.multi_image);
  const SamplerSettings latent_settings = apply(impl_->checkpoint->latent_sampler, request.latent, request.multi_image);
  check_settings(structure, "first stage (sparse structure)");
  check_settings(latent_settings, "second stage (structured latent)");
  AssetBuilder asset;
  const auto pictures = static_cast<int>(request.images.size());
  std::vector<StageReport> finishing;
  const auto costs = [&](const JobSizes& sizes) {
    std::vector<PlannedStage> stages = sampling_costs(*impl_->checkpoint, impl_->device, structure, latent_settings, sizes);
    for (PlannedStage& stage : impl_->costs_behind_sampling(request, sizes)) stages.push_back(std::move(stage));
    return stages;
  };
  JobClock clock(costs({.pictures = pictures}));
  impl_->observed(observer, clock, [&](const EngineHooks& hooks) {
    std::vector<std::vector<float>> inputs;
    for (const fs::path& path : request.images) {
      const std::size_t of_picture = request.background.size() == 1 ? 0 : inputs.size();
      inputs.push_back(impl_->prepare(path, request.background[of_picture], asset));
      asset.record("picture " + std::to_string(inputs.size()), path.filename().string());
    }
    asset.tell(observer);
    engine.encode(inputs);
    TorchGenerator stream(request.seed);
    const StructureSample sample = engine.sample_structure(structure, draw(stream, engine.structure_noise()));
    const std::int64_t rows = sample.voxels.rows();
    if (rows == 0) {
      fail(ErrorCode::invalid_argument,
           "the first stage found no active voxel: try another seed, more steps or another picture");
    }
    clock.replan(costs({.voxels = static_cast<double>(rows), .pictures = pictures}));
    const std::vector<float> latent =
        engine.sample_latent(sample.voxels, latent_settings, draw(stream, rows * engine.latent_channels()));
    asset.latent(sample.voxels, latent);
    finishing = impl_->complete(sample.voxels, latent, request, hooks, observer, clock, asset);
  });
  asset.record("seed", std::to_string(request.seed));
  asset.record("first stage", describe(structure));
  asset.record("second stage", describe(latent_settings));
  if (pictures > 1)
    asset.record("multi-image", request.multi_image == MultiImageMode::stochastic ? "stochastic" : "multidiffusion");
  impl_->finish(asset, request, finishing);
  asset.tell(observer);
  return asset.build();
}

Asset Pipeline::decode(const fs::path& latent_file, const Request& asked, const Observer& observer) {
  const Request request = with_what_finishing_needs(asked);
  if (!request.mesh && !request.gaussians && !request.radiance_field)
    fail(ErrorCode::invalid_argument, "nothing was asked to be decoded");
  if (request.finish && request.finish->project_image) {
    fail(ErrorCode::invalid_argument, latent_file.string(),
         ": a latent holds no picture to project into the texture; generate from the picture, or export a saved asset");
  }
  AssetBuilder asset;
  const SavedLatent saved = load_latent(latent_file, impl_->engine->voxel_resolution(), impl_->engine->latent_channels());
  std::vector<StageReport> finishing;
  JobClock clock(impl_->costs_behind_sampling(request, {.voxels = static_cast<double>(saved.voxels.rows())}));
  impl_->observed(observer, clock, [&](const EngineHooks& hooks) {
    asset.latent(saved.voxels, saved.latent);
    finishing = impl_->complete(saved.voxels, saved.latent, request, hooks, observer, clock, asset);
  });
  for (const auto& [key, value] : saved.record) asset.record(key, value);
  impl_->finish(asset, request, finishing);
  asset.tell(observer);
  return asset.build();
}

void Pipeline::check_picture(const fs::path& image) { (void)load_picture(image); }

Asset finish(const Asset& asset, const FinishRequest& request, const std::string& device, const Observer& observer) {
  const EngineOptions options = engine_options(device, Precision::automatic, MemoryTier::automatic);
  AssetBuilder builder(asset.data());
  builder.drop_finished();
  const ObserverMonitor monitor(observer);
  JobClock clock(finishing_costs(options, request, sizes_of(asset.data())));
  EngineHooks hooks;
  hooks.monitor = &monitor;
  hooks.progress = [&](const std::string& stage, int step, int steps) {
    if (observer.progress) observer.progress(clock.at(stage, step, steps));
  };
  std::vector<StageReport> stages;
  finish_builder(options, request, hooks, builder, stages);
  builder.tell(observer);
  for (const StageReport& stage : stages) builder.stage(stage);
  return builder.build();
}

std::vector<std::string> Pipeline::preprocess(const fs::path& image, Background background, const fs::path& png_out) {
  const Picture picture = load_picture(image);
  std::vector<std::string> notices;
  Picture out;
  if (background == Background::none) {
    out = encoder_picture(picture, kPictureSide);
  } else {
    PreparedPicture prepared = prepare_file(image, picture, background);
    notices = std::move(prepared.report.warnings);
    notices.insert(notices.begin(), name_of(prepared.report.method));
    out = std::move(prepared.masked);
  }
  write_file(png_out, encode_png(out));
  return notices;
}

std::string Pipeline::device() const { return impl_->engine->device_name(); }
std::string Pipeline::precision() const { return impl_->engine->precision_name(); }
std::string Pipeline::tier() const { return name_of(impl_->engine->tier()); }
bool Pipeline::untrained() const { return impl_->checkpoint->untrained; }
std::pair<int, double> Pipeline::structure_defaults() const {
  return {impl_->checkpoint->structure_sampler.steps, impl_->checkpoint->structure_sampler.strength};
}
std::pair<int, double> Pipeline::latent_defaults() const {
  return {impl_->checkpoint->latent_sampler.steps, impl_->checkpoint->latent_sampler.strength};
}

}  // namespace espalier
