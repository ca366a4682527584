// SLatFlowModel: the rectified flow of the second stage over the active voxels. Residual blocks pack the voxels into
// coarser tokens, a conditioned transformer runs on those, and residual blocks with skip connections unpack them.
#pragma once

#include "models/config.h"
#include "nn/modulated.h"
#include "sparse/structure.h"

namespace espalier {

struct StructuredLatentFlowConfig {
  int resolution = 64;
  std::int64_t in_channels = 0, out_channels = 0;
  int io_res_blocks = 2;
  std::vector<std::int64_t> io_channels;  // one per halving of the resolution; empty: tokens are the voxels
  bool skip_connections = true;
  FlowTransformerConfig transformer;
  static StructuredLatentFlowConfig from(Arguments args);
};

// Device tables of one set of voxels, from the finest level to that of the tokens.
template <class Dev>
struct LatentStructure {
  struct Level {
    std::int64_t rows = 0;
    std::vector<std::int64_t> elements;           // [batch + 1]: rows of element b are elements[b] ... elements[b + 1] - 1
    View<Dev, const std::int32_t, 2> neighbours;  // [rows, 27]; empty where no convolution runs
    View<Dev, const std::int32_t, 1> row_batch;   // [rows]
    View<Dev, const std::int32_t, 2> coords;      // [rows, 4], of the token level only
    // To the next coarser level; empty in the last.
    View<Dev, const std::int32_t, 1> parent, begin, child;
    View<Dev, const std::int32_t, 2> neighbour_parents;  // [rows, 27]: rows of the next level
  };
  std::vector<Level> levels;
  TokenLayout<Dev> tokens;
  // That of the first `count` batch elements: the same tables, cut off.
  [[nodiscard]] LatentStructure first(std::int64_t count) const;
};

template <class Dev>
LatentStructure<Dev> LatentStructure<Dev>::first(std::int64_t count) const {
  LatentStructure cut;
  cut.tokens = tokens.first(count);
  const auto n = static_cast<std::size_t>(count);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    const Level& from = levels[i];
    Level& l = cut.levels.emplace_back();
    const auto head = [&](auto table) { return table.empty() ? table : table.rows(0, l.rows); };
    l.rows = from.elements[n];
    l.elements.assign(from.elements.begin(), from.elements.begin() + count + 1);
    l.neighbours = head(from.neighbours);
    l.row_batch = head(from.row_batch);
    l.coords = head(from.coords);
    if (i + 1 == levels.size()) break;
    l.parent = head(from.parent);
    l.child = head(from.child);
    l.neighbour_parents = head(from.neighbour_parents);
    l.begin = from.begin.rows(0, levels[i + 1].elements[n] + 1);
  }
  return cut;
}

// The same tables on the host, to be built once per asset.
struct LatentTables {
  struct Level {
    Voxels voxels;
    std::vector<std::int32_t> neighbours, row_batch;
    Coarsened coarser;  // empty in the last level
    std::vector<std::int32_t> neighbour_parents;
  };
  std::vector<Level> levels;
};
[[nodiscard]] LatentTables latent_tables(const StructuredLatentFlowConfig& config, const Voxels& voxels);
// The tables of a batch that has the elements of `tables` so many times, all of them in each turn.
[[nodiscard]] LatentTables repeat_tables(const LatentTables& tables, std::int64_t copies);

template <class Dev, class T>
class StructuredLatentFlow {
 public:
  StructuredLatentFlow(const StructuredLatentFlowConfig& config, WeightLoader<Dev>& load);

  [[nodiscard]] LatentStructure<Dev> prepare(Queue<Dev>& queue, Arena<Dev>& arena, const LatentTables& tables) const;
  [[nodiscard]] LatentStructure<Dev> prepare(Queue<Dev>& queue, Arena<Dev>& arena, const Voxels& voxels) const {
    return prepare(queue, arena, latent_tables(config_, voxels));
  }

  // Memory for what so many times do to the layers, and what fills it; t [times] (times 1000).
  [[nodiscard]] TimeModulation<Dev, T> take_modulation(Arena<Dev>& arena, std::int64_t times) const;
  void modulate(Queue<Dev>& queue, View<Dev, const float, 1> t, const TimeModulation<Dev, T>& out) const;

  // Velocity of x -> out [rows, out]. x [rows, in], or [rows of the first elements, in] when all others repeat them in turn.
  // `modulation`: of one time for all elements or of one for each.
  void forward(Queue<Dev>& queue, View<Dev, const float, 2> x, const TimeModulation<Dev, T>& modulation,
               const LatentStructure<Dev>& structure, std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 2> out,
               Probe<Dev>* probe = nullptr) const;
  // The same at times t [batch] (times 1000).
  void forward(Queue<Dev>& queue, View<Dev, const float, 2> x, View<Dev, const float, 1> t,
               const LatentStructure<Dev>& structure, std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 2> out,
               Probe<Dev>* probe = nullptr) const {
    const Frame<Dev> frame(queue.scratch());
    const auto modulation = take_modulation(queue.scratch(), t.extent(0));
    modulate(queue, t, modulation);
    forward(queue, x, modulation, structure, contexts, out, probe);
  }

  [[nodiscard]] const FlowTransformer<Dev, T>& transformer() const { return transformer_; }
  [[nodiscard]] const StructuredLatentFlowConfig& config() const { return config_; }

 private:
  enum class Resample : std::uint8_t { none, down, up };
  struct ResidualBlock {
    ResidualBlock(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t in, std::int64_t emb, std::int64_t out,
                  Resample r);
    // x -> out, at `level`; `mods` [times, 2 out], of one time or of one for each batch element.
    void operator()(Queue<Dev>& queue, View<Dev, const T, 2> x, View<Dev, const T, 2> mods,
                    const LatentStructure<Dev>& structure, std::size_t level, View<Dev, T, 2> out, Probe<Dev>* probe) const;

    Resample resample;
    std::int64_t in, out;
    Affine<Dev> norm1;
    View<Dev, const T, 3> conv1_w, conv2_w;
    View<Dev, const T, 1> conv1_b, conv2_b;
    Linear<Dev, T> emb_layer, skip;  // skip is empty when in == out
  };

  // h beside the skip, which may be of the first elements alone, repeated by the others.
  [[nodiscard]] View<Dev, T, 2> join(Queue<Dev>& queue, View<Dev, const T, 2> h, View<Dev, const T, 2> skip) const;

  StructuredLatentFlowConfig config_;
  TimestepEmbedder<Dev> embedder_;
  Linear<Dev, float> input_, output_;
  std::vector<ResidualBlock> input_blocks_, output_blocks_;
  FlowTransformer<Dev, T> transformer_;
};

}  // namespace espalier
