#include "models/trellis/sparse_structure_flow.h"

#include "models/trellis/flow_settings.h"
#include "nn/backends.h"
#include "ops/elementwise.h"
#include "ops/volume.h"
#include "sparse/structure.h"

namespace espalier {

SparseStructureFlowConfig SparseStructureFlowConfig::from(Arguments args) {
  SparseStructureFlowConfig c;
  c.resolution = static_cast<int>(args.integer("resolution", 1, 256));
  c.patch_size = static_cast<int>(args.integer_or("patch_size", 2, 1, 64));
  c.in_channels = args.integer("in_channels", 1, 4096);
  c.out_channels = args.integer("out_channels", 1, 4096);
  c.transformer = flow_transformer_of(args);
  if (c.resolution % c.patch_size != 0) {
    fail(ErrorCode::format, args.where(), ": resolution ", c.resolution, " is not a multiple of patch_size ", c.patch_size);
  }
  if (c.tokens() > (std::int64_t{1} << 20U)) fail(ErrorCode::unsupported, args.where(), ": more than 2^20 tokens");
  return c;
}

template <class Dev, class T>
SparseStructureFlow<Dev, T>::SparseStructureFlow(const SparseStructureFlowConfig& config, WeightLoader<Dev>& load)
    : config_(config),
      embedder_(load, "t_embedder", config.transformer.channels),
      positions_(load.template take<float, 2>("pos_emb", {config.tokens(), config.transformer.channels})),
      input_(load, "input_layer", config.in_channels * config.patch_size * config.patch_size * config.patch_size,
             config.transformer.channels),
      output_(load, "out_layer", config.transformer.channels,
              config.out_channels * config.patch_size * config.patch_size * config.patch_size),
      transformer_(config.transformer, load) {}

template <class Dev, class T>
TokenLayout<Dev> SparseStructureFlow<Dev, T>::layout(Queue<Dev>& queue, Arena<Dev>& arena, std::int64_t batch) const {
  const std::int64_t n = config_.tokens();
  TokenLayout<Dev> l;
  std::vector<std::int32_t> row_batch;
  row_batch.reserve(static_cast<std::size_t>(batch * n));
  const Packing<Dev> one = place(queue, arena, equal_batches(1, n));
  l.begin.push_back(0);
  for (std::int64_t b = 0; b < batch; ++b) {
    l.begin.push_back((b + 1) * n);
    l.queries.push_back(one);
    row_batch.insert(row_batch.end(), static_cast<std::size_t>(n), static_cast<std::int32_t>(b));
  }
  l.elements = place(queue, arena, equal_batches(batch, n));
  l.row_batch = place<Dev, std::int32_t, 1>(queue, arena, row_batch, {batch * n});
  return l;
}

template <class Dev, class T>
TimeModulation<Dev, T> SparseStructureFlow<Dev, T>::take_modulation(Arena<Dev>& arena, std::int64_t times) const {
  return {transformer_.take_modulation(arena, times), {}};
}

template <class Dev, class T>
void SparseStructureFlow<Dev, T>::modulate(Queue<Dev>& queue, View<Dev, const float, 1> t, const TimeModulation<Dev, T>& out,
                                           Probe<Dev>* probe) const {
  const Frame<Dev> frame(queue.scratch());
  auto t_emb = queue.scratch().template take<float, 2>({t.extent(0), config_.transformer.channels});
  embedder_(queue, t, t_emb);
  show(probe, "t_emb", queue, t_emb);
  transformer_.modulate(queue, t_emb, out.blocks);
}

template <class Dev, class T>
void SparseStructureFlow<Dev, T>::forward(Queue<Dev>& queue, View<Dev, const float, 5> x,
                                          const TimeModulation<Dev, T>& modulation, const TokenLayout<Dev>& layout,
                                          std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 5> out,
                                          Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const std::int64_t begun = x.extent(0) * config_.tokens();
  const std::int64_t rows = out.extent(0) * config_.tokens();
  const std::int64_t c = config_.transformer.channels;
  auto torso = arena.template take<T, 2>({rows, c});
  {
    const Frame<Dev> input_frame(arena);
    auto patches = arena.template take<float, 2>({begun, input_.in()});
    auto embedded = arena.template take<float, 2>({begun, c});
    patchify<Dev, float>(queue, x, config_.patch_size, patches);
    input_(queue, patches, embedded);
    show(probe, "input_layer", queue, embedded);
    add_rows<Dev, float>(queue, embedded, positions_);
    cast<Dev, float, T>(queue, View<Dev, const float, 1>(embedded.template reshape<1>({embedded.size()})),
                        torso.rows(0, begun).template reshape<1>({embedded.size()}));
  }
  transformer_(queue, torso, begun, modulation.blocks, layout, contexts, probe, "block");
  auto normed = arena.template take<float, 2>({rows, c});
  auto patches = arena.template take<float, 2>({rows, output_.out()});
  layer_norm<Dev, T, float>(queue, torso, {}, kPlainEpsilon, normed);
  output_(queue, normed, patches);
  unpatchify<Dev, float>(queue, patches, config_.patch_size, out);
}

#define ESPALIER_INSTANTIATE(Dev, T) template class SparseStructureFlow<Dev, T>;
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier
