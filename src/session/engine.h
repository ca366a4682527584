// The networks of one checkpoint on one device, behind an interface without device or element type: the only place
// where (device, precision) is chosen at run time.
#pragma once

#include <functional>
#include <memory>

#include "assets/gaussians.h"
#include "assets/mesh.h"
#include "assets/radiance_field.h"
#include "espalier/espalier.h"
#include "samplers/flow_euler.h"
#include "session/checkpoint.h"
#include "sparse/structure.h"

namespace espalier {

struct EngineOptions {
  bool cuda = false;
  int ordinal = 0;
  bool half = false;  // CUDA: float16 torsos; CPU: bfloat16 products where the processor has them
  MemoryTier tier = MemoryTier::automatic;
};

// What one stage cost.
struct StageCost {
  std::string name;
  double seconds = 0.0;       // wall, of the measured run without the loading of weights
  double device_ms = 0.0;     // between events on the queue; 0 on the CPU
  double load_seconds = 0.0;  // of weights that were not on the device yet
  std::size_t weight_bytes = 0, planned_bytes = 0, peak_bytes = 0;
  std::size_t process_bytes = 0;  // resident host memory of the process at the peak; 0 when unknown
};

struct EngineHooks {
  std::function<void(const std::string& stage, int step, int steps)> progress;
  const Monitor* monitor = nullptr;
};

struct StructureSample {
  std::vector<float> latent;  // [channels, r, r, r]
  std::vector<float> logits;  // [s, s, s] of the decoder
  Voxels voxels;              // logits > 0 in lexicographic order, one batch element
};

class Engine {
 public:
  Engine() = default;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;
  virtual ~Engine() = default;

  virtual void set_hooks(EngineHooks hooks) = 0;

  // Encodes pictures (each the [3, 518, 518] input of the encoder) and keeps the tokens for the samplers.
  virtual void encode(const std::vector<std::vector<float>>& pictures) = 0;
  // The kept tokens, [pictures, tokens, channels].
  [[nodiscard]] virtual std::vector<float> condition() = 0;
  // Replaces the kept tokens, for tests and benchmarks.
  virtual void set_condition(const std::vector<float>& tokens, std::int64_t pictures) = 0;

  // For benchmarks: values [64 * voxels * 8] that replace the signed distances of the mesh decoder, so that the surface has a
  // known size; empty (the default) leaves them.
  virtual void set_distances(std::vector<float> distances) = 0;

  // Number of values of the first stage's noise; the second stage's is voxels * latent_channels().
  [[nodiscard]] virtual std::int64_t structure_noise() const = 0;
  [[nodiscard]] virtual std::int64_t latent_channels() const = 0;
  [[nodiscard]] virtual int voxel_resolution() const = 0;

  [[nodiscard]] virtual StructureSample sample_structure(const SamplerSettings& settings, const std::vector<float>& noise) = 0;
  // The denormalised latent [rows, channels].
  [[nodiscard]] virtual std::vector<float> sample_latent(const Voxels& voxels, const SamplerSettings& settings,
                                                         const std::vector<float>& noise) = 0;
  [[nodiscard]] virtual Gaussians decode_gaussians(const Voxels& voxels, const std::vector<float>& latent) = 0;
  [[nodiscard]] virtual Mesh decode_mesh(const Voxels& voxels, const std::vector<float>& latent) = 0;
  [[nodiscard]] virtual RadianceField decode_radiance_field(const Voxels& voxels, const std::vector<float>& latent) = 0;

  // Costs of the stages since the last call.
  [[nodiscard]] virtual std::vector<StageCost> take_costs() = 0;
  [[nodiscard]] virtual std::string device_name() const = 0;
  [[nodiscard]] virtual std::string precision_name() const = 0;
  [[nodiscard]] virtual MemoryTier tier() const = 0;
};

// Checks every tensor of the checkpoint against its network, then chooses the tier by free memory unless it is given.
[[nodiscard]] std::unique_ptr<Engine> make_engine(const EngineOptions& options, std::shared_ptr<const Checkpoint> checkpoint);

// One per back end; make_engine chooses.
[[nodiscard]] std::unique_ptr<Engine> make_cpu_engine(const EngineOptions& options,
                                                      std::shared_ptr<const Checkpoint> checkpoint);
[[nodiscard]] std::unique_ptr<Engine> make_cuda_engine(const EngineOptions& options,
                                                       std::shared_ptr<const Checkpoint> checkpoint);

}  // namespace espalier
