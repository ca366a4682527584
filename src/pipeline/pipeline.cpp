// The public pipeline: order of stages, seeds, progress, records.
#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/version.h"
#include "espalier/espalier.h"
#include "image/codec.h"
#include "image/preprocess.h"
#include "pipeline/asset.h"
#include "pipeline/device.h"
#include "pipeline/engine.h"
#include "pipeline/job_clock.h"

namespace espalier {

namespace fs = std::filesystem;

namespace {

constexpr int kPictureSide = 518;  // what the reference feeds to the image encoder

class ObserverMonitor final : public Monitor {
 public:
  explicit ObserverMonitor(const Observer& observer) : observer_(observer) {}
  void progress(int /*done*/, int /*total*/) const override {}
  [[nodiscard]] bool cancelled() const override { return observer_.cancelled && observer_.cancelled(); }

 private:
  const Observer& observer_;
};

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

// prepare_picture with errors that name the file.
PreparedPicture prepare_file(const fs::path& path, const Picture& picture) {
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
    if (background == Background::none) return encoder_input(picture, kPictureSide);
    const PreparedPicture prepared = prepare_file(path, picture);
    if (prepared.report.method == CutoutReport::Method::plain_background) {
      asset.notice(path.filename().string() + ": no alpha channel; its plain background was removed");
    }
    for (const std::string& w : prepared.report.warnings) asset.notice("warning: " + path.filename().string() + ": " + w);
    return encoder_input(prepared.picture, kPictureSide);
  }

  void decode(const Voxels& voxels, const std::vector<float>& latent, const Request& request, AssetBuilder& asset) {
    if (request.gaussians) asset.gaussians(engine->decode_gaussians(voxels, latent));
    if (request.mesh) asset.mesh(engine->decode_mesh(voxels, latent));
    if (request.radiance_field) asset.radiance_field(engine->decode_radiance_field(voxels, latent));
  }

  // Runs `job` with the observer attached to the engine for its duration.
  template <class Job>
  void observed(const Observer& observer, JobClock clock, Job job) {
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
    job();
  }

  void finish(AssetBuilder& asset, const Request& request) {
    asset.costs(engine->take_costs());
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
  impl_->engine = make_engine(engine_options(options.device, options.precision, options.tier), impl_->checkpoint);
}
Pipeline::~Pipeline() = default;
Pipeline::Pipeline(Pipeline&&) noexcept = default;
Pipeline& Pipeline::operator=(Pipeline&&) noexcept = default;

Asset Pipeline::generate(const Request& request, const Observer& observer) {
  if (request.images.empty()) fail(ErrorCode::invalid_argument, "no picture was given");
  if (request.images.size() > 64)
    fail(ErrorCode::invalid_argument, request.images.size(), " pictures were given; 64 is the most");
  Engine& engine = *impl_->engine;
  const SamplerSettings structure = apply(impl_->checkpoint->structure_sampler, request.structure, request.multi_image);
  const SamplerSettings latent_settings = apply(impl_->checkpoint->latent_sampler, request.latent, request.multi_image);
  check_settings(structure, "first stage (sparse structure)");
  check_settings(latent_settings, "second stage (structured latent)");
  AssetBuilder asset;
  const auto pictures = static_cast<int>(request.images.size());
  impl_->observed(observer, JobClock(structure, latent_settings, pictures, request), [&] {
    std::vector<std::vector<float>> inputs;
    for (const fs::path& path : request.images) {
      inputs.push_back(impl_->prepare(path, request.background, asset));
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
    const std::vector<float> latent =
        engine.sample_latent(sample.voxels, latent_settings, draw(stream, rows * engine.latent_channels()));
    asset.latent(sample.voxels, latent);
    impl_->decode(sample.voxels, latent, request, asset);
  });
  asset.record("seed", std::to_string(request.seed));
  asset.record("first stage", describe(structure));
  asset.record("second stage", describe(latent_settings));
  if (pictures > 1)
    asset.record("multi-image", request.multi_image == MultiImageMode::stochastic ? "stochastic" : "multidiffusion");
  impl_->finish(asset, request);
  asset.tell(observer);
  return asset.build();
}

Asset Pipeline::decode(const fs::path& latent_file, const Request& request, const Observer& observer) {
  if (!request.mesh && !request.gaussians && !request.radiance_field)
    fail(ErrorCode::invalid_argument, "nothing was asked to be decoded");
  AssetBuilder asset;
  const SavedLatent saved = load_latent(latent_file, impl_->engine->voxel_resolution(), impl_->engine->latent_channels());
  impl_->observed(observer, JobClock(request), [&] {
    asset.latent(saved.voxels, saved.latent);
    impl_->decode(saved.voxels, saved.latent, request, asset);
  });
  for (const auto& [key, value] : saved.record) asset.record(key, value);
  impl_->finish(asset, request);
  asset.tell(observer);
  return asset.build();
}

void Pipeline::check_picture(const fs::path& image) { (void)load_picture(image); }

std::vector<std::string> Pipeline::preprocess(const fs::path& image, Background background, const fs::path& png_out) {
  const Picture picture = load_picture(image);
  std::vector<std::string> notices;
  Picture out = picture;
  if (background == Background::automatic) {
    PreparedPicture prepared = prepare_file(image, picture);
    notices = std::move(prepared.report.warnings);
    notices.insert(notices.begin(), name_of(prepared.report.method));
    out = std::move(prepared.picture);
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
