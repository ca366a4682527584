// The unconditioned transformer over sparse voxels that all SLAT decoders share.
#pragma once

#include "nn/layers.h"
#include "nn/probe.h"
#include "sparse/structure.h"

namespace espalier {

enum class AttentionMode : std::uint8_t {
  full,  // all voxels of a batch element
  swin,  // windows of window_size^3 cells, shifted by half in odd blocks
};

struct SparseTransformerConfig {
  int resolution = 64;
  std::int64_t in_channels = 0, channels = 0, blocks = 0, heads = 0, hidden = 0;
  AttentionMode mode = AttentionMode::swin;
  int window_size = 8;
  bool qk_rms_norm = false;
};

// Device tables of one sparse tensor for a SparseTransformer.
template <class Dev>
struct SparseTokens {
  View<Dev, const std::int32_t, 2> coords;  // [rows, 4]
  Packing<Dev> even, odd;                   // attention groups of even and odd blocks
};

// The same groups on the host, to be built once per asset.
struct TokenTables {
  HostPacking even, odd;
};
[[nodiscard]] TokenTables token_tables(const SparseTransformerConfig& config, const Voxels& voxels);

template <class Dev, class T>
class SparseTransformer {
 public:
  SparseTransformer(const SparseTransformerConfig& config, WeightLoader<Dev>& load);

  // Places the tables for these voxels into `arena`.
  [[nodiscard]] SparseTokens<Dev> prepare(Queue<Dev>& queue, Arena<Dev>& arena, const Voxels& voxels,
                                          const TokenTables& tables) const;
  [[nodiscard]] SparseTokens<Dev> prepare(Queue<Dev>& queue, Arena<Dev>& arena, const Voxels& voxels) const {
    return prepare(queue, arena, voxels, token_tables(config_, voxels));
  }

  // latent [rows, in channels] -> out [rows, channels] in the torso type.
  void operator()(Queue<Dev>& queue, View<Dev, const float, 2> latent, const SparseTokens<Dev>& tokens, View<Dev, T, 2> out,
                  Probe<Dev>* probe) const;

  [[nodiscard]] const SparseTransformerConfig& config() const { return config_; }

 private:
  struct Block {
    SelfAttention<Dev, T> attention;
    FeedForward<Dev, T> feed_forward;
  };

  SparseTransformerConfig config_;
  Linear<Dev, float> input_;
  std::vector<Block> blocks_;
};

}  // namespace espalier
