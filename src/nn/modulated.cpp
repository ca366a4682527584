#include "nn/modulated.h"

#include <algorithm>

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
    b.cross_kv = Linear<Dev, T>(load, p + ".cross_attn.to_kv", config.condition_channels, 2 * c, true, LayerRows::few);
    b.cross_out = Linear<Dev, T>(load, p + ".cross_attn.to_out", c, c);
    if (config.qk_rms_norm_cross) {
      b.cross_q_gamma = load.template take<float, 2>(p + ".cross_attn.q_rms_norm.gamma", {config.heads, width});
      b.cross_k_gamma = load.template take<float, 2>(p + ".cross_attn.k_rms_norm.gamma", {config.heads, width});
    }
    b.feed_forward = FeedForward<Dev, T>(load, p + ".mlp.mlp.0", p + ".mlp.mlp.2", c, config.hidden, Activation::gelu_tanh);
    if (!config.share_mod) b.modulation = Linear<Dev, T>(load, p + ".adaLN_modulation.1", c, 6 * c, true, LayerRows::few);
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
std::vector<View<Dev, T, 2>> FlowTransformer<Dev, T>::take_modulation(Arena<Dev>& arena, std::int64_t times) const {
  std::vector<View<Dev, T, 2>> out;
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    if (i == 0 || !config_.share_mod) {
      out.push_back(arena.template take<T, 2>({times, 6 * config_.channels}));
    } else {
      out.push_back(out[0]);
    }
  }
  return out;
}

template <class Dev, class T>
void FlowTransformer<Dev, T>::modulate(Queue<Dev>& queue, View<Dev, const float, 2> t_emb,
                                       std::span<const View<Dev, T, 2>> out) const {
  if (blocks_.empty()) return;
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t times = t_emb.extent(0);
  const std::int64_t c = config_.channels;
  const auto flat = [](auto m) { return m.template reshape<1>({m.size()}); };
  if (config_.share_mod) {
    auto active = arena.template take<float, 2>({times, c});
    auto all = arena.template take<float, 2>({times, 6 * c});
    activate<Dev, float>(queue, flat(t_emb), Activation::silu, flat(active));
    shared_modulation_(queue, active, all);
    cast<Dev, float, T>(queue, flat(View<Dev, const float, 2>(all)), flat(out[0]));
    return;
  }
  // As in the reference, the embedding is rounded to the torso type before the activation.
  auto active = arena.template take<T, 2>({times, c});
  cast<Dev, float, T>(queue, flat(t_emb), flat(active));
  activate<Dev, T>(queue, flat(active), Activation::silu, flat(active));
  for (std::size_t i = 0; i < blocks_.size(); ++i) blocks_[i].modulation(queue, active, out[i]);
}

template <class Dev, class T>
void FlowTransformer<Dev, T>::attend(Queue<Dev>& queue, const Block& block, const Pass& pass) const {
  const bool all = pass.begun == pass.x.extent(0);
  const Packing<Dev> elements =
      all ? pass.layout.elements : pass.layout.first(static_cast<std::int64_t>(pass.distinct)).elements;
  block.self_attention(queue, pass.y.rows(0, pass.begun), elements, pass.h.rows(0, pass.begun));
}

template <class Dev, class T>
void FlowTransformer<Dev, T>::cross(Queue<Dev>& queue, std::size_t block, const Pass& pass) const {
  const Block& b = blocks_[block];
  const TokenLayout<Dev>& layout = pass.layout;
  const std::int64_t c = config_.channels;
  const std::int64_t width = c / config_.heads;
  const bool shared = pass.begun < pass.x.extent(0);
  const Frame<Dev> frame(queue.scratch());
  auto q_all = queue.scratch().template take<T, 2>({pass.y.extent(0), c});
  auto mixed_all = queue.scratch().template take<T, 2>({pass.y.extent(0), c});
  for (std::size_t e = 0; e < pass.contexts.size(); ++e) {
    const std::int64_t begin = layout.begin[e];
    const std::int64_t rows = layout.begin[e + 1] - begin;
    const Context<Dev, T>& context = *pass.contexts[e];
    if (context.zero()) continue;
    const auto q = q_all.rows(begin, rows);
    const auto mixed = mixed_all.rows(begin, rows);
    b.cross_q(queue, pass.y.rows(shared ? layout.begin[e % pass.distinct] : begin, rows), q);
    if (config_.qk_rms_norm_cross) rms_norm_heads<Dev, T>(queue, head_columns(q, 0, config_.heads, width), b.cross_q_gamma);
    const auto kv = context.keys_values[block];
    attention<Dev, T>(queue, head_columns(q, 0, config_.heads, width), head_columns(kv, 0, config_.heads, width),
                      head_columns(kv, c, config_.heads, width), layout.queries[e], context.tokens,
                      1.0F / std::sqrt(static_cast<float>(width)), head_columns(mixed, 0, config_.heads, width));
    b.cross_out(queue, mixed, pass.h.rows(begin, rows));
  }
}

template <class Dev, class T>
void FlowTransformer<Dev, T>::add_cross(Queue<Dev>& queue, std::size_t block, const Pass& pass,
                                        const NormTail<Dev, T>& tail) const {
  const std::size_t batch = pass.contexts.size();
  const auto constant = [&](std::size_t e) { return View<Dev, const T, 2>(pass.contexts[e]->constants[block]); };
  // The zero condition of guidance is that of the last elements, whose constant goes into the norm itself. Others, and what a
  // probe wants to see, are written out.
  std::size_t written = batch;
  while (pass.probe == nullptr && written > 0 && pass.contexts[written - 1]->zero() &&
         pass.contexts[written - 1] == pass.contexts[batch - 1]) {
    --written;
  }
  for (std::size_t e = 0; e < written; ++e) {
    if (!pass.contexts[e]->zero()) continue;
    const std::int64_t rows = pass.layout.begin[e + 1] - pass.layout.begin[e];
    const View<Dev, const T, 2> repeated(constant(e).data(), {rows, config_.channels}, 0);
    scale_columns<Dev, T>(queue, repeated, {}, {}, pass.h.rows(pass.layout.begin[e], rows));
  }
  if (written < batch) {
    add_layer_norm<Dev, T>(queue, pass.x, pass.h.rows(0, pass.layout.begin[written]), {}, tail, kBlockEpsilon, pass.y,
                           constant(batch - 1));
  } else {
    add_layer_norm<Dev, T>(queue, pass.x, pass.h, {}, tail, kBlockEpsilon, pass.y);
  }
}

template <class Dev, class T>
void FlowTransformer<Dev, T>::operator()(Queue<Dev>& queue, View<Dev, T, 2> x, std::int64_t begun,
                                         std::span<const View<Dev, T, 2>> modulation, const TokenLayout<Dev>& layout,
                                         std::span<const Context<Dev, T>* const> contexts, Probe<Dev>* probe,
                                         const std::string& prefix) const {
  const auto batch = static_cast<std::int64_t>(contexts.size());
  const std::int64_t rows = x.extent(0);
  const std::int64_t distinct = std::lower_bound(layout.begin.begin(), layout.begin.end(), begun) - layout.begin.begin();
  require(batch == layout.batch() && modulation.size() == blocks_.size() && distinct > 0 && batch % distinct == 0 &&
              layout.begin[static_cast<std::size_t>(distinct)] == begun && begun * (batch / distinct) == rows,
          "FlowTransformer", batch, " conditions for ", layout.batch(), " batch elements, ", begun, " of ", rows, " rows");
  if (blocks_.empty()) {
    for (std::int64_t row = begun; row < rows; row += begun) copy<Dev, T, 2>(queue, x.rows(0, begun), x.rows(row, begun));
    return;
  }
  const bool one_time = modulation[0].extent(0) == 1;
  require(one_time || modulation[0].extent(0) == batch, "FlowTransformer", modulation[0].extent(0), " times for ", batch,
          " batch elements");
  const Frame<Dev> frame(queue.scratch());
  const std::int64_t c = config_.channels;
  Pass pass{layout,
            contexts,
            x,
            queue.scratch().template take<T, 2>({rows, c}),
            queue.scratch().template take<T, 2>({rows, c}),
            begun,
            static_cast<std::size_t>(distinct),
            one_time,
            probe};
  // Chunk i of a block's six: shift, scale and gate of the attention, then of the feed-forward layer.
  const auto chunk = [&](std::size_t block, std::int64_t i) {
    return columns(View<Dev, const T, 2>(modulation[block]), i * c, c);
  };
  const auto modulated = [&](std::size_t block, std::int64_t first) {
    NormTail<Dev, T> tail;
    tail.shift = chunk(block, first);
    tail.scale = chunk(block, first + 1);
    tail.row_batch = pass.row_batch(0, pass.begun);
    return tail;
  };
  const auto begun_rows = [&](View<Dev, T, 2> all) { return all.rows(0, pass.begun); };
  layer_norm<Dev, T, T>(queue, begun_rows(x), modulated(0, 0), kBlockEpsilon, begun_rows(pass.y));
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    queue.check();
    const Block& b = blocks_[i];
    const std::string name = prefix + std::to_string(i);
    attend(queue, b, pass);
    show(probe, name + ".self_attn", queue, pass.h);
    NormTail<Dev, T> affine = b.norm2.template tail<T>();
    affine.row_batch = pass.row_batch(0, pass.begun);
    add_layer_norm<Dev, T>(queue, begun_rows(x), begun_rows(pass.h), chunk(i, 2), affine, kBlockEpsilon, begun_rows(pass.y));
    queue.check();  // on a processor each of the three may take a second
    cross(queue, i, pass);
    for (; pass.begun < rows; pass.begun += begun) {
      copy<Dev, T, 2>(queue, x.rows(0, begun), x.rows(pass.begun, begun));
    }
    add_cross(queue, i, pass, modulated(i, 3));
    show(probe, name + ".cross_attn", queue, pass.h);
    queue.check();
    b.feed_forward(queue, pass.y, pass.h);
    if (i + 1 < blocks_.size()) {
      add_layer_norm<Dev, T>(queue, x, pass.h, chunk(i, 5), modulated(i + 1, 0), kBlockEpsilon, pass.y);
    } else {
      add_gated<Dev, T>(queue, x, pass.h, chunk(i, 5), pass.row_batch(0, rows));
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
