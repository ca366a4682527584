// What recipes see of the networks on a device: one interface per kind of network, without device or element type.
//
// A network is constructed by the registry (session/registry.h) and lives until the session drops it; every call is one or
// more stages of the job and may throw cancelled, out_of_memory or device.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "assets/gaussians.h"
#include "assets/mesh.h"
#include "assets/radiance_field.h"
#include "assets/voxels.h"
#include "espalier/espalier.h"
#include "samplers/flow_euler.h"
#include "session/condition.h"

namespace espalier {

// Voxels of a detailed object, for estimates of memory.
inline constexpr std::int64_t kDetailedVoxels = 16384;

class Network {
 public:
  Network() = default;
  Network(const Network&) = delete;
  Network& operator=(const Network&) = delete;
  virtual ~Network() = default;
  // Of the weights on the device.
  [[nodiscard]] virtual std::size_t weight_bytes() const = 0;
};

class ImageEncoder : public Network {
 public:
  static constexpr std::string_view kKind = "an image encoder";
  // Images as the encoder reads them, each [3, side, side], normalised.
  [[nodiscard]] virtual Condition encode(std::span<const std::vector<float>> images) = 0;
};

class TextEncoder : public Network {
 public:
  static constexpr std::string_view kKind = "a text encoder";
  // Token ids of one text; length() of them, each below vocabulary().
  using Tokens = std::span<const std::int32_t>;
  [[nodiscard]] virtual std::int64_t length() const = 0;
  [[nodiscard]] virtual std::int64_t vocabulary() const = 0;
  // The states of all tokens of both texts after the last norm. Throws internal for ids that are out of range.
  [[nodiscard]] virtual Condition encode(Tokens prompt, Tokens negative) = 0;
};

// A rectified flow over a volume or over voxels.
class Flow : public Network {
 public:
  static constexpr std::string_view kKind = "a flow";
  struct Input {
    std::span<const float> noise;    // noise_values(voxels) values at t = 1
    const Voxels* voxels = nullptr;  // of a flow over voxels
    // The sample becomes value * deviation + mean per channel; empty: it stays as sampled.
    std::span<const float> mean{}, deviation{};
    // What the sample must not change; null: nothing is kept.
    struct Kept {
      std::span<const float> known;         // noise_values(voxels) values at t = 0, before mean and deviation
      std::span<const std::uint8_t> marks;  // as many; not 0: kept
      int repeats = 1;                      // of every step: Keep of samplers/flow_euler.h
      std::function<void(std::span<float>)> draw{};
    };
    const Kept* kept = nullptr;
    // A part of the run: `noise` is then what the steps before it left, and mean and deviation are for the last one alone.
    StepRange range{};
    std::vector<float>* estimate = nullptr;  // receives what the flow expects at t = 0 after its last step: x - t v
  };
  // Values of the noise, and of the sample: channels of the volume's cells, or of `voxels`.
  [[nodiscard]] virtual std::int64_t noise_values(const Voxels* voxels) const = 0;
  // One of several samples that are made together.
  struct Member {
    Input input;
    const Condition* condition = nullptr;
    std::function<bool()> left{};  // asked after every step: true: nobody wants it any more, and it comes back empty
  };
  // The samples of all members, evaluated together: a step takes the weights once for all of them. Conditions have as many
  // items each; members of more than one keep nothing, and make all steps. The same members give the same bits. Throws
  // invalid_argument for settings out of range and for conditions of other channels; out_of_memory where one member alone might
  // fit.
  [[nodiscard]] virtual std::vector<std::vector<float>> sample_each(std::span<const Member> members,
                                                                    const SamplerSettings& settings) = 0;
  [[nodiscard]] std::vector<float> sample(const Input& input, const Condition& condition, const SamplerSettings& settings) {
    const Member one{input, &condition};
    return std::move(sample_each({&one, 1}, settings).front());
  }
};

// An occupancy grid of the first stage.
struct Structure {
  std::vector<float> logits;  // [side, side, side]
  Voxels voxels;              // logits > 0 in lexicographic order, one batch element
};
class StructureDecoder : public Network {
 public:
  static constexpr std::string_view kKind = "a structure decoder";
  // latent [channels, r, r, r], as the structure's flow samples it.
  [[nodiscard]] virtual Structure decode(std::span<const float> latent) = 0;
};

class StructureEncoder : public Network {
 public:
  static constexpr std::string_view kKind = "a structure encoder";
  // The mean latent [channels, r, r, r] of an occupancy grid of one batch element.
  [[nodiscard]] virtual std::vector<float> encode(const Voxels& voxels) = 0;
};

// Decoders of the structured latent [rows of voxels, channels].
class GaussianNetwork : public Network {
 public:
  static constexpr std::string_view kKind = "a Gaussian decoder";
  [[nodiscard]] virtual Gaussians decode(const Voxels& voxels, std::span<const float> latent) = 0;
};
class MeshNetwork : public Network {
 public:
  static constexpr std::string_view kKind = "a mesh decoder";
  // `distances` [64 * rows * 8], if any, replace the signed distances that the network predicts: benchmarks extract a surface
  // of known size with them.
  [[nodiscard]] virtual Mesh decode(const Voxels& voxels, std::span<const float> latent, SurfaceRule rule,
                                    std::span<const float> distances) = 0;
  // An asset before it was edited, or behind an edit. All but the first: `row` has for every voxel its row in the state before,
  // or -1 where it is decoded anew, and `kept` [resolution^3, x outermost] is not 0 for cells that the edit did not touch.
  struct State {
    const Voxels* voxels = nullptr;
    std::span<const float> latent;
    std::span<const std::int64_t> row;
    std::span<const std::uint8_t> kept;
  };
  // The surface of the last one. Every state is decoded; the cubes of voxels that an edit kept are those of the state before,
  // and where all cells around a place are kept, so is its surface, bit for bit.
  [[nodiscard]] virtual Mesh decode_edited(std::span<const State> states, SurfaceRule rule) = 0;
};
class RadianceFieldNetwork : public Network {
 public:
  static constexpr std::string_view kKind = "a radiance field decoder";
  [[nodiscard]] virtual RadianceField decode(const Voxels& voxels, std::span<const float> latent) = 0;
};

}  // namespace espalier
