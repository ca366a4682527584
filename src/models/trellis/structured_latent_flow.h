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
    View<Dev, const std::int32_t, 2> neighbours;  // [rows, 27]; empty where no convolution runs
    View<Dev, const std::int32_t, 1> row_batch;   // [rows]
    View<Dev, const std::int32_t, 2> coords;      // [rows, 4], of the token level only
    // To the next coarser level; empty in the last.
    View<Dev, const std::int32_t, 1> parent, begin, child;
  };
  std::vector<Level> levels;
  TokenLayout<Dev> tokens;
};

// The same tables on the host, to be built once per asset.
struct LatentTables {
  struct Level {
    Voxels voxels;
    std::vector<std::int32_t> neighbours, row_batch;
    Coarsened coarser;  // empty in the last level
  };
  std::vector<Level> levels;
};
[[nodiscard]] LatentTables latent_tables(const StructuredLatentFlowConfig& config, const Voxels& voxels);

template <class Dev, class T>
class StructuredLatentFlow {
 public:
  StructuredLatentFlow(const StructuredLatentFlowConfig& config, WeightLoader<Dev>& load);

  [[nodiscard]] LatentStructure<Dev> prepare(Queue<Dev>& queue, Arena<Dev>& arena, const LatentTables& tables) const;
  [[nodiscard]] LatentStructure<Dev> prepare(Queue<Dev>& queue, Arena<Dev>& arena, const Voxels& voxels) const {
    return prepare(queue, arena, latent_tables(config_, voxels));
  }

  // Velocity of x [rows, in] at times t [batch] (times 1000) -> out [rows, out].
  void forward(Queue<Dev>& queue, View<Dev, const float, 2> x, View<Dev, const float, 1> t,
               const LatentStructure<Dev>& structure, std::span<const Context<Dev, T>* const> contexts, View<Dev, float, 2> out,
               Probe<Dev>* probe = nullptr) const;

  [[nodiscard]] const FlowTransformer<Dev, T>& transformer() const { return transformer_; }
  [[nodiscard]] const StructuredLatentFlowConfig& config() const { return config_; }

 private:
  enum class Resample : std::uint8_t { none, down, up };
  struct ResidualBlock {
    ResidualBlock(WeightLoader<Dev>& load, const std::string& prefix, std::int64_t in, std::int64_t emb, std::int64_t out,
                  Resample r);
    void operator()(Queue<Dev>& queue, View<Dev, const T, 2> x, View<Dev, const T, 2> emb,
                    const LatentStructure<Dev>& structure, std::size_t level, View<Dev, T, 2> out, Probe<Dev>* probe) const;

    Resample resample;
    std::int64_t in, out;
    Affine<Dev> norm1;
    View<Dev, const T, 3> conv1_w, conv2_w;
    View<Dev, const T, 1> conv1_b, conv2_b;
    Linear<Dev, T> emb_layer, skip;  // skip is empty when in == out
  };

  StructuredLatentFlowConfig config_;
  TimestepEmbedder<Dev> embedder_;
  Linear<Dev, float> input_, output_;
  std::vector<ResidualBlock> input_blocks_, output_blocks_;
  FlowTransformer<Dev, T> transformer_;
};

}  // namespace espalier
