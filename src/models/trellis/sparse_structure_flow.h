// SparseStructureFlowModel: the rectified flow of the first stage over a dense latent volume.
#pragma once

#include "models/config.h"
#include "nn/modulated.h"

namespace espalier {

struct SparseStructureFlowConfig {
  int resolution = 0, patch_size = 0;
  std::int64_t in_channels = 0, out_channels = 0;
  FlowTransformerConfig transformer;
  [[nodiscard]] std::int64_t tokens() const {
    const std::int64_t side = resolution / patch_size;
    return side * side * side;
  }
  static SparseStructureFlowConfig from(Arguments args);
};

template <class Dev, class T>
class SparseStructureFlow {
 public:
  SparseStructureFlow(const SparseStructureFlowConfig& config, WeightLoader<Dev>& load);

  // Tables for `batch` volumes, placed into `arena`.
  [[nodiscard]] TokenLayout<Dev> layout(Queue<Dev>& queue, Arena<Dev>& arena, std::int64_t batch) const;

  // Velocity of x [batch, in, r, r, r] at times t [batch] (times 1000) -> out [batch, out, r, r, r].
  void forward(Queue<Dev>& queue, View<Dev, const float, 5> x, View<Dev, const float, 1> t, const TokenLayout<Dev>& layout,
               std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 5> out, Probe<Dev>* probe = nullptr) const;

  [[nodiscard]] const FlowTransformer<Dev, T>& transformer() const { return transformer_; }
  [[nodiscard]] const SparseStructureFlowConfig& config() const { return config_; }
  [[nodiscard]] const TimestepEmbedder<Dev>& embedder() const { return embedder_; }

 private:
  SparseStructureFlowConfig config_;
  TimestepEmbedder<Dev> embedder_;
  View<Dev, const float, 2> positions_;
  Linear<Dev, float> input_, output_;
  FlowTransformer<Dev, T> transformer_;
};

}  // namespace espalier
