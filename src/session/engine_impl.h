// Engine for one (device, torso type). Included by the one source of each back end.
//
// Every stage runs twice: once against a metering arena, which tells how much working memory it takes, then against an
// arena of exactly that size. Weights come and go by the memory tier.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

#include "geometry/surface/surface.h"
#include "models/dino/dino.h"
#include "models/trellis/slat_decoder.h"
#include "models/trellis/sparse_structure_flow.h"
#include "models/trellis/sparse_structure_vae.h"
#include "models/trellis/structured_latent_flow.h"
#include "ops/elementwise.h"
#include "runtime/host_memory.h"
#include "runtime/stopwatch.h"
#include "session/engine.h"

namespace espalier {

// Networks that are on the device together in the medium tier.
enum class StageGroup : std::uint8_t { encode, structure, latent, decode };

// A network that can be loaded and dropped.
template <class Model, class Dev, class Config>
class Slot {
 public:
  Slot() = default;
  Slot(Queue<Dev>& queue, const ModuleSource& source, Config config, StageGroup group)
      : source_(&source),
        config_(std::move(config)),
        group_(group),
        bytes_(measure_weights<Model>(queue, *source.tensors, config_)) {}

  [[nodiscard]] bool present() const { return source_ != nullptr; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::size_t resident() const { return loaded_ ? loaded_->weights.capacity() : 0; }
  [[nodiscard]] StageGroup group() const { return group_; }
  [[nodiscard]] const Config& config() const { return config_; }
  void drop() { loaded_.reset(); }
  const Model& load(Queue<Dev>& queue) {
    if (!loaded_) loaded_ = load_model<Model>(queue, *source_->tensors, config_);
    return *loaded_->model;
  }

 private:
  const ModuleSource* source_ = nullptr;
  Config config_{};
  StageGroup group_ = StageGroup::encode;
  std::size_t bytes_ = 0;
  std::unique_ptr<Loaded<Model, Dev>> loaded_;
};

template <class Dev, class T>
class EngineImpl final : public Engine {
 public:
  EngineImpl(const EngineOptions& options, std::shared_ptr<const Checkpoint> checkpoint, std::string device_name,
             std::string precision);

  void set_hooks(EngineHooks hooks) override {
    hooks_ = std::move(hooks);
    queue_.watch(hooks_.monitor);
  }
  void encode(const std::vector<std::vector<float>>& pictures) override;
  [[nodiscard]] std::vector<float> condition() override;
  void set_condition(const std::vector<float>& tokens, std::int64_t pictures) override;
  void set_distances(std::vector<float> distances) override { distances_ = std::move(distances); }
  [[nodiscard]] std::int64_t structure_noise() const override {
    const auto& c = structure_flow_.config();
    return c.in_channels * c.resolution * c.resolution * c.resolution;
  }
  [[nodiscard]] std::int64_t latent_channels() const override { return latent_flow_.config().in_channels; }
  [[nodiscard]] int voxel_resolution() const override { return latent_flow_.config().resolution; }
  [[nodiscard]] StructureSample sample_structure(const SamplerSettings& settings, const std::vector<float>& noise) override;
  [[nodiscard]] std::vector<float> sample_latent(const Voxels& voxels, const SamplerSettings& settings,
                                                 const std::vector<float>& noise) override;
  [[nodiscard]] Gaussians decode_gaussians(const Voxels& voxels, const std::vector<float>& latent) override;
  [[nodiscard]] Mesh decode_mesh(const Voxels& voxels, const std::vector<float>& latent) override;
  [[nodiscard]] RadianceField decode_radiance_field(const Voxels& voxels, const std::vector<float>& latent) override;
  [[nodiscard]] std::vector<StageCost> take_costs() override { return std::exchange(costs_, {}); }
  [[nodiscard]] std::string device_name() const override { return device_name_; }
  [[nodiscard]] std::string precision_name() const override { return precision_; }
  [[nodiscard]] MemoryTier tier() const override { return tier_; }

 private:
  using DinoModel = Dino<Dev, T>;
  static constexpr int kPictureSide = 518;
  static constexpr std::int64_t kTile = 32768;  // parent voxels of the finest mesh level at once
  static constexpr std::int64_t kLowTile = 4096;
  static constexpr std::int64_t kMaxVoxels = std::int64_t{1} << 20U;

  template <class F>
  void each_slot(F f) {
    f(encoder_);
    f(structure_flow_);
    f(structure_decoder_);
    f(latent_flow_);
    f(gaussian_decoder_);
    f(mesh_decoder_);
    f(radiance_decoder_);
  }
  void choose_tier(MemoryTier wanted);
  [[nodiscard]] std::size_t working_estimate();
  template <class S>
  const auto& acquire(S& slot, double& seconds);
  [[nodiscard]] std::size_t resident_bytes();
  // Measures body(), then runs it for real; body(false) while measuring.
  template <class Body>
  void stage(const std::string& name, double load_seconds, Body body);
  void report(const std::string& stage, int step, int steps) {
    if (hooks_.progress) hooks_.progress(stage, step, steps);
  }
  template <class V>
  [[nodiscard]] static std::vector<float> fetch(Queue<Dev>& queue, V view);
  [[nodiscard]] View<Dev, float, 2> place_latent(const std::vector<float>& latent, std::int64_t rows);
  // tables[b - 1]: of b copies of the voxels, for steps with b branches.
  void run_latent(const StructuredLatentFlow<Dev, T>& flow, const std::vector<LatentTables>& tables,
                  const SamplerSettings& settings, const std::vector<float>& noise, const std::string& name, bool real,
                  std::vector<float>& result);
  // What the mesh decoder reads besides the latent, built on the host once per asset.
  struct MeshTables {
    TokenTables tokens;
    std::vector<std::int32_t> neighbours;
  };
  void run_mesh(const MeshDecoder<Dev, T>& decoder, const Voxels& voxels, const MeshTables& tables,
                const std::vector<float>& latent, Mesh* mesh);
  // Contexts of all kept pictures, then that of the negative condition, which is all zeros.
  template <class Flow>
  [[nodiscard]] std::vector<Context<Dev, T>> contexts(const Flow& flow, const SamplerSettings& settings);
  [[nodiscard]] View<Dev, const float, 2> tokens_of(std::int64_t picture) const {
    return {reinterpret_cast<const float*>(condition_.data()) + picture * token_count_ * token_channels_,
            {token_count_, token_channels_}};
  }

  std::shared_ptr<const Checkpoint> checkpoint_;
  Queue<Dev> queue_;
  std::string device_name_, precision_;
  MemoryTier tier_ = MemoryTier::high;
  EngineHooks hooks_;
  std::vector<StageCost> costs_;

  Slot<DinoModel, Dev, typename DinoModel::Shape> encoder_;
  Slot<SparseStructureFlow<Dev, T>, Dev, SparseStructureFlowConfig> structure_flow_;
  Slot<SparseStructureDecoder<Dev, T>, Dev, SparseStructureVaeConfig> structure_decoder_;
  Slot<StructuredLatentFlow<Dev, T>, Dev, StructuredLatentFlowConfig> latent_flow_;
  Slot<GaussianDecoder<Dev, T>, Dev, GaussianDecoderConfig> gaussian_decoder_;
  Slot<MeshDecoder<Dev, T>, Dev, MeshDecoderConfig> mesh_decoder_;
  Slot<RadianceDecoder<Dev, T>, Dev, RadianceDecoderConfig> radiance_decoder_;

  Buffer<Dev> condition_;
  std::int64_t pictures_ = 0, token_count_ = 0, token_channels_ = 0;
  Buffer<Dev> structure_latent_;
  std::vector<float> distances_;
};

// Throws unless the module is of the class that its role needs.
inline const ModuleSource& module_of_class(const Checkpoint& checkpoint, const std::string& role,
                                           const std::string& class_name) {
  const ModuleSource& m = checkpoint.module(role);
  if (m.class_name != class_name) {
    fail(ErrorCode::unsupported, m.where, ": role ", role, " needs a ", class_name, ", found a ", m.class_name);
  }
  return m;
}

// The encoder's configuration: its JSON, or what its public name implies.
inline DinoConfig encoder_config(const Checkpoint& checkpoint) {
  const ModuleSource& m = module_of_class(checkpoint, kImageEncoder, "DinoVisionTransformer");
  return m.args.is_null() ? DinoConfig::named(checkpoint.image_encoder) : DinoConfig::from(m.arguments());
}

template <class Dev, class T>
EngineImpl<Dev, T>::EngineImpl(const EngineOptions& options, std::shared_ptr<const Checkpoint> checkpoint,
                               std::string device_name, std::string precision)
    : checkpoint_(std::move(checkpoint)),
      queue_(options.ordinal, options.half ? MathMode::bf16 : MathMode::exact),
      device_name_(std::move(device_name)),
      precision_(std::move(precision)) {
  const Checkpoint& c = *checkpoint_;
  const auto fill = [&](auto& slot, const char* role, const char* class_name, auto from, StageGroup group, bool needed) {
    if (!needed && c.modules.count(role) == 0) return;
    const ModuleSource& m = module_of_class(c, role, class_name);
    slot = std::remove_reference_t<decltype(slot)>(queue_, m, from(m.arguments()), group);
  };
  const ModuleSource& encoder = module_of_class(c, kImageEncoder, "DinoVisionTransformer");
  encoder_ = {queue_, encoder, typename DinoModel::Shape{encoder_config(c), kPictureSide, kPictureSide}, StageGroup::encode};
  fill(structure_flow_, "sparse_structure_flow_model", "SparseStructureFlowModel", SparseStructureFlowConfig::from,
       StageGroup::structure, true);
  fill(structure_decoder_, "sparse_structure_decoder", "SparseStructureDecoder", SparseStructureVaeConfig::from_decoder,
       StageGroup::structure, true);
  fill(latent_flow_, "slat_flow_model", "SLatFlowModel", StructuredLatentFlowConfig::from, StageGroup::latent, true);
  fill(gaussian_decoder_, "slat_decoder_gs", "SLatGaussianDecoder", GaussianDecoderConfig::from, StageGroup::decode, false);
  fill(mesh_decoder_, "slat_decoder_mesh", "SLatMeshDecoder", MeshDecoderConfig::from, StageGroup::decode, false);
  fill(radiance_decoder_, "slat_decoder_rf", "SLatRadianceFieldDecoder", RadianceDecoderConfig::from, StageGroup::decode,
       false);
  const auto channels = static_cast<std::size_t>(latent_channels());
  if (c.latent_mean.size() != channels) {
    fail(ErrorCode::format, c.folder.string(), ": slat_normalization has ", c.latent_mean.size(),
         " channels, but slat_flow_model has ", channels);
  }
  if (structure_decoder_.config().latent_channels != structure_flow_.config().out_channels) {
    fail(ErrorCode::format, c.folder.string(), ": sparse_structure_decoder takes ", structure_decoder_.config().latent_channels,
         " latent channels, but sparse_structure_flow_model makes ", structure_flow_.config().out_channels);
  }
  const int decoded = structure_flow_.config().resolution * structure_decoder_.config().scale();
  if (decoded != latent_flow_.config().resolution) {
    fail(ErrorCode::format, c.folder.string(), ": sparse_structure_decoder makes a grid of ", decoded,
         ", but slat_flow_model works on ", latent_flow_.config().resolution);
  }
  for (const auto condition :
       {structure_flow_.config().transformer.condition_channels, latent_flow_.config().transformer.condition_channels}) {
    if (condition != encoder_.config().config.channels) {
      fail(ErrorCode::format, c.folder.string(), ": a flow model expects conditions of ", condition,
           " channels, but the image encoder makes ", encoder_.config().config.channels);
    }
  }
  choose_tier(options.tier);
}

template <class Dev, class T>
std::size_t EngineImpl<Dev, T>::working_estimate() {
  // The mesh decoder dominates; 16k voxels is a detailed object.
  constexpr std::int64_t kVoxels = 16384;
  std::size_t mesh = 0;
  if (mesh_decoder_.present()) {
    const auto& m = mesh_decoder_.config();
    const std::int64_t cubes = 64 * kVoxels;
    const std::int64_t per_cube = m.channels() * 4 + m.transformer.channels / 8 * static_cast<std::int64_t>(sizeof(T)) + 16;
    mesh = static_cast<std::size_t>(cubes * per_cube) + surface_scratch_bytes<Dev>(cubes, m.grid(), m.colour, 4);
  }
  const auto& f = structure_flow_.config();
  const std::int64_t tokens = 2 * std::max<std::int64_t>(f.tokens(), kVoxels);
  const auto flow = static_cast<std::size_t>(tokens * (f.transformer.channels * 8 + f.transformer.hidden) *
                                             static_cast<std::int64_t>(sizeof(T)));
  return std::max(mesh, flow);
}

template <class Dev, class T>
void EngineImpl<Dev, T>::choose_tier(MemoryTier wanted) {
  tier_ = wanted;
  if (wanted == MemoryTier::automatic) {
    std::size_t all = 0;
    std::array<std::size_t, 4> groups{};
    each_slot([&](const auto& s) {
      if (!s.present() || &s == static_cast<const void*>(&radiance_decoder_)) return;
      all += s.bytes();
      groups[static_cast<std::size_t>(s.group())] += s.bytes();
    });
    const std::size_t usable = free_memory<Dev>(queue_.ordinal()) / 10 * 9;
    const std::size_t work = working_estimate();
    if (all + work <= usable) {
      tier_ = MemoryTier::high;
    } else {
      tier_ = *std::max_element(groups.begin(), groups.end()) + work <= usable ? MemoryTier::medium : MemoryTier::low;
    }
  }
  if (tier_ == MemoryTier::high) {
    double seconds = 0.0;
    each_slot([&](auto& s) {
      if (s.present() && static_cast<const void*>(&s) != static_cast<const void*>(&radiance_decoder_))
        (void)acquire(s, seconds);
    });
  }
}

template <class Dev, class T>
std::size_t EngineImpl<Dev, T>::resident_bytes() {
  std::size_t n = 0;
  each_slot([&](const auto& s) { n += s.resident(); });
  return n;
}

template <class Dev, class T>
template <class S>
const auto& EngineImpl<Dev, T>::acquire(S& slot, double& seconds) {
  if (!slot.present())
    fail(ErrorCode::not_found, checkpoint_->folder.string(), ": the checkpoint has no decoder for what was asked");
  each_slot([&](auto& other) {
    if (static_cast<const void*>(&other) == static_cast<const void*>(&slot)) return;
    if (tier_ == MemoryTier::low || (tier_ == MemoryTier::medium && other.group() != slot.group())) other.drop();
  });
  const auto start = std::chrono::steady_clock::now();
  const auto& model = slot.load(queue_);
  seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return model;
}

template <class Dev, class T>
template <class Body>
void EngineImpl<Dev, T>::stage(const std::string& name, double load_seconds, Body body) {
  queue_.check();
  // The queue must not keep an arena of a stage that failed.
  struct Release {
    Queue<Dev>& queue;
    ~Release() { queue.use(nullptr); }
  } const release{queue_};
  Arena<Dev> meter;
  queue_.use(&meter);
  body(false);
  StageCost cost;
  cost.name = name;
  cost.load_seconds = load_seconds;
  cost.planned_bytes = meter.peak();
  cost.weight_bytes = resident_bytes();
  const HostMemoryWatch memory;
  const auto start = std::chrono::steady_clock::now();
  Arena<Dev> arena(std::max<std::size_t>(meter.peak(), 1), queue_.ordinal(), name);
  queue_.use(&arena);
  Stopwatch<Dev> watch(queue_);
  watch.start();
  body(true);
  cost.device_ms = watch.stop();
  cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  cost.peak_bytes = arena.peak();
  cost.process_bytes = memory.peak();
  costs_.push_back(cost);
}

template <class Dev, class T>
template <class V>
std::vector<float> EngineImpl<Dev, T>::fetch(Queue<Dev>& queue, V view) {
  std::vector<float> host(static_cast<std::size_t>(queue.metering() ? 0 : view.size()));
  if (!queue.metering()) download_bytes(queue, view.data(), host.data(), host.size() * sizeof(float));
  return host;
}

template <class Dev, class T>
void EngineImpl<Dev, T>::encode(const std::vector<std::vector<float>>& pictures) {
  const std::string name = "encoding the picture";
  double seconds = 0.0;
  const DinoModel& model = acquire(encoder_, seconds);
  pictures_ = static_cast<std::int64_t>(pictures.size());
  token_count_ = model.tokens();
  token_channels_ = encoder_.config().config.channels;
  const auto bytes = static_cast<std::size_t>(pictures_ * token_count_ * token_channels_) * sizeof(float);
  condition_ = Buffer<Dev>(bytes, queue_.ordinal(), "image condition");
  report(name, 0, static_cast<int>(pictures_));
  stage(name, seconds, [&](bool real) {
    for (std::int64_t i = 0; i < pictures_; ++i) {
      const Frame<Dev> frame(queue_.scratch());
      auto input = queue_.scratch().template take<float, 4>({1, 3, kPictureSide, kPictureSide});
      const auto& values = pictures[static_cast<std::size_t>(i)];
      require(static_cast<std::int64_t>(values.size()) == input.size(), "Engine::encode", values.size(),
              " values in a picture");
      upload_bytes(queue_, values.data(), input.data(), values.size() * sizeof(float));
      const View<Dev, float, 2> out(reinterpret_cast<float*>(condition_.data()) + i * token_count_ * token_channels_,
                                    {token_count_, token_channels_});
      model.forward(queue_, input, {}, out);
      if (real) {
        queue_.synchronize();
        report(name, static_cast<int>(i) + 1, static_cast<int>(pictures_));
      }
    }
  });
}

template <class Dev, class T>
std::vector<float> EngineImpl<Dev, T>::condition() {
  std::vector<float> host(static_cast<std::size_t>(pictures_ * token_count_ * token_channels_));
  download_bytes(queue_, condition_.data(), host.data(), host.size() * sizeof(float));
  return host;
}

template <class Dev, class T>
void EngineImpl<Dev, T>::set_condition(const std::vector<float>& tokens, std::int64_t pictures) {
  token_channels_ = encoder_.config().config.channels;
  token_count_ = static_cast<std::int64_t>(tokens.size()) / pictures / token_channels_;
  pictures_ = pictures;
  require(pictures_ * token_count_ * token_channels_ == static_cast<std::int64_t>(tokens.size()), "Engine::set_condition",
          tokens.size(), " values");
  condition_ = Buffer<Dev>(tokens.size() * sizeof(float), queue_.ordinal(), "image condition");
  upload_bytes(queue_, tokens.data(), condition_.data(), tokens.size() * sizeof(float));
}

template <class Dev, class T>
template <class Flow>
std::vector<Context<Dev, T>> EngineImpl<Dev, T>::contexts(const Flow& flow, const SamplerSettings& settings) {
  require(pictures_ > 0, "Engine", "no picture was encoded");
  std::vector<Context<Dev, T>> all;
  for (std::int64_t i = 0; i < pictures_; ++i) {
    all.push_back(flow.transformer().condition(queue_, queue_.scratch(), tokens_of(i)));
  }
  if (settings.guided) all.push_back(flow.transformer().zero_condition(queue_, queue_.scratch()));
  return all;
}

// The contexts of an evaluation's branches.
template <class Dev, class T>
std::vector<const Context<Dev, T>*> branch_contexts(const std::vector<Context<Dev, T>>& all, std::span<const int> branches) {
  std::vector<const Context<Dev, T>*> out;
  for (const int b : branches) out.push_back(b == kNegative ? &all.back() : &all[static_cast<std::size_t>(b)]);
  return out;
}

template <class Dev, class T>
StructureSample EngineImpl<Dev, T>::sample_structure(const SamplerSettings& settings, const std::vector<float>& noise) {
  const std::string name = "sampling the sparse structure";
  check_settings(settings, name);
  double seconds = 0.0;
  const auto& flow = acquire(structure_flow_, seconds);
  const auto& c = structure_flow_.config();
  const std::int64_t n = structure_noise();
  require(static_cast<std::int64_t>(noise.size()) == n, "Engine::sample_structure", noise.size(), " values of noise for ", n);
  structure_latent_ = Buffer<Dev>(static_cast<std::size_t>(n) * sizeof(float), queue_.ordinal(), "structure latent");
  const View<Dev, float, 1> x(reinterpret_cast<float*>(structure_latent_.data()), {n});
  const int most = most_branches(settings, static_cast<int>(pictures_));
  report(name, 0, settings.steps);
  stage(name, seconds, [&](bool real) {
    Arena<Dev>& arena = queue_.scratch();
    upload_bytes(queue_, noise.data(), x.data(), noise.size() * sizeof(float));
    const auto all = contexts(flow, settings);
    std::vector<TokenLayout<Dev>> layouts;
    for (int b = 1; b <= most; ++b) layouts.push_back(flow.layout(queue_, arena, b));
    auto inputs = arena.template take<float, 5>({most, c.in_channels, c.resolution, c.resolution, c.resolution});
    auto times = arena.template take<float, 1>({most});
    const Velocity<Dev> velocity = [&](View<Dev, const float, 1> state, double t, std::span<const int> branches,
                                       View<Dev, float, 2> out) {
      const auto count = static_cast<std::int64_t>(branches.size());
      const std::vector<float> t_host(branches.size(), static_cast<float>(1000.0 * t));
      upload_bytes(queue_, t_host.data(), times.data(), t_host.size() * sizeof(float));
      for (std::int64_t b = 0; b < count; ++b)
        copy_bytes(queue_, state.data(), inputs.rows(b, 1).data(), static_cast<std::size_t>(n) * sizeof(float));
      const auto used = branch_contexts<Dev, T>(all, branches);
      const View<Dev, float, 5> v(out.data(), inputs.rows(0, count).extents());
      flow.forward(queue_, inputs.rows(0, count), times.rows(0, count), layouts[branches.size() - 1], used, v);
    };
    sample_flow<Dev>(queue_, x, settings, static_cast<int>(pictures_), velocity, [&](const StepReport<Dev>& r) {
      if (!real) return;
      queue_.synchronize();
      report(name, r.step + 1, r.steps);
    });
  });
  StructureSample sample;
  sample.latent = fetch(queue_, x);

  const std::string decoding = "decoding the sparse structure";
  seconds = 0.0;
  const auto& decoder = acquire(structure_decoder_, seconds);
  const std::int64_t side = std::int64_t{c.resolution} * structure_decoder_.config().scale();
  report(decoding, 0, 1);
  stage(decoding, seconds, [&](bool real) {
    auto logits = queue_.scratch().template take<float, 5>({1, side, side, side, structure_decoder_.config().in_channels});
    const View<Dev, const float, 5> z(x.data(), {1, c.out_channels, c.resolution, c.resolution, c.resolution});
    decoder.forward(queue_, z, logits);
    if (real) sample.logits = fetch(queue_, logits);
  });
  std::vector<std::int32_t> coords;
  const auto channels = static_cast<std::size_t>(structure_decoder_.config().in_channels);
  for (std::size_t i = 0; i < sample.logits.size() / channels; ++i) {
    if (!(sample.logits[i * channels] > 0.0F)) continue;
    const auto cell = static_cast<std::int64_t>(i);
    coords.insert(coords.end(), {0, static_cast<std::int32_t>(cell / (side * side)),
                                 static_cast<std::int32_t>(cell / side % side), static_cast<std::int32_t>(cell % side)});
  }
  report(decoding, 1, 1);
  sample.voxels = make_voxels(std::move(coords), 1, static_cast<int>(side));
  return sample;
}

// The same voxels once per branch.
inline Voxels repeat_voxels(const Voxels& voxels, int times) {
  Voxels all;
  all.resolution = voxels.resolution;
  all.begin = {0};
  for (int b = 0; b < times; ++b) {
    for (std::size_t i = 0; i < voxels.coords.size(); i += 4) {
      all.coords.insert(all.coords.end(), {b, voxels.coords[i + 1], voxels.coords[i + 2], voxels.coords[i + 3]});
    }
    all.begin.push_back(all.rows());
  }
  return all;
}

template <class Dev, class T>
void EngineImpl<Dev, T>::run_latent(const StructuredLatentFlow<Dev, T>& flow, const std::vector<LatentTables>& tables,
                                    const SamplerSettings& settings, const std::vector<float>& noise, const std::string& name,
                                    bool real, std::vector<float>& result) {
  Arena<Dev>& arena = queue_.scratch();
  const std::int64_t channels = latent_channels();
  const std::int64_t rows = static_cast<std::int64_t>(noise.size()) / channels;
  auto x = arena.template take<float, 1>({rows * channels});
  upload_bytes(queue_, noise.data(), x.data(), noise.size() * sizeof(float));
  const auto all = contexts(flow, settings);
  const int most = most_branches(settings, static_cast<int>(pictures_));
  std::vector<LatentStructure<Dev>> structures;
  for (const LatentTables& t : tables)
    structures.push_back(t.levels.empty() ? LatentStructure<Dev>{} : flow.prepare(queue_, arena, t));
  auto inputs = arena.template take<float, 2>({most * rows, channels});
  auto times = arena.template take<float, 1>({most});
  const Velocity<Dev> velocity = [&](View<Dev, const float, 1> state, double t, std::span<const int> branches,
                                     View<Dev, float, 2> out) {
    const auto count = static_cast<std::int64_t>(branches.size());
    const std::vector<float> t_host(branches.size(), static_cast<float>(1000.0 * t));
    upload_bytes(queue_, t_host.data(), times.data(), t_host.size() * sizeof(float));
    for (std::int64_t b = 0; b < count; ++b) {
      copy_bytes(queue_, state.data(), inputs.rows(b * rows, rows).data(),
                 static_cast<std::size_t>(rows * channels) * sizeof(float));
    }
    const auto used = branch_contexts<Dev, T>(all, branches);
    const View<Dev, float, 2> v(out.data(), {count * rows, channels});
    flow.forward(queue_, inputs.rows(0, count * rows), times.rows(0, count), structures[branches.size() - 1], used, v);
  };
  sample_flow<Dev>(queue_, x, settings, static_cast<int>(pictures_), velocity, [&](const StepReport<Dev>& r) {
    if (!real) return;
    queue_.synchronize();
    report(name, r.step + 1, r.steps);
  });
  const auto mean = place<Dev, float, 1>(queue_, arena, checkpoint_->latent_mean, {channels});
  const auto deviation = place<Dev, float, 1>(queue_, arena, checkpoint_->latent_std, {channels});
  const auto matrix = x.template reshape<2>({rows, channels});
  scale_columns<Dev, float>(queue_, matrix, deviation, mean, matrix);
  if (real) result = fetch(queue_, x);
}

template <class Dev, class T>
std::vector<float> EngineImpl<Dev, T>::sample_latent(const Voxels& voxels, const SamplerSettings& settings,
                                                     const std::vector<float>& noise) {
  const std::string name = "sampling the structured latent";
  check_settings(settings, name);
  if (voxels.rows() == 0) {
    fail(ErrorCode::invalid_argument, "the first stage found no active voxel: try another seed, more steps or another picture");
  }
  if (voxels.rows() > kMaxVoxels)
    fail(ErrorCode::invalid_argument, name, ": ", voxels.rows(), " voxels; ", kMaxVoxels, " is the most");
  require(static_cast<std::int64_t>(noise.size()) == voxels.rows() * latent_channels(), "Engine::sample_latent", noise.size(),
          " values of noise");
  double seconds = 0.0;
  const auto& flow = acquire(latent_flow_, seconds);
  std::vector<float> result;
  report(name, 0, settings.steps);
  const auto start = std::chrono::steady_clock::now();
  const int most = most_branches(settings, static_cast<int>(pictures_));
  std::vector<LatentTables> tables(static_cast<std::size_t>(most));
  for (int b = settings.multi_image == MultiImage::stochastic ? 1 : static_cast<int>(pictures_); b <= most; ++b) {
    tables[static_cast<std::size_t>(b) - 1] = latent_tables(latent_flow_.config(), repeat_voxels(voxels, b));
  }
  const double table_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  stage(name, seconds, [&](bool real) { run_latent(flow, tables, settings, noise, name, real, result); });
  costs_.back().seconds += table_seconds;
  return result;
}

template <class Dev, class T>
View<Dev, float, 2> EngineImpl<Dev, T>::place_latent(const std::vector<float>& latent, std::int64_t rows) {
  require(rows > 0 && static_cast<std::int64_t>(latent.size()) % rows == 0, "Engine", latent.size(), " latent values for ",
          rows, " voxels");
  auto view = queue_.scratch().template take<float, 2>({rows, static_cast<std::int64_t>(latent.size()) / rows});
  upload_bytes(queue_, latent.data(), view.data(), latent.size() * sizeof(float));
  return view;
}

template <class Dev, class T>
Gaussians EngineImpl<Dev, T>::decode_gaussians(const Voxels& voxels, const std::vector<float>& latent) {
  const std::string name = "decoding the Gaussians";
  double seconds = 0.0;
  const auto& decoder = acquire(gaussian_decoder_, seconds);
  Gaussians result;
  report(name, 0, 1);
  const auto start = std::chrono::steady_clock::now();
  const TokenTables tables = token_tables(decoder.config().transformer, voxels);
  const double table_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  stage(name, seconds, [&](bool real) {
    Arena<Dev>& arena = queue_.scratch();
    const std::int64_t rows = voxels.rows();
    const auto input = place_latent(latent, rows);
    const auto tokens = decoder.head().transformer().prepare(queue_, arena, voxels, tables);
    auto raw = arena.template take<float, 2>({rows, decoder.config().channels()});
    decoder.head().forward(queue_, input, tokens, raw, nullptr);
    const std::int64_t n = rows * decoder.config().gaussians.per_voxel;
    const auto field = [&](std::int64_t width) { return arena.template take<float, 2>({n, width}); };
    const GaussianFields<Dev> fields{field(3), field(3), field(3), field(4), field(1)};
    decoder.fields(queue_, raw, tokens.coords, fields);
    activate_gaussians<Dev>(queue_, fields, decoder.config().gaussians, fields);
    if (!real) return;
    result.xyz = fetch(queue_, fields.xyz);
    result.dc = fetch(queue_, fields.dc);
    result.scale = fetch(queue_, fields.scaling);
    result.rotation = fetch(queue_, fields.rotation);
    result.opacity = fetch(queue_, fields.opacity);
  });
  costs_.back().seconds += table_seconds;
  report(name, 1, 1);
  return result;
}

template <class Dev, class T>
void EngineImpl<Dev, T>::run_mesh(const MeshDecoder<Dev, T>& decoder, const Voxels& voxels, const MeshTables& tables,
                                  const std::vector<float>& latent, Mesh* mesh) {
  Arena<Dev>& arena = queue_.scratch();
  const std::int64_t rows = voxels.rows();
  auto features = arena.template take<float, 2>({64 * rows, decoder.config().channels()});
  auto cubes = arena.template take<std::int32_t, 2>({64 * rows, 4});
  {
    const Frame<Dev> frame(arena);
    const auto input = place_latent(latent, rows);
    const auto tokens = decoder.transformer().prepare(queue_, arena, voxels, tables.tokens);
    const auto neighbours = place<Dev, std::int32_t, 2>(queue_, arena, tables.neighbours, {rows, 27});
    const std::int64_t tile = tier_ == MemoryTier::low ? kLowTile : kTile;
    decoder.forward(queue_, input, tokens, neighbours, voxels, tile, features);
    decoder.cube_coords(queue_, tokens.coords, cubes);
    if (!distances_.empty()) {
      const auto field = place<Dev, float, 2>(queue_, arena, distances_, {64 * rows, 8});
      scale_columns<Dev, float>(queue_, field, {}, {}, columns(features, 0, 8));
    }
  }
  if (mesh != nullptr) {
    queue_.synchronize();
    report("extracting the surface", 0, 1);
  }
  Buffer<Dev> vertices, faces, attributes;
  const auto allocate = [&](std::int64_t v, std::int64_t f, bool colour) {
    const auto make = [&](Buffer<Dev>& buffer, std::int64_t elements, const char* what) {
      buffer = Buffer<Dev>(static_cast<std::size_t>(std::max<std::int64_t>(elements, 1)) * 4, queue_.ordinal(), what);
    };
    make(vertices, 3 * v, "mesh vertices");
    make(faces, 3 * f, "mesh faces");
    make(attributes, colour ? 6 * v : 0, "mesh attributes");
    SurfaceMesh<Dev> m;
    m.vertices = {reinterpret_cast<float*>(vertices.data()), {v, 3}};
    m.faces = {reinterpret_cast<std::int32_t*>(faces.data()), {f, 3}};
    if (colour) m.attributes = {reinterpret_cast<float*>(attributes.data()), {v, 6}};
    return m;
  };
  Stopwatch<Dev> watch(queue_);
  const auto start = std::chrono::steady_clock::now();
  if (mesh != nullptr) watch.start();
  const SurfaceMesh<Dev> surface = extract_surface<Dev>(queue_, cubes, features, decoder.config().grid(), allocate, nullptr, 4);
  if (mesh == nullptr) return;
  StageCost cost;
  cost.name = "extracting the surface";
  cost.device_ms = watch.stop();
  cost.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  cost.peak_bytes = vertices.bytes() + faces.bytes() + attributes.bytes();
  costs_.push_back(cost);
  mesh->vertices = fetch(queue_, surface.vertices);
  mesh->faces.resize(static_cast<std::size_t>(surface.faces.size()));
  download_bytes(queue_, surface.faces.data(), mesh->faces.data(), mesh->faces.size() * sizeof(std::int32_t));
  const std::vector<float> attrs = fetch(queue_, surface.attributes);
  for (std::size_t i = 0; i < attrs.size(); i += 6) {
    mesh->colours.insert(mesh->colours.end(), {attrs[i], attrs[i + 1], attrs[i + 2]});
  }
}

template <class Dev, class T>
Mesh EngineImpl<Dev, T>::decode_mesh(const Voxels& voxels, const std::vector<float>& latent) {
  const std::string name = "decoding the mesh";
  double seconds = 0.0;
  const auto& decoder = acquire(mesh_decoder_, seconds);
  Mesh mesh;
  report(name, 0, 1);
  const auto start = std::chrono::steady_clock::now();
  const MeshTables tables{token_tables(decoder.config().transformer, voxels), neighbour_map(voxels)};
  const double table_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  stage(name, seconds, [&](bool real) { run_mesh(decoder, voxels, tables, latent, real ? &mesh : nullptr); });
  costs_.back().seconds += table_seconds;
  report(name, 1, 1);
  // run_mesh reported the extraction on its own; the stage around it holds the network and the memory of both.
  if (costs_.size() >= 2) {
    StageCost& whole = costs_[costs_.size() - 1];
    StageCost& surface = costs_[costs_.size() - 2];
    whole.seconds = std::max(0.0, whole.seconds - surface.seconds);
    whole.device_ms = std::max(0.0, whole.device_ms - surface.device_ms);
    surface.weight_bytes = whole.weight_bytes;
    surface.planned_bytes = whole.planned_bytes;
    surface.peak_bytes += whole.peak_bytes;
    surface.process_bytes = whole.process_bytes;
    std::swap(whole, surface);
  }
  return mesh;
}

template <class Dev, class T>
RadianceField EngineImpl<Dev, T>::decode_radiance_field(const Voxels& voxels, const std::vector<float>& latent) {
  const std::string name = "decoding the radiance field";
  double seconds = 0.0;
  const auto& decoder = acquire(radiance_decoder_, seconds);
  RadianceField field;
  std::vector<float> raw;
  report(name, 0, 1);
  stage(name, seconds, [&](bool real) {
    Arena<Dev>& arena = queue_.scratch();
    const auto input = place_latent(latent, voxels.rows());
    const auto tokens = decoder.head().transformer().prepare(queue_, arena, voxels);
    auto out = arena.template take<float, 2>({voxels.rows(), decoder.config().channels()});
    decoder.head().forward(queue_, input, tokens, out, nullptr);
    if (real) raw = fetch(queue_, out);
  });
  field = split_radiance_field(decoder.config(), voxels, raw);
  report(name, 1, 1);
  return field;
}

}  // namespace espalier
