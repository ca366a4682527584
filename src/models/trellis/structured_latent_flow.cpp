#include "models/trellis/structured_latent_flow.h"

#include <cmath>

#include "models/trellis/flow_settings.h"
#include "nn/backends.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "sparse/convolution.h"

namespace espalier {

StructuredLatentFlowConfig StructuredLatentFlowConfig::from(Arguments args) {
  StructuredLatentFlowConfig c;
  c.resolution = static_cast<int>(args.integer("resolution", 1, 1024));
  c.in_channels = args.integer("in_channels", 1, 4096);
  c.out_channels = args.integer("out_channels", 1, 4096);
  const std::int64_t patch = args.integer_or("patch_size", 2, 1, 64);
  c.io_res_blocks = static_cast<int>(args.integer_or("num_io_res_blocks", 2, 1, 64));
  if (args.has("io_block_channels")) {
    c.io_channels = args.integers("io_block_channels", 1, 65536);
    if (patch != std::int64_t{1} << c.io_channels.size()) {
      fail(ErrorCode::format, args.where(), ": patch_size ", patch, " needs log2(patch_size) io_block_channels, found ",
           c.io_channels.size());
    }
    if (c.resolution % patch != 0)
      fail(ErrorCode::format, args.where(), ": resolution ", c.resolution, " is no multiple of patch_size");
  } else {
    args.ignore("io_block_channels");
  }
  c.skip_connections = args.flag_or("use_skip_connection", true);
  c.transformer = flow_transformer_of(args);
  return c;
}

template <class Dev, class T>
StructuredLatentFlow<Dev, T>::ResidualBlock::ResidualBlock(WeightLoader<Dev>& load, const std::string& prefix,
                                                           std::int64_t in_channels, std::int64_t emb,
                                                           std::int64_t out_channels, Resample r)
    : resample(r), in(in_channels), out(out_channels), norm1(load, prefix + ".norm1", in_channels) {
  const auto conv = [&](const std::string& name, std::int64_t from, View<Dev, const T, 3>& w, View<Dev, const T, 1>& b) {
    w = load.template take<T, 5>(prefix + name + ".conv.weight", {out, 3, 3, 3, from}).template reshape<3>({out, 27, from});
    b = load.template take<T, 1>(prefix + name + ".conv.bias", {out});
  };
  conv(".conv1", in, conv1_w, conv1_b);
  conv(".conv2", out, conv2_w, conv2_b);
  emb_layer = Linear<Dev, T>(load, prefix + ".emb_layers.1", emb, 2 * out);
  if (in != out) skip = Linear<Dev, T>(load, prefix + ".skip_connection", in, out);
}

template <class Dev, class T>
void StructuredLatentFlow<Dev, T>::ResidualBlock::operator()(Queue<Dev>& queue, View<Dev, const T, 2> x,
                                                             View<Dev, const T, 2> emb, const LatentStructure<Dev>& structure,
                                                             std::size_t level, View<Dev, T, 2> result,
                                                             Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  // `level` is where the convolutions run; a resampled input comes from the level below or above.
  const auto& here = structure.levels[level];
  const std::int64_t rows = here.rows;
  if (resample != Resample::none) {
    auto moved = arena.template take<T, 2>({rows, in});
    if (resample == Resample::down) {
      const auto& fine = structure.levels[level - 1];
      mean_children<Dev, T>(queue, x, fine.begin, fine.child, moved);
      show(probe, "down_feats", queue, moved);
    } else {
      gather_rows<Dev, T>(queue, x, here.parent, moved);
    }
    x = moved;
  }
  auto mods = arena.template take<T, 2>({emb.extent(0), 2 * out});
  emb_layer(queue, emb, mods);
  auto a = arena.template take<T, 2>({rows, in});
  auto h = arena.template take<T, 2>({rows, out});
  auto b = arena.template take<T, 2>({rows, out});
  layer_norm<Dev, T, T>(queue, x, norm1.template tail<T>(Activation::silu), kBlockEpsilon, a);
  submanifold_conv<Dev, T>(queue, a, conv1_w, conv1_b, here.neighbours, {}, h);
  NormTail<Dev, T> tail;
  tail.scale = columns(View<Dev, const T, 2>(mods), 0, out);
  tail.shift = columns(View<Dev, const T, 2>(mods), out, out);
  tail.row_batch = here.row_batch;
  tail.activation = Activation::silu;
  layer_norm<Dev, T, T>(queue, h, tail, kBlockEpsilon, b);
  View<Dev, const T, 2> residual = x;
  if (skip.w.data() != nullptr) {
    skip(queue, x, h);
    residual = h;
  }
  submanifold_conv<Dev, T>(queue, b, conv2_w, conv2_b, here.neighbours, residual, result);
}

template <class Dev, class T>
StructuredLatentFlow<Dev, T>::StructuredLatentFlow(const StructuredLatentFlowConfig& config, WeightLoader<Dev>& load)
    : config_(config),
      embedder_(load, "t_embedder", config.transformer.channels),
      input_(load, "input_layer", config.in_channels,
             config.io_channels.empty() ? config.transformer.channels : config.io_channels[0]),
      output_(load, "out_layer", config.io_channels.empty() ? config.transformer.channels : config.io_channels[0],
              config.out_channels),
      transformer_(config.transformer, load) {
  const std::int64_t c = config.transformer.channels;
  const std::size_t stages = config.io_channels.size();
  const auto channels_at = [&](std::size_t i) { return i < stages ? config.io_channels[i] : c; };
  const auto name = [](const char* list, std::size_t i) { return std::string(list) + "." + std::to_string(i); };
  for (std::size_t s = 0; s < stages; ++s) {
    for (int i = 0; i + 1 < config.io_res_blocks; ++i) {
      input_blocks_.emplace_back(load, name("input_blocks", input_blocks_.size()), channels_at(s), c, channels_at(s),
                                 Resample::none);
    }
    input_blocks_.emplace_back(load, name("input_blocks", input_blocks_.size()), channels_at(s), c, channels_at(s + 1),
                               Resample::down);
  }
  const std::int64_t wide = config.skip_connections ? 2 : 1;
  for (std::size_t s = stages; s-- > 0;) {
    output_blocks_.emplace_back(load, name("out_blocks", output_blocks_.size()), channels_at(s + 1) * wide, c, channels_at(s),
                                Resample::up);
    for (int i = 0; i + 1 < config.io_res_blocks; ++i) {
      output_blocks_.emplace_back(load, name("out_blocks", output_blocks_.size()), channels_at(s) * wide, c, channels_at(s),
                                  Resample::none);
    }
  }
}

LatentTables latent_tables(const StructuredLatentFlowConfig& config, const Voxels& voxels) {
  LatentTables t;
  const std::size_t stages = config.io_channels.size();
  Voxels level = voxels;
  for (std::size_t i = 0; i <= stages; ++i) {
    LatentTables::Level& l = t.levels.emplace_back();
    l.row_batch = row_batches(level);
    if (stages > 0) l.neighbours = neighbour_map(level);
    l.voxels = std::move(level);
    if (i == stages) break;
    l.coarser = coarsen(l.voxels);
    level = l.coarser.coarse;
  }
  return t;
}

template <class Dev, class T>
LatentStructure<Dev> StructuredLatentFlow<Dev, T>::prepare(Queue<Dev>& queue, Arena<Dev>& arena,
                                                           const LatentTables& tables) const {
  LatentStructure<Dev> s;
  const auto list = [&](const std::vector<std::int32_t>& v) {
    return place<Dev, std::int32_t, 1>(queue, arena, v, {static_cast<std::int64_t>(v.size())});
  };
  for (const LatentTables::Level& from : tables.levels) {
    auto& l = s.levels.emplace_back();
    l.rows = from.voxels.rows();
    l.row_batch = list(from.row_batch);
    if (!from.neighbours.empty()) l.neighbours = place<Dev, std::int32_t, 2>(queue, arena, from.neighbours, {l.rows, 27});
    if (&from == &tables.levels.back()) break;
    l.parent = list(from.coarser.parent);
    l.begin = list(from.coarser.begin);
    l.child = list(from.coarser.child);
  }
  const Voxels& level = tables.levels.back().voxels;
  auto& last = s.levels.back();
  last.coords = place<Dev, std::int32_t, 2>(queue, arena, level.coords, {last.rows, 4});
  s.tokens.begin = level.begin;
  s.tokens.row_batch = last.row_batch;
  s.tokens.elements = place(queue, arena, whole_batches(level));
  for (std::int64_t b = 0; b < level.batch(); ++b) {
    const auto i = static_cast<std::size_t>(b);
    s.tokens.queries.push_back(place(queue, arena, equal_batches(1, level.begin[i + 1] - level.begin[i])));
  }
  return s;
}

template <class Dev, class T>
void StructuredLatentFlow<Dev, T>::forward(Queue<Dev>& queue, View<Dev, const float, 2> x, View<Dev, const float, 1> t,
                                           const LatentStructure<Dev>& structure,
                                           std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 2> out,
                                           Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const auto flat = [](auto m) { return m.template reshape<1>({m.size()}); };
  const std::int64_t batch = t.extent(0);
  const std::int64_t c = config_.transformer.channels;
  const std::int64_t fine = structure.levels[0].rows;
  auto t_emb = arena.template take<float, 2>({batch, c});
  auto emb = arena.template take<T, 2>({batch, c});
  embedder_(queue, t, t_emb);
  cast<Dev, float, T>(queue, View<Dev, const float, 1>(flat(t_emb)), flat(emb));
  activate<Dev, T>(queue, flat(emb), Activation::silu, flat(emb));

  auto h = arena.template take<T, 2>({fine, input_.out()});
  {
    const Frame<Dev> input_frame(arena);
    auto embedded = arena.template take<float, 2>({fine, input_.out()});
    input_(queue, x, embedded);
    show(probe, "input_layer", queue, embedded);
    cast<Dev, float, T>(queue, View<Dev, const float, 1>(flat(embedded)), flat(h));
  }
  std::vector<View<Dev, T, 2>> skips;
  std::size_t level = 0;
  for (std::size_t i = 0; i < input_blocks_.size(); ++i) {
    const ResidualBlock& block = input_blocks_[i];
    if (block.resample == Resample::down) ++level;
    auto next = arena.template take<T, 2>({structure.levels[level].rows, block.out});
    block(queue, h, emb, structure, level, next, probe);
    skips.push_back(next);
    h = next;
    show(probe, "input_blocks" + std::to_string(i), queue, h);
  }

  auto torso = arena.template take<T, 2>({h.extent(0), c});
  {
    // The last skip keeps the values before the position embedding, so the torso works on a copy.
    const Frame<Dev> position_frame(arena);
    auto position = arena.template take<T, 2>({h.extent(0), c});
    position_embedding<Dev, T>(queue, structure.levels[level].coords, position);
    combine<Dev, T>(queue, 1.0F, flat(h), 1.0F, flat(position), flat(torso));
  }
  transformer_(queue, torso, t_emb, structure.tokens, contexts, probe, "blocks");
  h = torso;

  for (std::size_t i = 0; i < output_blocks_.size(); ++i) {
    const ResidualBlock& block = output_blocks_[i];
    View<Dev, T, 2> joined = h;
    if (config_.skip_connections) {
      const View<Dev, T, 2>& s = skips[skips.size() - 1 - i];
      joined = arena.template take<T, 2>({h.extent(0), h.extent(1) + s.extent(1)});
      scale_columns<Dev, T>(queue, h, {}, {}, columns(joined, 0, h.extent(1)));
      scale_columns<Dev, T>(queue, s, {}, {}, columns(joined, h.extent(1), s.extent(1)));
    }
    if (block.resample == Resample::up) --level;
    auto next = arena.template take<T, 2>({structure.levels[level].rows, block.out});
    block(queue, joined, emb, structure, level, next, probe);
    h = next;
    show(probe, "out_blocks" + std::to_string(i), queue, h);
  }
  auto normed = arena.template take<float, 2>({fine, h.extent(1)});
  layer_norm<Dev, T, float>(queue, h, {}, kPlainEpsilon, normed);
  output_(queue, normed, out);
}

#define ESPALIER_INSTANTIATE(Dev, T) template class StructuredLatentFlow<Dev, T>;
ESPALIER_FOR_EACH_BACKEND(ESPALIER_INSTANTIATE)
#undef ESPALIER_INSTANTIATE

}  // namespace espalier
