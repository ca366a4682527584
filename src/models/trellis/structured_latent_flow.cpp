#include "models/trellis/structured_latent_flow.h"

#include <algorithm>
#include <cmath>

#include "models/trellis/flow_settings.h"
#include "nn/backends.h"
#include "ops/convolution.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"

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
      fail(ErrorCode::format, args.where(), ": resolution ", c.resolution, " is not a multiple of patch_size");
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
                                                             View<Dev, const T, 2> mods, const LatentStructure<Dev>& structure,
                                                             std::size_t level, View<Dev, T, 2> result,
                                                             Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  // `level` is where the convolutions run; a resampled input comes from the level below or above.
  const auto& here = structure.levels[level];
  const std::int64_t rows = here.rows;
  if (resample == Resample::down) {
    const auto& fine = structure.levels[level - 1];
    auto moved = arena.template take<T, 2>({rows, in});
    mean_children<Dev, T>(queue, x, fine.begin, fine.child, moved);
    show(probe, "down_feats", queue, moved);
    x = moved;
  }
  // Children have the features of their parent, so what is done to each row by itself is done to the parents' rows, and the
  // first convolution finds its neighbours among them.
  const bool up = resample == Resample::up;
  auto a = arena.template take<T, 2>(x.extents());
  auto h = arena.template take<T, 2>({rows, out});
  auto b = arena.template take<T, 2>({rows, out});
  layer_norm<Dev, T, T>(queue, x, norm1.template tail<T>(Activation::silu), kBlockEpsilon, a);
  if (up) {
    shared_rows_conv<Dev, T>(queue, a, conv1_w, conv1_b, here.neighbour_parents, h);
  } else {
    submanifold_conv<Dev, T>(queue, a, conv1_w, conv1_b, here.neighbours, {}, h);
  }
  NormTail<Dev, T> tail;
  tail.scale = columns(mods, 0, out);
  tail.shift = columns(mods, out, out);
  if (mods.extent(0) > 1) tail.row_batch = here.row_batch;
  tail.activation = Activation::silu;
  layer_norm<Dev, T, T>(queue, h, tail, kBlockEpsilon, b);
  View<Dev, const T, 2> residual = x;
  if (skip.given()) {
    auto skipped = up ? arena.template take<T, 2>({x.extent(0), out}) : h;
    skip(queue, x, skipped);
    residual = skipped;
  }
  if (up) {
    gather_rows<Dev, T>(queue, residual, here.parent, h);
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
    l.neighbour_parents.reserve(l.neighbours.size());
    for (const std::int32_t n : l.neighbours) {
      l.neighbour_parents.push_back(n < 0 ? n : l.coarser.parent[static_cast<std::size_t>(n)]);
    }
  }
  return t;
}

namespace {

// A table once for each copy; its entries are rows, of `rows` rows in a copy, and -1 for none.
std::vector<std::int32_t> repeat_rows(const std::vector<std::int32_t>& table, std::int64_t rows, std::int64_t copies) {
  std::vector<std::int32_t> all;
  all.reserve(table.size() * static_cast<std::size_t>(copies));
  for (std::int64_t b = 0; b < copies; ++b) {
    const auto first = static_cast<std::int32_t>(b * rows);
    for (const std::int32_t row : table) all.push_back(row < 0 ? row : row + first);
  }
  return all;
}

Voxels repeat_voxels(const Voxels& voxels, std::int64_t copies) {
  Voxels all;
  all.resolution = voxels.resolution;
  all.begin = {0};
  all.coords.reserve(voxels.coords.size() * static_cast<std::size_t>(copies));
  for (std::int64_t b = 0; b < copies; ++b) {
    const auto first = static_cast<std::int32_t>(b * voxels.batch());
    const std::int64_t row = all.rows();
    for (std::size_t i = 0; i < voxels.coords.size(); i += 4) {
      all.coords.insert(all.coords.end(),
                        {first + voxels.coords[i], voxels.coords[i + 1], voxels.coords[i + 2], voxels.coords[i + 3]});
    }
    for (auto end = voxels.begin.begin() + 1; end != voxels.begin.end(); ++end) all.begin.push_back(row + *end);
  }
  return all;
}

}  // namespace

LatentTables repeat_tables(const LatentTables& tables, std::int64_t copies) {
  LatentTables all;
  for (const LatentTables::Level& one : tables.levels) {
    const std::int64_t rows = one.voxels.rows(), coarse = one.coarser.coarse.rows();
    LatentTables::Level& l = all.levels.emplace_back();
    l.voxels = repeat_voxels(one.voxels, copies);
    l.neighbours = repeat_rows(one.neighbours, rows, copies);
    l.row_batch = row_batches(l.voxels);
    if (one.coarser.begin.empty()) continue;
    l.coarser.coarse = repeat_voxels(one.coarser.coarse, copies);
    l.coarser.parent = repeat_rows(one.coarser.parent, coarse, copies);
    l.coarser.child = repeat_rows(one.coarser.child, rows, copies);
    l.coarser.begin = repeat_rows({one.coarser.begin.begin(), one.coarser.begin.end() - 1}, rows, copies);
    l.coarser.begin.push_back(static_cast<std::int32_t>(copies * rows));
    l.neighbour_parents = repeat_rows(one.neighbour_parents, coarse, copies);
  }
  return all;
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
    l.elements = from.voxels.begin;
    l.row_batch = list(from.row_batch);
    if (!from.neighbours.empty()) l.neighbours = place<Dev, std::int32_t, 2>(queue, arena, from.neighbours, {l.rows, 27});
    if (&from == &tables.levels.back()) break;
    l.parent = list(from.coarser.parent);
    l.begin = list(from.coarser.begin);
    l.child = list(from.coarser.child);
    l.neighbour_parents = place<Dev, std::int32_t, 2>(queue, arena, from.neighbour_parents, {l.rows, 27});
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
TimeModulation<Dev, T> StructuredLatentFlow<Dev, T>::take_modulation(Arena<Dev>& arena, std::int64_t times) const {
  TimeModulation<Dev, T> modulation{transformer_.take_modulation(arena, times), {}};
  for (const auto* blocks : {&input_blocks_, &output_blocks_}) {
    for (const ResidualBlock& b : *blocks) modulation.residual.push_back(arena.template take<T, 2>({times, 2 * b.out}));
  }
  return modulation;
}

template <class Dev, class T>
void StructuredLatentFlow<Dev, T>::modulate(Queue<Dev>& queue, View<Dev, const float, 1> t,
                                            const TimeModulation<Dev, T>& out) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const auto flat = [](auto m) { return m.template reshape<1>({m.size()}); };
  const Extents<2> extents{t.extent(0), config_.transformer.channels};
  auto t_emb = arena.template take<float, 2>(extents);
  auto emb = arena.template take<T, 2>(extents);
  embedder_(queue, t, t_emb);
  transformer_.modulate(queue, t_emb, out.blocks);
  cast<Dev, float, T>(queue, View<Dev, const float, 1>(flat(t_emb)), flat(emb));
  activate<Dev, T>(queue, flat(emb), Activation::silu, flat(emb));
  auto to = out.residual.begin();
  for (const auto* blocks : {&input_blocks_, &output_blocks_}) {
    for (const ResidualBlock& b : *blocks) b.emb_layer(queue, emb, *to++);
  }
}

template <class Dev, class T>
View<Dev, T, 2> StructuredLatentFlow<Dev, T>::join(Queue<Dev>& queue, View<Dev, const T, 2> h,
                                                   View<Dev, const T, 2> skip) const {
  const auto joined = queue.scratch().template take<T, 2>({h.extent(0), h.extent(1) + skip.extent(1)});
  scale_columns<Dev, T>(queue, h, {}, {}, columns(joined, 0, h.extent(1)));
  const auto beside = columns(joined, h.extent(1), skip.extent(1));
  for (std::int64_t row = 0; row < h.extent(0); row += skip.extent(0)) {
    scale_columns<Dev, T>(queue, skip, {}, {}, beside.rows(row, skip.extent(0)));
  }
  return joined;
}

template <class Dev, class T>
void StructuredLatentFlow<Dev, T>::forward(Queue<Dev>& queue, View<Dev, const float, 2> x,
                                           const TimeModulation<Dev, T>& modulation, const LatentStructure<Dev>& structure,
                                           std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 2> out,
                                           Probe<Dev>* probe) const {
  Arena<Dev>& arena = queue.scratch();
  const Frame<Dev> frame(arena);
  const auto flat = [](auto m) { return m.template reshape<1>({m.size()}); };
  const std::int64_t c = config_.transformer.channels;
  const std::int64_t fine = structure.levels[0].rows;
  const std::vector<std::int64_t>& elements = structure.levels[0].elements;
  const auto distinct = std::lower_bound(elements.begin(), elements.end(), x.extent(0));
  require(distinct != elements.end() && *distinct == x.extent(0), "StructuredLatentFlow", x.extent(0), " rows of x for ", fine);
  const LatentStructure<Dev> begun = x.extent(0) == fine ? structure : structure.first(distinct - elements.begin());
  auto mods = modulation.residual.begin();

  auto h = arena.template take<T, 2>({x.extent(0), input_.out()});
  {
    const Frame<Dev> input_frame(arena);
    auto embedded = arena.template take<float, 2>({x.extent(0), input_.out()});
    input_(queue, x, embedded);
    show(probe, "input_layer", queue, embedded);
    cast<Dev, float, T>(queue, View<Dev, const float, 1>(flat(embedded)), flat(h));
  }
  std::vector<View<Dev, T, 2>> skips;
  std::size_t level = 0;
  for (std::size_t i = 0; i < input_blocks_.size(); ++i) {
    const ResidualBlock& block = input_blocks_[i];
    if (block.resample == Resample::down) ++level;
    auto next = arena.template take<T, 2>({begun.levels[level].rows, block.out});
    block(queue, h, *mods++, begun, level, next, probe);
    skips.push_back(next);
    h = next;
    show(probe, "input_blocks" + std::to_string(i), queue, h);
  }

  auto torso = arena.template take<T, 2>({structure.levels[level].rows, c});
  {
    // The last skip keeps the values before the position embedding, so the torso works on a copy.
    const Frame<Dev> position_frame(arena);
    auto position = arena.template take<T, 2>({h.extent(0), c});
    position_embedding<Dev, T>(queue, begun.levels[level].coords, position);
    combine<Dev, T>(queue, 1.0F, flat(h), 1.0F, flat(position), flat(torso.rows(0, h.extent(0))));
  }
  transformer_(queue, torso, h.extent(0), modulation.blocks, structure.tokens, contexts, probe, "blocks");
  h = torso;

  for (std::size_t i = 0; i < output_blocks_.size(); ++i) {
    const ResidualBlock& block = output_blocks_[i];
    const View<Dev, T, 2> joined = config_.skip_connections ? join(queue, h, skips[skips.size() - 1 - i]) : h;
    if (block.resample == Resample::up) --level;
    auto next = arena.template take<T, 2>({structure.levels[level].rows, block.out});
    block(queue, joined, *mods++, structure, level, next, probe);
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
