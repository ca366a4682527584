#include "models/clip/clip.h"

#include "nn/backends.h"
#include "ops/elementwise.h"
#include "sparse/structure.h"

namespace espalier {

ClipTextConfig ClipTextConfig::from(Arguments args) {
  ClipTextConfig c;
  c.vocabulary = args.integer_or("vocab_size", c.vocabulary, 1, 1 << 24);
  c.length = args.integer_or("max_position_embeddings", c.length, 2, 4096);
  c.channels = args.integer_or("hidden_size", c.channels, 1, 65536);
  c.blocks = args.integer_or("num_hidden_layers", c.blocks, 0, 1024);
  c.heads = args.integer_or("num_attention_heads", c.heads, 1, 4096);
  c.hidden = args.integer_or("intermediate_size", c.hidden, 1, 1 << 20);
  c.epsilon = static_cast<float>(args.number_or("layer_norm_eps", c.epsilon));
  const std::string activation = args.text_or("hidden_act", "quick_gelu");
  if (activation != "quick_gelu" && activation != "gelu")
    fail(ErrorCode::unsupported, args.where(), ": hidden_act ", activation, hint("quick_gelu and gelu are known"));
  c.activation = activation == "gelu" ? Activation::gelu_erf : Activation::quick_gelu;
  if (c.channels % c.heads != 0)
    fail(ErrorCode::format, args.where(), ": hidden_size is not a multiple of num_attention_heads");
  if (!(c.epsilon > 0.0F && c.epsilon < 1.0F)) fail(ErrorCode::format, args.where(), ": layer_norm_eps is not in (0, 1)");
  return c;
}

template <class Dev, class T>
ClipText<Dev, T>::ClipText(const ClipTextConfig& config, WeightLoader<Dev>& load) : config_(config) {
  const std::int64_t c = config.channels;
  const std::string root = "text_model.";
  tokens_ = load.template take<T, 2>(root + "embeddings.token_embedding.weight", {config.vocabulary, c});
  positions_ = load.template take<T, 2>(root + "embeddings.position_embedding.weight", {config.length, c});
  blocks_.resize(static_cast<std::size_t>(config.blocks));
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string p = root + "encoder.layers." + std::to_string(i);
    Block& b = blocks_[i];
    b.norm1 = Affine<Dev>(load, p + ".layer_norm1", c);
    b.norm2 = Affine<Dev>(load, p + ".layer_norm2", c);
    b.q = Linear<Dev, T>(load, p + ".self_attn.q_proj", c, c);
    b.k = Linear<Dev, T>(load, p + ".self_attn.k_proj", c, c);
    b.v = Linear<Dev, T>(load, p + ".self_attn.v_proj", c, c);
    b.out = Linear<Dev, T>(load, p + ".self_attn.out_proj", c, c);
    b.feed_forward = FeedForward<Dev, T>(load, p + ".mlp.fc1", p + ".mlp.fc2", c, config.hidden, config.activation);
  }
  last_norm_ = Affine<Dev>(load, root + "final_layer_norm", c);
}

template <class Dev, class T>
void ClipText<Dev, T>::attend(Queue<Dev>& queue, const Block& block, View<Dev, const T, 2> y, const Packing<Dev>& texts,
                              View<Dev, T, 2> h) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t width = config_.channels / config_.heads;
  const auto heads = [&](View<Dev, T, 2> m) { return head_columns(m, 0, config_.heads, width); };
  auto q = arena.template take<T, 2>(y.extents());
  auto k = arena.template take<T, 2>(y.extents());
  auto v = arena.template take<T, 2>(y.extents());
  auto mixed = arena.template take<T, 2>(y.extents());
  block.q(queue, y, q);
  block.k(queue, y, k);
  block.v(queue, y, v);
  causal_attention<Dev, T>(queue, heads(q), heads(k), heads(v), texts, 1.0F / std::sqrt(static_cast<float>(width)),
                           heads(mixed));
  block.out(queue, mixed, h);
}

template <class Dev, class T>
void ClipText<Dev, T>::forward(Queue<Dev>& queue, View<Dev, const std::int32_t, 1> ids, View<Dev, float, 2> states,
                               Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t rows = ids.extent(0);
  const Packing<Dev> texts = place(queue, arena, equal_batches(rows / config_.length, config_.length));
  auto x = arena.template take<T, 2>({rows, config_.channels});
  auto y = arena.template take<T, 2>({rows, config_.channels});
  auto h = arena.template take<T, 2>({rows, config_.channels});
  gather_rows<Dev, T>(queue, tokens_, ids, x);
  add_rows<Dev, T>(queue, x, positions_);
  show(probe, "embeddings", queue, x);
  if (!blocks_.empty()) layer_norm<Dev, T, T>(queue, x, blocks_[0].norm1.template tail<T>(), config_.epsilon, y);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    queue.check();
    const Block& b = blocks_[i];
    attend(queue, b, y, texts, h);
    add_layer_norm<Dev, T>(queue, x, h, {}, b.norm2.template tail<T>(), config_.epsilon, y);
    b.feed_forward(queue, y, h);
    if (i + 1 < blocks_.size()) {
      add_layer_norm<Dev, T>(queue, x, h, {}, blocks_[i + 1].norm1.template tail<T>(), config_.epsilon, y);
    } else {
      add_gated<Dev, T>(queue, x, h, {}, {});
    }
    show(probe, "layer" + std::to_string(i), queue, x);
  }
  layer_norm<Dev, T, float>(queue, x, last_norm_.template tail<T>(), config_.epsilon, states);
}

#define ESPALIER_INSTANTIATE(Dev, T) template class ClipText<Dev, T>;
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier
