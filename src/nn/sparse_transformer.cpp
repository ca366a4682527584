#include "nn/sparse_transformer.h"

#include "nn/backends.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"

namespace espalier {

template <class Dev, class T>
SparseTransformer<Dev, T>::SparseTransformer(const SparseTransformerConfig& config, WeightLoader<Dev>& load)
    : config_(config), input_(load, "input_layer", config.in_channels, config.channels) {
  blocks_.resize(static_cast<std::size_t>(config.blocks));
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    const std::string p = "blocks." + std::to_string(i);
    blocks_[i].attention = SelfAttention<Dev, T>(load, p + ".attn", config.channels, config.heads, config.qk_rms_norm);
    blocks_[i].feed_forward =
        FeedForward<Dev, T>(load, p + ".mlp.mlp.0", p + ".mlp.mlp.2", config.channels, config.hidden, Activation::gelu_tanh);
  }
}

TokenTables token_tables(const SparseTransformerConfig& config, const Voxels& voxels) {
  TokenTables t;
  if (config.mode == AttentionMode::full) {
    t.even = whole_batches(voxels);
    t.odd = t.even;
  } else {
    t.even = windows(voxels, config.window_size, 0);
    t.odd = windows(voxels, config.window_size, config.window_size / 2);
  }
  return t;
}

template <class Dev, class T>
SparseTokens<Dev> SparseTransformer<Dev, T>::prepare(Queue<Dev>& queue, Arena<Dev>& arena, const Voxels& voxels,
                                                     const TokenTables& tables) const {
  SparseTokens<Dev> tokens;
  tokens.coords = place<Dev, std::int32_t, 2>(queue, arena, voxels.coords, {voxels.rows(), 4});
  tokens.even = place(queue, arena, tables.even);
  tokens.odd = place(queue, arena, tables.odd);
  return tokens;
}

template <class Dev, class T>
void SparseTransformer<Dev, T>::operator()(Queue<Dev>& queue, View<Dev, const float, 2> latent, const SparseTokens<Dev>& tokens,
                                           View<Dev, T, 2> x, Probe<Dev>* probe) const {
  const std::int64_t rows = latent.extent(0);
  const std::int64_t c = config_.channels;
  Arena<Dev>& arena = queue.scratch();
  {
    const Frame<Dev> frame(arena);
    auto embedded = arena.template take<float, 2>({rows, c});
    auto position = arena.template take<float, 2>({rows, c});
    input_(queue, latent, embedded);
    show(probe, "input_layer", queue, embedded);
    position_embedding<Dev, float>(queue, tokens.coords, position);
    const auto flat = embedded.template reshape<1>({embedded.size()});
    combine<Dev, float>(queue, 1.0F, flat, 1.0F, position.template reshape<1>({position.size()}), flat);
    cast<Dev, float, T>(queue, View<Dev, const float, 1>(flat), x.template reshape<1>({x.size()}));
  }
  const Frame<Dev> frame(arena);
  auto y = arena.template take<T, 2>({rows, c});
  auto h = arena.template take<T, 2>({rows, c});
  const NormTail<Dev, T> plain;
  if (!blocks_.empty()) layer_norm<Dev, T, T>(queue, x, plain, kBlockEpsilon, y);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    queue.check();
    blocks_[i].attention(queue, y, i % 2 == 0 ? tokens.even : tokens.odd, h);
    add_layer_norm<Dev, T>(queue, x, h, {}, plain, kBlockEpsilon, y);
    queue.check();
    blocks_[i].feed_forward(queue, y, h);
    if (i + 1 < blocks_.size()) {
      add_layer_norm<Dev, T>(queue, x, h, {}, plain, kBlockEpsilon, y);
    } else {
      add_gated<Dev, T>(queue, x, h, {}, {});
    }
    show(probe, "block" + std::to_string(i), queue, x);
  }
}

#define ESPALIER_INSTANTIATE(Dev, T) template class SparseTransformer<Dev, T>;
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier
