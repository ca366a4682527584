#include <algorithm>
#include <array>

#include "ops/child_taps.h"
#include "ops/convolution.h"
#include "ops/cpu/panel_product.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

using cpu::kLanes;
using cpu::kPanelColumns;
using cpu::kPanelRows;
using cpu::round_up;

constexpr std::int64_t kTaps = 27;
constexpr std::int64_t kRowTile = 384;  // output rows of a task: enough for a panel of weights to be used many times
constexpr std::int64_t kDepth = 256;    // input channels at a time: 256 x 16 weights stay in the first-level cache

// Weights as [tap][chunk of kDepth inputs][panel of 16 outputs][inputs of the chunk][16], zero where there is no output.
struct PackedWeights {
  const float* data;
  std::int64_t in, columns;  // columns: outputs rounded up to panels
  [[nodiscard]] const float* chunk(std::int64_t tap, std::int64_t first) const { return data + (tap * in + first) * columns; }
};

void pack_tap(View<Cpu, const float, 3> w, std::int64_t tap, std::int64_t columns, float* to) {
  const std::int64_t in = w.extent(2);
  for (std::int64_t first = 0; first < in; first += kDepth) {
    const std::int64_t depth = std::min(kDepth, in - first);
    for (std::int64_t panel = 0; panel < columns; panel += kPanelColumns, to += depth * kPanelColumns) {
      for (std::int64_t j = 0; j < kPanelColumns; ++j) {
        const float* from = panel + j < w.extent(0) ? &w(panel + j, tap, first) : nullptr;
        for (std::int64_t c = 0; c < depth; ++c) to[c * kPanelColumns + j] = from == nullptr ? 0.0F : from[c];
      }
    }
  }
}

// The rows of a tile that have a neighbour in one column of the table, and those neighbours.
struct Pairs {
  std::array<std::int64_t, kRowTile> row;
  std::array<const float*, kRowTile> input;
  std::int64_t count = 0;
};

void find_pairs(View<Cpu, const float, 2> x, View<Cpu, const std::int32_t, 2> neighbours, std::int64_t column,
                std::int64_t first, std::int64_t last, Pairs& pairs) {
  pairs.count = 0;
  for (std::int64_t r = first; r < last; ++r) {
    const std::int64_t neighbour = neighbours(r, column);
    if (neighbour < 0) continue;
    pairs.row[static_cast<std::size_t>(pairs.count)] = r;
    pairs.input[static_cast<std::size_t>(pairs.count++)] = &x(neighbour, 0);
  }
}

// Adds the first `columns` <= 16 columns of one row of a panel product.
void add_row(float* to, cpu::Lanes low, cpu::Lanes high, std::int64_t columns) {
  if (columns >= kPanelColumns) {
    cpu::store(to, cpu::load(to) + low);
    cpu::store(to + kLanes, cpu::load(to + kLanes) + high);
    return;
  }
  std::array<float, kPanelColumns> sums;
  cpu::store(sums.data(), low);
  cpu::store(sums.data() + kLanes, high);
  for (std::int64_t c = 0; c < columns; ++c) to[c] += sums[static_cast<std::size_t>(c)];
}

// out[row] += w[:, tap, first : first + depth] x[neighbour, first : first + depth] for all pairs.
void add_pairs(const Pairs& pairs, const PackedWeights& w, std::int64_t tap, std::int64_t first, std::int64_t depth,
               View<Cpu, float, 2> out) {
  const float* panel = w.chunk(tap, first);
  for (std::int64_t column = 0; column < w.columns; column += kPanelColumns, panel += depth * kPanelColumns) {
    for (std::int64_t i = 0; i < pairs.count; i += kPanelRows) {
      const std::int64_t count = std::min(kPanelRows, pairs.count - i);
      cpu::PanelRows rows;
      for (std::int64_t r = 0; r < kPanelRows; ++r) {
        // A short last group multiplies its last row more than once and drops the copies.
        rows[static_cast<std::size_t>(r)] = pairs.input[static_cast<std::size_t>(i + std::min(r, count - 1))] + first;
      }
      const cpu::PanelSum sum = cpu::panel_product(rows, panel, depth);
      for (std::int64_t r = 0; r < count; ++r) {
        add_row(&out(pairs.row[static_cast<std::size_t>(i + r)], column), sum.low[r], sum.high[r], out.extent(1) - column);
      }
    }
  }
}

// out[r] = bias + residual[r] + sum_k w[:, k, :] x[neighbours[r, column(k)]]; w [out, taps, in]. Only pairs of a row and an
// existing neighbour are multiplied. A row belongs to one task and its taps are added in order, so results do not depend on the
// number of cores, nor on how a caller cuts the rows into ranges. `memory`: [taps, in * columns].
template <class Column>
void convolve(View<Cpu, const float, 2> x, View<Cpu, const float, 3> w, View<Cpu, const float, 1> bias,
              View<Cpu, const std::int32_t, 2> neighbours, Column column, View<Cpu, const float, 2> residual,
              View<Cpu, float, 2> memory, View<Cpu, float, 2> out) {
  const std::int64_t in = x.extent(1);
  const std::int64_t channels = out.extent(1);
  const std::int64_t taps = w.extent(1);
  const std::int64_t columns = round_up(channels, kPanelColumns);
  parallel_for(taps, 1, [&](std::int64_t tap) { pack_tap(w, tap, columns, &memory(tap, 0)); });
  const PackedWeights weights{memory.data(), in, columns};
  const std::int64_t rows = out.extent(0);
  parallel_for((rows + kRowTile - 1) / kRowTile, 1, [&](std::int64_t tile) {
    const std::int64_t begin = tile * kRowTile;
    const std::int64_t end = std::min(rows, begin + kRowTile);
    for (std::int64_t r = begin; r < end; ++r) {
      for (std::int64_t c = 0; c < channels; ++c) out(r, c) = (residual.empty() ? 0.0F : residual(r, c)) + bias.data()[c];
    }
    Pairs pairs;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      find_pairs(x, neighbours, column(tap), begin, end, pairs);
      for (std::int64_t first = 0; first < in; first += kDepth) {
        add_pairs(pairs, weights, tap, first, std::min(kDepth, in - first), out);
      }
    }
  });
}

}  // namespace

template <class Dev, class T>
void submanifold_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 3> w, In<Dev, T, 1> bias,
                      In<Dev, std::int32_t, 2> neighbours, In<Dev, T, 2> residual, View<Dev, T, 2> out) {
  const std::int64_t in = x.extent(1);
  const std::int64_t channels = out.extent(1);
  require(w.extents() == Extents<3>{channels, kTaps, in} && bias.extent(0) == channels, "submanifold_conv", "w is ",
          w.extent(0), " x ", w.extent(1), " x ", w.extent(2), " for ", in, " inputs and ", channels, " outputs");
  require(neighbours.extents() == Extents<2>{out.extent(0), kTaps} && (residual.empty() || residual.extents() == out.extents()),
          "submanifold_conv", "neighbours or residual do not have the ", out.extent(0), " rows of out");
  auto& scratch = queue.scratch();
  const Frame<Cpu> frame(scratch);
  const auto memory = scratch.template take<float, 2>({kTaps, in * round_up(channels, kPanelColumns)});
  if (queue.metering() || out.empty()) return;
  convolve(
      x, w, bias, neighbours, [](std::int64_t tap) { return tap; }, residual, memory, out);
}
template void submanifold_conv<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, In<Cpu, float, 3>, In<Cpu, float, 1>,
                                           In<Cpu, std::int32_t, 2>, In<Cpu, float, 2>, View<Cpu, float, 2>);

template <class Dev, class T>
void child_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 4> folded, In<Dev, T, 1> bias, In<Dev, std::int32_t, 2> parents,
                View<Dev, T, 2> out) {
  const std::int64_t in = x.extent(1);
  const std::int64_t channels = out.extent(1);
  const std::int64_t rows = parents.extent(0);
  require(folded.extents() == Extents<4>{kChildren, channels, kChildTaps, in} && bias.extent(0) == channels, "child_conv",
          "weights are ", folded.extent(0), " x ", folded.extent(1), " x ", folded.extent(2), " x ", folded.extent(3), " for ",
          in, " inputs and ", channels, " outputs");
  require(parents.extent(1) == kTaps && out.extent(0) == kChildren * rows, "child_conv", "parents are ", rows, " x ",
          parents.extent(1), " for ", out.extent(0), " rows of out");
  auto& scratch = queue.scratch();
  const Frame<Cpu> frame(scratch);
  const auto memory = scratch.template take<float, 2>({kChildTaps, in * round_up(channels, kPanelColumns)});
  if (queue.metering() || out.empty()) return;
  for (int child = 0; child < kChildren; ++child) {
    const View<Cpu, const float, 3> w(&folded(child, 0, 0, 0), {channels, kChildTaps, in});
    const View<Cpu, float, 2> children(&out(child, 0), {rows, channels}, kChildren * out.outer_stride());
    convolve(
        x, w, bias, parents, [&](std::int64_t tap) { return parent_tap(child, static_cast<int>(tap)); }, {}, memory, children);
  }
}
template void child_conv<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, In<Cpu, float, 4>, In<Cpu, float, 1>,
                                     In<Cpu, std::int32_t, 2>, View<Cpu, float, 2>);

template <class Dev, class T>
void fold_child_taps(Queue<Dev>& queue, In<Dev, T, 3> w, View<Dev, T, 4> folded) {
  const std::int64_t channels = w.extent(0);
  const std::int64_t in = w.extent(2);
  require(w.extent(1) == kTaps && folded.extents() == Extents<4>{kChildren, channels, kChildTaps, in}, "fold_child_taps",
          "w is ", channels, " x ", w.extent(1), " x ", in, ", folded ", folded.extent(0), " x ", folded.extent(1), " x ",
          folded.extent(2), " x ", folded.extent(3));
  if (queue.metering()) return;
  parallel_for(kChildren * channels, grain_for(kTaps * in), [&](std::int64_t at) {
    const std::int64_t child = at / channels, channel = at % channels;
    for (int tap = 0; tap < kChildTaps; ++tap) {
      for (std::int64_t c = 0; c < in; ++c) {
        folded(child, channel, tap, c) = fold_child_tap(static_cast<int>(child), tap, [&](int k) { return w(channel, k, c); });
      }
    }
  });
}
template void fold_child_taps<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 3>, View<Cpu, float, 4>);

template <class Dev, class T>
void shared_rows_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 3> w, In<Dev, T, 1> bias,
                      In<Dev, std::int32_t, 2> neighbours, View<Dev, T, 2> out) {
  submanifold_conv<Dev, T>(queue, x, w, bias, neighbours, {}, out);
}
template void shared_rows_conv(Queue<Cpu>&, In<Cpu, float, 2>, In<Cpu, float, 3>, In<Cpu, float, 1>, In<Cpu, std::int32_t, 2>,
                               View<Cpu, float, 2>);

}  // namespace espalier
