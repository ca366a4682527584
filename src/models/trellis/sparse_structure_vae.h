// SparseStructureDecoder and SparseStructureEncoder: the dense convolutional autoencoder of the occupancy grid.
#pragma once

#include "models/config.h"
#include "nn/layers.h"
#include "nn/probe.h"

namespace espalier {

struct SparseStructureVaeConfig {
  std::int64_t in_channels = 1;  // of the encoder; out_channels of the decoder
  std::int64_t latent_channels = 8;
  int res_blocks = 0, middle_blocks = 2;
  std::vector<std::int64_t> channels;
  bool group_norm = false;  // of the output layer only; all residual blocks use channel layer norm
  [[nodiscard]] int scale() const { return 1 << (channels.size() - 1); }
  static SparseStructureVaeConfig from_decoder(Arguments args);
  static SparseStructureVaeConfig from_encoder(Arguments args);
};

// A 3x3x3 convolution with weights in channels-last order.
template <class Dev, class T>
struct Conv3d {
  Conv3d() = default;
  Conv3d(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t in, std::int64_t out)
      : w(load.template take<T, 5>(prefix + ".weight", {out, in, 3, 3, 3}, Order::channels_last)),
        b(load.template take<T, 1>(prefix + ".bias", {out})) {}
  [[nodiscard]] std::int64_t out() const { return w.extent(0); }
  View<Dev, const T, 5> w;
  View<Dev, const T, 1> b;
};

template <class Dev, class T>
struct VolumeResBlock {
  VolumeResBlock(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t channels)
      : norm1(load, prefix + ".norm1", channels),
        norm2(load, prefix + ".norm2", channels),
        conv1(load, prefix + ".conv1", channels, channels),
        conv2(load, prefix + ".conv2", channels, channels) {}
  // x [batch, n0, n1, n2, channels], in place.
  void operator()(Queue<Dev>& queue, View<Dev, T, 5> x) const;
  Affine<Dev> norm1, norm2;
  Conv3d<Dev, T> conv1, conv2;
};

// Norm, SiLU, convolution; float32.
template <class Dev>
struct VolumeHead {
  VolumeHead(WeightLoader<Dev>& load, std::int64_t channels, std::int64_t out, bool group)
      : norm(load, "out_layer.0", channels), conv(load, "out_layer.2", channels, out), group_norm(group) {}
  template <class T>
  void operator()(Queue<Dev>& queue, View<Dev, const T, 5> x, View<Dev, float, 5> out) const;
  Affine<Dev> norm;
  Conv3d<Dev, float> conv;
  bool group_norm;
};

template <class Dev, class T>
class SparseStructureDecoder {
 public:
  SparseStructureDecoder(const SparseStructureVaeConfig& config, WeightLoader<Dev>& load);
  // Latent z [batch, latent, r, r, r] -> occupancy logits [batch, s, s, s, 1] with s = r * scale.
  void forward(Queue<Dev>& queue, View<Dev, const float, 5> z, View<Dev, float, 5> out, Probe<Dev>* probe = nullptr) const;
  [[nodiscard]] const SparseStructureVaeConfig& config() const { return config_; }

 private:
  SparseStructureVaeConfig config_;
  Conv3d<Dev, float> input_;
  std::vector<VolumeResBlock<Dev, T>> middle_;
  struct Stage {
    std::vector<VolumeResBlock<Dev, T>> blocks;
    Conv3d<Dev, T> up;  // empty in the last stage
  };
  std::vector<Stage> stages_;
  VolumeHead<Dev> head_;
};

template <class Dev, class T>
class SparseStructureEncoder {
 public:
  SparseStructureEncoder(const SparseStructureVaeConfig& config, WeightLoader<Dev>& load);
  // Occupancy [batch, in, s, s, s] -> mean and log variance, channels [batch, r, r, r, 2 * latent] with r = s / scale.
  void forward(Queue<Dev>& queue, View<Dev, const float, 5> x, View<Dev, float, 5> out, Probe<Dev>* probe = nullptr) const;
  [[nodiscard]] const SparseStructureVaeConfig& config() const { return config_; }

 private:
  SparseStructureVaeConfig config_;
  Conv3d<Dev, float> input_;
  struct Stage {
    std::vector<VolumeResBlock<Dev, T>> blocks;
    View<Dev, const T, 2> down_w;  // [out, 8 * in]; empty in the last stage
    View<Dev, const T, 1> down_b;
  };
  std::vector<Stage> stages_;
  std::vector<VolumeResBlock<Dev, T>> middle_;
  VolumeHead<Dev> head_;
};

}  // namespace espalier
