// Blocked attention with an online softmax (Milakov and Gimelshein 2018; Dao 2023). Keys and values of every head are
// first copied into panels of 16, which the inner products then read in order; each task takes a block of queries of one
// head and sequence and walks over the keys.
#include "ops/attention.h"

#include <cmath>
#include <limits>

#include "ops/cpu/panel_product.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

using cpu::kLanes;
using cpu::kPanelColumns;
using cpu::kPanelRows;
using cpu::Lanes;
using cpu::round_up;
using Heads = View<Cpu, const float, 3>;

constexpr std::int64_t kQueryBlock = 48;  // logits of a block fill the first-level cache: 48 x 128 floats
constexpr std::int64_t kKeyBlock = 128;
constexpr std::int64_t kMaxWidth = 256;
static_assert(kQueryBlock % kPanelRows == 0 && kKeyBlock % kPanelColumns == 0);

std::int64_t row_of(const Packing<Cpu>& packing, std::int64_t i) { return packing.order.empty() ? i : packing.order(i); }

// Where the panels of a sequence start, in rows: each sequence is rounded up to whole panels.
std::int64_t first_panel_row(const Packing<Cpu>& keys, std::int64_t sequence) {
  return round_up(keys.begin(sequence), kPanelColumns) + sequence * kPanelColumns;
}
std::int64_t panel_rows(std::int64_t key_rows, std::int64_t sequences) {
  return round_up(key_rows, kPanelColumns) + sequences * kPanelColumns;
}

// Keys and values of all heads as panels. Of one head and sequence: keys as [panel of 16 keys][width][16], values as
// [panel of 16 columns][keys][16], zero where there is no key or column.
struct Panels {
  View<Cpu, float, 3> keys;    // [heads, panel rows, width]
  View<Cpu, float, 3> values;  // [heads, panel rows, width rounded up to panels]
};

void pack_keys(Heads k, const Packing<Cpu>& keys, std::int64_t sequence, std::int64_t head, float* panels) {
  const std::int64_t begin = keys.begin(sequence);
  const std::int64_t count = keys.begin(sequence + 1) - begin;
  const std::int64_t width = k.extent(2);
  std::fill_n(panels, round_up(count, kPanelColumns) * width, 0.0F);
  for (std::int64_t i = 0; i < count; ++i) {
    const float* from = &k(row_of(keys, begin + i), head, 0);
    float* to = panels + i / kPanelColumns * kPanelColumns * width + i % kPanelColumns;
    for (std::int64_t c = 0; c < width; ++c) to[c * kPanelColumns] = from[c];
  }
}

void pack_values(Heads v, const Packing<Cpu>& keys, std::int64_t sequence, std::int64_t head, float* panels) {
  const std::int64_t begin = keys.begin(sequence);
  const std::int64_t count = keys.begin(sequence + 1) - begin;
  const std::int64_t width = v.extent(2);
  const std::int64_t padded = round_up(count, kPanelColumns);
  for (std::int64_t first = 0; first < width; first += kPanelColumns, panels += padded * kPanelColumns) {
    const std::int64_t columns = std::min(kPanelColumns, width - first);
    std::fill_n(panels, padded * kPanelColumns, 0.0F);
    for (std::int64_t i = 0; i < count; ++i) {
      std::copy_n(&v(row_of(keys, begin + i), head, first), columns, panels + i * kPanelColumns);
    }
  }
}

// One block of queries: their scaled copy, the logits against a block of keys, the running maximum and sum of each
// softmax, and the running output (to be divided by the sum).
struct Block {
  alignas(32) std::array<float, kQueryBlock * kMaxWidth> query;
  alignas(32) std::array<float, kQueryBlock * kKeyBlock> logits;
  alignas(32) std::array<float, kQueryBlock * kMaxWidth> sum;
  std::array<float, kQueryBlock> largest, weight;
  std::int64_t rows, width, columns;  // columns: width rounded up to panels
};

cpu::PanelRows panel_rows_of(const float* first, std::int64_t stride) {
  cpu::PanelRows rows;
  for (std::size_t r = 0; r < rows.size(); ++r) rows[r] = first + static_cast<std::int64_t>(r) * stride;
  return rows;
}

// `hidden`: of `count` keys, how many the first query does not see; each further query sees one more. 0 or less: all see all.
void compute_logits(Block& b, const float* key_panels, std::int64_t count, std::int64_t hidden) {
  for (std::int64_t j = 0; j < count; j += kPanelColumns) {
    for (std::int64_t i = 0; i < b.rows; i += kPanelRows) {
      const cpu::PanelSum s =
          cpu::panel_product(panel_rows_of(&b.query[i * b.width], b.width), key_panels + j * b.width, b.width);
      for (std::int64_t r = 0; r < kPanelRows; ++r) {
        float* to = &b.logits[(i + r) * kKeyBlock + j];
        cpu::store(to, s.low[r]);
        cpu::store(to + kLanes, s.high[r]);
      }
    }
  }
  // Keys that only fill the last panel must weigh nothing, and those that a query does not see.
  for (std::int64_t i = 0; i < b.rows; ++i) {
    const std::int64_t seen = std::clamp<std::int64_t>(count - hidden + i, 0, count);
    std::fill(&b.logits[i * kKeyBlock + seen], &b.logits[i * kKeyBlock] + round_up(count, kPanelColumns),
              std::numeric_limits<float>::lowest());
  }
}

// Turns logits into weights relative to the new maximum and rescales what was summed under the old one.
void update_softmax(Block& b, std::int64_t count) {
  const std::int64_t padded = round_up(count, kPanelColumns);
  for (std::int64_t i = 0; i < b.rows; ++i) {
    float* row = &b.logits[i * kKeyBlock];
    Lanes most = cpu::fill(b.largest[i]);
    for (std::int64_t j = 0; j < padded; j += kLanes) most = cpu::maximum(cpu::load(row + j), most);
    const float largest = cpu::maximum_of(most);
    const Lanes shift = cpu::fill(largest);
    Lanes total{};
    for (std::int64_t j = 0; j < padded; j += kLanes) {
      const Lanes p = cpu::exponential(cpu::load(row + j) - shift);
      cpu::store(row + j, p);
      total += p;
    }
    const float rescale = std::exp(b.largest[i] - largest);
    b.weight[i] = b.weight[i] * rescale + cpu::sum_of(total);
    b.largest[i] = largest;
    if (rescale != 1.0F) {
      for (std::int64_t c = 0; c < b.columns; ++c) b.sum[i * b.columns + c] *= rescale;
    }
  }
}

// sum += weights v for keys [first, first + count) of the sequence, whose value panels have `padded` rows.
void add_values(Block& b, const float* value_panels, std::int64_t first, std::int64_t count, std::int64_t padded) {
  for (std::int64_t c = 0; c < b.columns; c += kPanelColumns) {
    const float* panel = value_panels + c * padded + first * kPanelColumns;
    for (std::int64_t i = 0; i < b.rows; i += kPanelRows) {
      const cpu::PanelSum s = cpu::panel_product(panel_rows_of(&b.logits[i * kKeyBlock], kKeyBlock), panel, count);
      for (std::int64_t r = 0; r < kPanelRows; ++r) {
        float* to = &b.sum[(i + r) * b.columns + c];
        cpu::store(to, cpu::load(to) + s.low[r]);
        cpu::store(to + kLanes, cpu::load(to + kLanes) + s.high[r]);
      }
    }
  }
}

struct Problem {
  Heads q;
  const Packing<Cpu>& queries;
  const Packing<Cpu>& keys;
  const Panels& panels;
  float scale;
  View<Cpu, float, 3> out;
  bool causal;
};

// Queries [first, first + count) of a sequence, one head.
void attend(const Problem& p, std::int64_t sequence, std::int64_t head, std::int64_t first, std::int64_t count) {
  Block b;
  b.width = p.q.extent(2);
  b.columns = round_up(b.width, kPanelColumns);
  b.rows = round_up(count, kPanelRows);
  std::fill_n(b.query.begin(), b.rows * b.width, 0.0F);
  std::fill_n(b.sum.begin(), b.rows * b.columns, 0.0F);
  b.largest.fill(std::numeric_limits<float>::lowest());
  b.weight.fill(0.0F);
  const std::int64_t begin = p.queries.begin(sequence) + first;
  for (std::int64_t i = 0; i < count; ++i) {
    const float* from = &p.q(row_of(p.queries, begin + i), head, 0);
    for (std::int64_t c = 0; c < b.width; ++c) b.query[i * b.width + c] = p.scale * from[c];
  }

  const std::int64_t all = p.keys.begin(sequence + 1) - p.keys.begin(sequence);
  const std::int64_t keys = p.causal ? std::min(all, first + count) : all;
  const std::int64_t panel_row = first_panel_row(p.keys, sequence);
  for (std::int64_t j = 0; j < keys; j += kKeyBlock) {
    const std::int64_t part = std::min(kKeyBlock, keys - j);
    compute_logits(b, &p.panels.keys(head, panel_row + j, 0), part, p.causal ? j + part - first - 1 : 0);
    update_softmax(b, part);
    add_values(b, &p.panels.values(head, panel_row, 0), j, part, round_up(all, kPanelColumns));
  }

  for (std::int64_t i = 0; i < count; ++i) {
    float* to = &p.out(row_of(p.queries, begin + i), head, 0);
    const float inverse = keys == 0 ? 0.0F : 1.0F / b.weight[i];
    for (std::int64_t c = 0; c < b.width; ++c) to[c] = b.sum[i * b.columns + c] * inverse;
  }
}

void run(Queue<Cpu>& queue, Heads q, Heads k, Heads v, const Packing<Cpu>& queries, const Packing<Cpu>& keys, float scale,
         View<Cpu, float, 3> out, bool causal) {
  const std::int64_t heads = q.extent(1);
  const std::int64_t width = q.extent(2);
  const std::int64_t sequences = queries.sequences();
  require(width <= kMaxWidth && q.extents() == out.extents() && k.extents() == v.extents() && k.extent(1) == heads &&
              k.extent(2) == width,
          "attention", "q is ", q.extent(0), " x ", heads, " x ", width, ", k ", k.extent(0), " x ", k.extent(1), " x ",
          k.extent(2));
  require(keys.sequences() == sequences, "attention", sequences, " query sequences, ", keys.sequences(), " key sequences");
  auto& scratch = queue.scratch();
  const Frame<Cpu> frame(scratch);
  const std::int64_t rows = panel_rows(k.extent(0), sequences);
  Panels panels;
  panels.keys = scratch.take<float, 3>({heads, rows, width});
  panels.values = scratch.take<float, 3>({heads, rows, round_up(width, kPanelColumns)});
  if (queue.metering() || out.empty() || sequences == 0) return;

  parallel_for(sequences * heads, 1, [&](std::int64_t i) {
    const std::int64_t sequence = i / heads;
    const std::int64_t head = i % heads;
    const std::int64_t row = first_panel_row(keys, sequence);
    pack_keys(k, keys, sequence, head, &panels.keys(head, row, 0));
    pack_values(v, keys, sequence, head, &panels.values(head, row, 0));
  });
  const Problem problem{q, queries, keys, panels, scale, out, causal};
  const std::int64_t blocks = (queries.longest + kQueryBlock - 1) / kQueryBlock;
  parallel_for(sequences * heads * blocks, 1, [&](std::int64_t i) {
    const std::int64_t sequence = i / (heads * blocks);
    const std::int64_t first = i % blocks * kQueryBlock;
    const std::int64_t count = std::min(kQueryBlock, queries.begin(sequence + 1) - queries.begin(sequence) - first);
    if (count > 0) attend(problem, sequence, i / blocks % heads, first, count);
  });
}

}  // namespace

template <class Dev, class T>
void attention(Queue<Dev>& queue, In<Dev, T, 3> q, In<Dev, T, 3> k, In<Dev, T, 3> v,
               const std::type_identity_t<Packing<Dev>>& queries, const std::type_identity_t<Packing<Dev>>& keys, float scale,
               View<Dev, T, 3> out) {
  run(queue, q, k, v, queries, keys, scale, out, false);
}
template <class Dev, class T>
void causal_attention(Queue<Dev>& queue, In<Dev, T, 3> q, In<Dev, T, 3> k, In<Dev, T, 3> v,
                      const std::type_identity_t<Packing<Dev>>& packing, float scale, View<Dev, T, 3> out) {
  run(queue, q, k, v, packing, packing, scale, out, true);
}
template void attention<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 3>, In<Cpu, float, 3>, In<Cpu, float, 3>, const Packing<Cpu>&,
                                    const Packing<Cpu>&, float, View<Cpu, float, 3>);
template void causal_attention<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 3>, In<Cpu, float, 3>, In<Cpu, float, 3>,
                                           const Packing<Cpu>&, float, View<Cpu, float, 3>);

}  // namespace espalier
