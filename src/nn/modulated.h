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

// What time steps do to the layers of a flow. The times of a run are known before it begins, so those of many steps are
// computed at once. One row for each time.
template <class Dev, class T>
struct TimeModulation {
  std::vector<View<Dev, T, 2>> blocks;    // of the transformer [times, 6 channels]
  std::vector<View<Dev, T, 2>> residual;  // of residual blocks, of flows that have such [times, 2 out]

  // Of one time.
  [[nodiscard]] TimeModulation at(std::int64_t time) const {
    TimeModulation one;
    for (const auto& all : blocks) one.blocks.push_back(all.rows(time, 1));
    for (const auto& all : residual) one.residual.push_back(all.rows(time, 1));
    return one;
  }
};

// Rows of the batch elements of a forward, on both sides.
template <class Dev>
struct TokenLayout {
  std::vector<std::int64_t> begin;             // [batch + 1]
  View<Dev, const std::int32_t, 1> row_batch;  // [rows]
  Packing<Dev> elements;                       // one sequence per batch element
  std::vector<Packing<Dev>> queries;           // per element: one sequence of its rows, counted from 0
  [[nodiscard]] std::int64_t batch() const { return static_cast<std::int64_t>(begin.size()) - 1; }
  // That of the first `count` elements: the same tables, cut off.
  [[nodiscard]] TokenLayout first(std::int64_t count) const {
    const auto n = static_cast<std::size_t>(count);
    TokenLayout cut;
    cut.begin.assign(begin.begin(), begin.begin() + count + 1);
    cut.row_batch = row_batch.rows(0, begin[n]);
    cut.elements = {elements.begin.rows(0, count + 1), {}, elements.longest};
    cut.queries.assign(queries.begin(), queries.begin() + count);
    return cut;
  }
};

template <class Dev, class T>
class FlowTransformer {
 public:
  FlowTransformer(const FlowTransformerConfig& config, WeightLoader<Dev>& load);

  // Precomputes a condition [tokens, condition channels], into `arena`.
  [[nodiscard]] Context<Dev, T> condition(Queue<Dev>& queue, Arena<Dev>& arena, View<Dev, const float, 2> tokens) const;
  // The condition of the same number of zero rows.
  [[nodiscard]] Context<Dev, T> zero_condition(Queue<Dev>& queue, Arena<Dev>& arena) const;

  // Memory for what so many times do to the blocks.
  [[nodiscard]] std::vector<View<Dev, T, 2>> take_modulation(Arena<Dev>& arena, std::int64_t times) const;
  // Fills it. t_emb [times, channels]: the embedder's output in float32.
  void modulate(Queue<Dev>& queue, View<Dev, const float, 2> t_emb, std::span<const View<Dev, T, 2>> out) const;

  // Runs all blocks on x [rows, channels] in place. `modulation` has per block one row for all elements or one for each;
  // contexts has one entry per batch element. `begun`: the rows of x that have values, all of them, or those of the first
  // elements when all others repeat these, in their order, until their contexts come in: what lies before is then computed
  // once. Fastest where elements with the zero condition share one context and come last.
  void operator()(Queue<Dev>& queue, View<Dev, T, 2> x, std::int64_t begun, std::span<const View<Dev, T, 2>> modulation,
                  const TokenLayout<Dev>& layout, std::span<const Context<Dev, T>* const> contexts, Probe<Dev>* probe,
                  const std::string& prefix) const;

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
  // A forward under way.
  struct Pass {
    const TokenLayout<Dev>& layout;
    std::span<const Context<Dev, T>* const> contexts;
    View<Dev, T, 2> x, y, h;  // the state, what a part reads, what it gives
    std::int64_t begun;       // rows of x and y that have values
    std::size_t distinct;     // elements that had values at first; the others repeat them
    bool one_time;            // the modulation has one row
    Probe<Dev>* probe;
    [[nodiscard]] View<Dev, const std::int32_t, 1> row_batch(std::int64_t first, std::int64_t rows) const {
      return one_time ? View<Dev, const std::int32_t, 1>{} : layout.row_batch.rows(first, rows);
    }
  };
  // h of the rows that have begun = self attention of y.
  void attend(Queue<Dev>& queue, const Block& block, const Pass& pass) const;
  // h of elements with a real condition = cross attention of y.
  void cross(Queue<Dev>& queue, std::size_t block, const Pass& pass) const;
  // x += h, or the constant of the zero condition, then y = the norm of x with a tail.
  void add_cross(Queue<Dev>& queue, std::size_t block, const Pass& pass, const NormTail<Dev, T>& tail) const;

  FlowTransformerConfig config_;
  Linear<Dev, float> shared_modulation_;
  std::vector<Block> blocks_;
};

}  // namespace espalier
