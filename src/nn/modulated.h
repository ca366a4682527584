// The conditioned transformer of both flow models: blocks of self attention, cross attention to the condition and a
// feed-forward layer, modulated by the time step (adaLN; Peebles and Xie 2023, with TRELLIS' cross attention between).
#pragma once

#include <optional>
#include <span>

#include "nn/layers.h"
#include "nn/probe.h"

namespace espalier {

struct FlowTransformerConfig {
  std::int64_t channels = 0, condition_channels = 0, blocks = 0, heads = 0, hidden = 0;
  bool share_mod = false, qk_rms_norm = false, qk_rms_norm_cross = false;
};

// Timestep embedding: sinusoid of 256 features, Linear, SiLU, Linear; float32.
template <class Dev>
struct TimestepEmbedder {
  TimestepEmbedder() = default;
  TimestepEmbedder(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t channels)
      : first(load, prefix + ".mlp.0", kFeatures, channels), second(load, prefix + ".mlp.2", channels, channels) {}

  // t [batch] (already times 1000), out [batch, channels].
  void operator()(Queue<Dev>& queue, In<Dev, float, 1> t, View<Dev, float, 2> out) const;

  static constexpr std::int64_t kFeatures = 256;
  Linear<Dev, float> first, second;
};

// What cross attention needs of one condition, computed once per asset: keys and values of every block, or, for the
// all-zero condition, the one vector that its cross attention adds to every row (all keys and values equal the bias, so
// the softmax does not matter).
template <class Dev, class T>
struct Context {
  std::vector<View<Dev, T, 2>> keys_values;  // per block [tokens, 2 channels]; empty for the zero condition
  std::vector<View<Dev, T, 2>> constants;    // per block [1, channels]; empty otherwise
  Packing<Dev> tokens;                       // one sequence of all tokens
  [[nodiscard]] bool zero() const { return keys_values.empty(); }
};

// Rows of the batch elements of a forward, on both sides.
template <class Dev>
struct TokenLayout {
  std::vector<std::int64_t> begin;             // [batch + 1]
  View<Dev, const std::int32_t, 1> row_batch;  // [rows]
  Packing<Dev> elements;                       // one sequence per batch element
  std::vector<Packing<Dev>> queries;           // per element: one sequence of its rows, counted from 0
};

template <class Dev, class T>
class FlowTransformer {
 public:
  FlowTransformer(const FlowTransformerConfig& config, WeightLoader<Dev>& load);

  // Precomputes a condition [tokens, condition channels], into `arena`.
  [[nodiscard]] Context<Dev, T> condition(Queue<Dev>& queue, Arena<Dev>& arena, View<Dev, const float, 2> tokens) const;
  // The condition of the same number of zero rows.
  [[nodiscard]] Context<Dev, T> zero_condition(Queue<Dev>& queue, Arena<Dev>& arena) const;

  // Runs all blocks on x [rows, channels] in place. t_emb [batch, channels] is the embedder's output in float32;
  // contexts has one entry per batch element.
  void operator()(Queue<Dev>& queue, View<Dev, T, 2> x, View<Dev, const float, 2> t_emb, const TokenLayout<Dev>& layout,
                  std::span<const Context<Dev, T>* const> contexts, Probe<Dev>* probe, const std::string& prefix) const;

  [[nodiscard]] const FlowTransformerConfig& config() const { return config_; }

 private:
  struct Block {
    Affine<Dev> norm2;
    SelfAttention<Dev, T> self_attention;
    Linear<Dev, T> cross_q, cross_kv, cross_out;
    View<Dev, const float, 2> cross_q_gamma, cross_k_gamma;
    FeedForward<Dev, T> feed_forward;
    Linear<Dev, T> modulation;
  };
  // The six chunks of a block's modulation, each [batch, channels].
  struct Modulation {
    View<Dev, const T, 2> shift_attention, scale_attention, gate_attention, shift_mlp, scale_mlp, gate_mlp;
  };
  [[nodiscard]] Modulation split(View<Dev, const T, 2> all) const;
  void modulations(Queue<Dev>& queue, View<Dev, const float, 2> t_emb, std::vector<Modulation>& out) const;
  void cross(Queue<Dev>& queue, std::size_t block, View<Dev, T, 2> y, View<Dev, T, 2> h, const TokenLayout<Dev>& layout,
             std::span<const Context<Dev, T>* const> contexts) const;

  FlowTransformerConfig config_;
  Linear<Dev, float> shared_modulation_;
  std::vector<Block> blocks_;
};

}  // namespace espalier
