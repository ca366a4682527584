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

  // Memory for what so many times do to the layers, and what fills it; t [times] (times 1000).
  [[nodiscard]] TimeModulation<Dev, T> take_modulation(Arena<Dev>& arena, std::int64_t times) const;
  void modulate(Queue<Dev>& queue, View<Dev, const float, 1> t, const TimeModulation<Dev, T>& out,
                Probe<Dev>* probe = nullptr) const;

  // Velocity of x [batch, in, r, r, r], or of fewer that the elements repeat in turn, -> out [batch, out, r, r, r].
  // `modulation`: of one time for all elements or of one for each.
  void forward(Queue<Dev>& queue, View<Dev, const float, 5> x, const TimeModulation<Dev, T>& modulation,
               const TokenLayout<Dev>& layout, std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 5> out,
               Probe<Dev>* probe = nullptr) const;
  // The same at times t [batch] (times 1000).
  void forward(Queue<Dev>& queue, View<Dev, const float, 5> x, View<Dev, const float, 1> t, const TokenLayout<Dev>& layout,
               std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 5> out, Probe<Dev>* probe = nullptr) const {
    const Frame<Dev> frame(queue.scratch());
    const auto modulation = take_modulation(queue.scratch(), t.extent(0));
    modulate(queue, t, modulation, probe);
    forward(queue, x, modulation, layout, contexts, out, probe);
  }

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
