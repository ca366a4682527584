// Decoders of the structured latent: one sparse transformer, three heads.
#pragma once

#include "assets/radiance_field.h"
#include "models/config.h"
#include "nn/sparse_transformer.h"
#include "ops/representation.h"

namespace espalier {

struct GaussianDecoderConfig {
  SparseTransformerConfig transformer;
  GaussianConfig gaussians;
  double kernel_size_2d = 0.1;  // of the rasteriser
  [[nodiscard]] std::int64_t channels() const { return std::int64_t{14} * gaussians.per_voxel; }
  static GaussianDecoderConfig from(Arguments args);
};

struct RadianceDecoderConfig {
  SparseTransformerConfig transformer;
  int rank = 0, dim = 0;
  [[nodiscard]] std::int64_t channels() const { return std::int64_t{rank} * (3 * dim + 4); }
  static RadianceDecoderConfig from(Arguments args);
};

struct MeshDecoderConfig {
  SparseTransformerConfig transformer;
  bool colour = false;
  [[nodiscard]] std::int64_t channels() const { return colour ? 101 : 53; }
  [[nodiscard]] int grid() const { return transformer.resolution * 4; }
  static MeshDecoderConfig from(Arguments args);
};

// Transformer, parameter-free layer norm, linear: the Gaussian and the radiance-field decoder up to their channels.
template <class Dev, class T>
class LatentHead {
 public:
  LatentHead(const SparseTransformerConfig& config, std::int64_t channels, WeightLoader<Dev>& load)
      : transformer_(config, load), output_(load, "out_layer", config.channels, channels) {}

  // latent [rows, in] -> out [rows, channels].
  void forward(Queue<Dev>& queue, View<Dev, const float, 2> latent, const SparseTokens<Dev>& tokens, View<Dev, float, 2> out,
               Probe<Dev>* probe) const;
  [[nodiscard]] const SparseTransformer<Dev, T>& transformer() const { return transformer_; }

 private:
  SparseTransformer<Dev, T> transformer_;
  Linear<Dev, float> output_;
};

template <class Dev, class T>
class GaussianDecoder {
 public:
  GaussianDecoder(const GaussianDecoderConfig& config, WeightLoader<Dev>& load)
      : config_(config),
        head_(config.transformer, config.channels(), load),
        perturbation_(load.template take<float, 2>("offset_perturbation", {config.gaussians.per_voxel, 3})) {}

  // raw [rows, channels] -> fields before activation.
  void fields(Queue<Dev>& queue, View<Dev, const float, 2> raw, View<Dev, const std::int32_t, 2> coords,
              const GaussianFields<Dev>& out) const {
    gaussian_fields<Dev>(queue, raw, coords, perturbation_, config_.gaussians, config_.transformer.resolution, out);
  }
  [[nodiscard]] const LatentHead<Dev, T>& head() const { return head_; }
  [[nodiscard]] const GaussianDecoderConfig& config() const { return config_; }

 private:
  GaussianDecoderConfig config_;
  LatentHead<Dev, T> head_;
  View<Dev, const float, 2> perturbation_;
};

template <class Dev, class T>
class RadianceDecoder {
 public:
  RadianceDecoder(const RadianceDecoderConfig& config, WeightLoader<Dev>& load)
      : config_(config), head_(config.transformer, config.channels(), load) {}
  [[nodiscard]] const LatentHead<Dev, T>& head() const { return head_; }
  [[nodiscard]] const RadianceDecoderConfig& config() const { return config_; }

 private:
  RadianceDecoderConfig config_;
  LatentHead<Dev, T> head_;
};

// raw [rows * channels] on the host -> the field; trivec gains the 1 that the reference adds.
[[nodiscard]] RadianceField split_radiance_field(const RadianceDecoderConfig& config, const Voxels& voxels,
                                                 const std::vector<float>& raw);

// The mesh decoder's network: every voxel becomes 4^3 cubes with the features that surface extraction reads.
template <class Dev, class T>
class MeshDecoder {
 public:
  MeshDecoder(const MeshDecoderConfig& config, WeightLoader<Dev>& load);

  // latent [rows, in] -> out [64 * rows, channels]: cube features in subdivision order. `neighbours` is the map of the
  // voxels. The finest level runs in tiles of `tile` parent voxels, so that its wide intermediate exists for a tile only.
  void forward(Queue<Dev>& queue, View<Dev, const float, 2> latent, const SparseTokens<Dev>& tokens,
               View<Dev, const std::int32_t, 2> neighbours, const Voxels& voxels, std::int64_t tile, View<Dev, float, 2> out,
               Probe<Dev>* probe = nullptr) const;
  // Coordinates of the cubes, [64 * rows, 4].
  void cube_coords(Queue<Dev>& queue, View<Dev, const std::int32_t, 2> coords, View<Dev, std::int32_t, 2> out) const;

  [[nodiscard]] const SparseTransformer<Dev, T>& transformer() const { return transformer_; }
  [[nodiscard]] const MeshDecoderConfig& config() const { return config_; }

 private:
  struct Subdivide {
    Subdivide(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t in, std::int64_t out);
    Affine<Dev> norm1, norm2;
    View<Dev, const T, 3> conv1_w, conv2_w;
    View<Dev, const T, 1> conv1_b, conv2_b;
    Linear<Dev, T> skip;
    std::int64_t in, out;
  };
  // First half of a block: norm, SiLU and the convolution over the children, written to h [8 * rows, out] and normalised.
  void first_half(Queue<Dev>& queue, const Subdivide& block, View<Dev, const T, 2> x,
                  View<Dev, const std::int32_t, 2> neighbours, const std::vector<std::int64_t>& begin, View<Dev, T, 2> h) const;
  // Second half for the children of the parents [first, first + count): convolution plus skip, into out [8 * count, out].
  void second_half(Queue<Dev>& queue, const Subdivide& block, View<Dev, const T, 2> x, View<Dev, const T, 2> h,
                   View<Dev, const std::int32_t, 2> neighbours, std::int64_t first, std::int64_t count,
                   View<Dev, T, 2> out) const;

  MeshDecoderConfig config_;
  SparseTransformer<Dev, T> transformer_;
  Subdivide first_, second_;
  Linear<Dev, float> output_;
};

}  // namespace espalier
