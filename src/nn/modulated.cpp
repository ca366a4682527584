#include "nn/modulated.h"

#include "base/with_cuda.h"
#include "nn/backends.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "sparse/structure.h"

namespace espalier {

template <class Dev>
void TimestepEmbedder<Dev>::operator()(Queue<Dev>& queue, In<Dev, float, 1> t, View<Dev, float, 2> out) const {
  const Frame<Dev> frame(queue.scratch());
  auto features = queue.scratch().template take<float, 2>({t.extent(0), kFeatures});
  auto hidden = queue.scratch().template take<float, 2>({t.extent(0), first.out()});
  timestep_embedding<Dev>(queue, t, features);
  first(queue, features, hidden, Activation::silu);
  second(queue, hidden, out);
}

template <class Dev, class T>
FlowTransformer<Dev, T>::FlowTransformer(const FlowTransformerConfig& config, WeightLoader<Dev>& load) : config_(config) {
  const std::int64_t c = config.channels;
  const std::int64_t width = c / config.heads;
  if (config.share_mod) shared_modulation_ = Linear<Dev, float>(load, "adaLN_modulation.1", c, 6 * c);
  blocks_.resize(static_cast<std::size_t>(config.blocks));
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string p = "blocks." + std::to_string(i);
    Block& b = blocks_[i];
    b.norm2 = Affine<Dev>(load, p + ".norm2", c);
    b.self_attention = SelfAttention<Dev, T>(load, p + ".self_attn", c, config.heads, config.qk_rms_norm);
    b.cross_q = Linear<Dev, T>(load, p + ".cross_attn.to_q", c, c);
    b.cross_kv = Linear<Dev, T>(load, p + ".cross_attn.to_kv", config.condition_channels, 2 * c);
    b.cross_out = Linear<Dev, T>(load, p + ".cross_attn.to_out", c, c);
    if (config.qk_rms_norm_cross) {
      b.cross_q_gamma = load.template take<float, 2>(p + ".cross_attn.q_rms_norm.gamma", {config.heads, width});
      b.cross_k_gamma = load.template take<float, 2>(p + ".cross_attn.k_rms_norm.gamma", {config.heads, width});
    }
    b.feed_forward = FeedForward<Dev, T>(load, p + ".mlp.mlp.0", p + ".mlp.mlp.2", c, config.hidden, Activation::gelu_tanh);
    if (!config.share_mod) b.modulation = Linear<Dev, T>(load, p + ".adaLN_modulation.1", c, 6 * c);
  }
}

template <class Dev, class T>
Context<Dev, T> FlowTransformer<Dev, T>::condition(Queue<Dev>& queue, Arena<Dev>& arena,
                                                   View<Dev, const float, 2> tokens) const {
  const std::int64_t n = tokens.extent(0);
  const std::int64_t width = config_.channels / config_.heads;
  Context<Dev, T> context;
  context.tokens = place(queue, arena, equal_batches(1, n));
  for (const Block& b : blocks_) {
    (void)b;
    context.keys_values.push_back(arena.template take<T, 2>({n, 2 * config_.channels}));
  }
  const Frame<Dev> frame(queue.scratch());
  auto narrow = queue.scratch().template take<T, 2>({n, config_.condition_channels});
  cast<Dev, float, T>(queue, tokens.template reshape<1>({tokens.size()}), narrow.template reshape<1>({narrow.size()}));
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    blocks_[i].cross_kv(queue, narrow, context.keys_values[i]);
    if (config_.qk_rms_norm_cross) {
      rms_norm_heads<Dev, T>(queue, head_columns(context.keys_values[i], 0, config_.heads, width), blocks_[i].cross_k_gamma);
    }
  }
  return context;
}

template <class Dev, class T>
Context<Dev, T> FlowTransformer<Dev, T>::zero_condition(Queue<Dev>& queue, Arena<Dev>& arena) const {
  Context<Dev, T> context;
  const std::int64_t c = config_.channels;
  for (const Block& b : blocks_) {
    auto constant = arena.template take<T, 2>({1, c});
    const View<Dev, const T, 2> value_bias(b.cross_kv.b.data() + c, {1, c});
    b.cross_out(queue, value_bias, constant);
    context.constants.push_back(constant);
  }
  return context;
}

template <class Dev, class T>
typename FlowTransformer<Dev, T>::Modulation FlowTransformer<Dev, T>::split(View<Dev, const T, 2> all) const {
  const std::int64_t c = config_.channels;
  const auto chunk = [&](std::int64_t i) { return columns(all, i * c, c); };
  return {chunk(0), chunk(1), chunk(2), chunk(3), chunk(4), chunk(5)};
}

template <class Dev, class T>
void FlowTransformer<Dev, T>::modulations(Queue<Dev>& queue, View<Dev, const float, 2> t_emb,
                                          std::vector<Modulation>& out) const {
  Arena<Dev>& arena = queue.scratch();
  const std::int64_t batch = t_emb.extent(0);
  const std::int64_t c = config_.channels;
  const auto flat = [](auto m) { return m.template reshape<1>({m.size()}); };
  if (config_.share_mod) {
    auto narrow = arena.template take<T, 2>({batch, 6 * c});
    const Frame<Dev> frame(arena);
    auto active = arena.template take<float, 2>({batch, c});
    auto all = arena.template take<float, 2>({batch, 6 * c});
    activate<Dev, float>(queue, flat(t_emb), Activation::silu, flat(active));
    shared_modulation_(queue, active, all);
    cast<Dev, float, T>(queue, flat(View<Dev, const float, 2>(all)), flat(narrow));
    out.assign(blocks_.size(), split(narrow));
    return;
  }
  // As in the reference, the embedding is rounded to the torso type before the activation.
  auto active = arena.template take<T, 2>({batch, c});
  cast<Dev, float, T>(queue, flat(t_emb), flat(active));
  activate<Dev, T>(queue, flat(active), Activation::silu, flat(active));
  for (const Block& b : blocks_) {
    auto all = arena.template take<T, 2>({batch, 6 * c});
    b.modulation(queue, active, all);
    out.push_back(split(all));
  }
}

template <class Dev, class T>
void FlowTransformer<Dev, T>::cross(Queue<Dev>& queue, std::size_t block, View<Dev, T, 2> y, View<Dev, T, 2> h,
                                    const TokenLayout<Dev>& layout, std::span<const Context<Dev, T>* const> contexts) const {
  const Block& b = blocks_[block];
  const std::int64_t c = config_.channels;
  const std::int64_t width = c / config_.heads;
  const Frame<Dev> frame(queue.scratch());
  auto q_all = queue.scratch().template take<T, 2>({y.extent(0), c});
  auto mixed_all = queue.scratch().template take<T, 2>({y.extent(0), c});
  for (std::size_t e = 0; e < contexts.size(); ++e) {
    const std::int64_t begin = layout.begin[e];
    const std::int64_t rows = layout.begin[e + 1] - begin;
    const auto h_rows = h.rows(begin, rows);
    const Context<Dev, T>& context = *contexts[e];
    if (context.zero()) {
      const View<Dev, const T, 2> repeated(context.constants[block].data(), {rows, c}, 0);
      scale_columns<Dev, T>(queue, repeated, {}, {}, h_rows);
      continue;
    }
    const auto q = q_all.rows(begin, rows);
    const auto mixed = mixed_all.rows(begin, rows);
    b.cross_q(queue, y.rows(begin, rows), q);
    if (config_.qk_rms_norm_cross) rms_norm_heads<Dev, T>(queue, head_columns(q, 0, config_.heads, width), b.cross_q_gamma);
    const auto kv = context.keys_values[block];
    attention<Dev, T>(queue, head_columns(q, 0, config_.heads, width), head_columns(kv, 0, config_.heads, width),
                      head_columns(kv, c, config_.heads, width), layout.queries[e], context.tokens,
                      1.0F / std::sqrt(static_cast<float>(width)), head_columns(mixed, 0, config_.heads, width));
    b.cross_out(queue, mixed, h_rows);
  }
}

template <class Dev, class T>
void FlowTransformer<Dev, T>::operator()(Queue<Dev>& queue, View<Dev, T, 2> x, View<Dev, const float, 2> t_emb,
                                         const TokenLayout<Dev>& layout, std::span<const Context<Dev, T>* const> contexts,
                                         Probe<Dev>* probe, const std::string& prefix) const {
  require(contexts.size() + 1 == layout.begin.size(), "FlowTransformer", contexts.size(), " conditions for ",
          layout.begin.size() - 1, " batch elements");
  const Frame<Dev> frame(queue.scratch());
  const std::int64_t rows = x.extent(0);
  std::vector<Modulation> mods;
  modulations(queue, t_emb, mods);
  auto y = queue.scratch().template take<T, 2>({rows, config_.channels});
  auto h = queue.scratch().template take<T, 2>({rows, config_.channels});
  const auto modulated = [&](View<Dev, const T, 2> shift, View<Dev, const T, 2> scale) {
    NormTail<Dev, T> tail;
    tail.shift = shift;
    tail.scale = scale;
    tail.row_batch = layout.row_batch;
    return tail;
  };
  if (!blocks_.empty()) {
    layer_norm<Dev, T, T>(queue, x, modulated(mods[0].shift_attention, mods[0].scale_attention), kBlockEpsilon, y);
  }
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    queue.check();
    const Block& b = blocks_[i];
    const Modulation& m = mods[i];
    const std::string name = prefix + std::to_string(i);
    b.self_attention(queue, y, layout.elements, h);
    show(probe, name + ".self_attn", queue, h);
    NormTail<Dev, T> affine = b.norm2.template tail<T>();
    affine.row_batch = layout.row_batch;
    add_layer_norm<Dev, T>(queue, x, h, m.gate_attention, affine, kBlockEpsilon, y);
    cross(queue, i, y, h, layout, contexts);
    show(probe, name + ".cross_attn", queue, h);
    add_layer_norm<Dev, T>(queue, x, h, {}, modulated(m.shift_mlp, m.scale_mlp), kBlockEpsilon, y);
    b.feed_forward(queue, y, h);
    if (i + 1 < blocks_.size()) {
      add_layer_norm<Dev, T>(queue, x, h, m.gate_mlp, modulated(mods[i + 1].shift_attention, mods[i + 1].scale_attention),
                             kBlockEpsilon, y);
    } else {
      add_gated<Dev, T>(queue, x, h, m.gate_mlp, layout.row_batch);
    }
    show(probe, name, queue, x);
  }
}

#define ESPALIER_INSTANTIATE(Dev, T) template class FlowTransformer<Dev, T>;
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE
template struct TimestepEmbedder<Cpu>;
#if ESPALIER_WITH_CUDA
template struct TimestepEmbedder<Cuda>;
#endif

}  // namespace espalier
