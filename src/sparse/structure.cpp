#include "sparse/structure.h"

#include <algorithm>
#include <array>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

// A row under the number of the cell it lies in; sorting brings the rows of a cell together, ascending.
struct Entry {
  std::int64_t cell;
  std::int32_t row;
  friend bool operator<(const Entry& a, const Entry& b) { return a.cell != b.cell ? a.cell < b.cell : a.row < b.row; }
};

// Numbers cells in lexicographic order of (batch, x, y, z), all below `side`.
struct CellOrder {
  std::int64_t side;
  [[nodiscard]] std::int64_t cells(std::int64_t batch) const { return batch * side * side * side; }
  [[nodiscard]] std::int64_t operator()(std::int64_t b, std::int64_t x, std::int64_t y, std::int64_t z) const {
    return ((b * side + x) * side + y) * side + z;
  }
};

// The same entries, ascending, by counting those of each cell: they are given with ascending rows.
std::vector<Entry> counted(const std::vector<Entry>& entries, std::int64_t cells) {
  std::vector<std::int32_t> begin(static_cast<std::size_t>(cells) + 1, 0);
  for (const Entry& e : entries) ++begin[static_cast<std::size_t>(e.cell) + 1];
  for (std::size_t c = 1; c < begin.size(); ++c) begin[c] += begin[c - 1];
  std::vector<Entry> sorted(entries.size());
  for (const Entry& e : entries) sorted[static_cast<std::size_t>(begin[static_cast<std::size_t>(e.cell)]++)] = e;
  return sorted;
}

// Rows sorted by the cell that (coord + shift) / divisor lies in.
std::vector<Entry> sorted_by_cell(const Voxels& voxels, std::int64_t shift, std::int64_t divisor, CellOrder order) {
  const std::vector<std::int32_t>& coords = voxels.coords;
  std::vector<Entry> entries(coords.size() / 4);
  bool sorted = true;
  for (std::size_t r = 0; r < entries.size(); ++r) {
    const std::int32_t* c = &coords[4 * r];
    entries[r] = {order(c[0], (c[1] + shift) / divisor, (c[2] + shift) / divisor, (c[3] + shift) / divisor),
                  static_cast<std::int32_t>(r)};
    sorted = sorted && (r == 0 || entries[r - 1].cell <= entries[r].cell);
  }
  if (sorted) return entries;
  const std::int64_t cells = order.cells(voxels.batch());
  if (cells <= 8 * static_cast<std::int64_t>(entries.size())) return counted(entries, cells);
  std::sort(entries.begin(), entries.end());
  return entries;
}

std::int64_t longest_of(const std::vector<std::int32_t>& begin) {
  std::int64_t longest = 0;
  for (std::size_t s = 0; s + 1 < begin.size(); ++s) longest = std::max<std::int64_t>(longest, begin[s + 1] - begin[s]);
  return longest;
}

// Appends the start of each run of equal cells, and the end, to `begin`; `rows` gets the rows in order.
void cut_into_cells(const std::vector<Entry>& entries, std::vector<std::int32_t>& begin, std::vector<std::int32_t>& rows) {
  rows.reserve(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i == 0 || entries[i].cell != entries[i - 1].cell) begin.push_back(static_cast<std::int32_t>(i));
    rows.push_back(entries[i].row);
  }
  begin.push_back(static_cast<std::int32_t>(entries.size()));
}

}  // namespace

// In sorted order the neighbours at one offset are sorted too, so each tap is one walk over two positions of the same
// list. A layer of empty cells around the grid keeps neighbours beyond its border from meeting other cells.
std::vector<std::int32_t> neighbour_map(const Voxels& voxels) {
  constexpr std::int64_t kCentre = 13;
  constexpr std::int64_t kGrain = 65536;  // rows; fewer take less time than a team takes to wake
  const CellOrder padded{voxels.resolution + 2};
  const std::vector<Entry> entries = sorted_by_cell(voxels, 1, 1, padded);
  std::vector<std::int32_t> map(entries.size() * 27, -1);
  // Every range finds both directions of its own pairs, so each element is written by one of them.
  parallel_ranges(static_cast<std::int64_t>(entries.size()), kGrain, [&](std::int64_t first, std::int64_t last) {
    const auto begin = entries.begin() + first, end = entries.begin() + last;
    for (auto e = begin; e != end; ++e) map[static_cast<std::size_t>(e->row) * 27 + kCentre] = e->row;
    for (std::int64_t tap = kCentre + 1; tap < 27; ++tap) {
      const std::int64_t offset = padded(0, tap / 9 - 1, tap / 3 % 3 - 1, tap % 3 - 1);  // positive after the centre
      auto ahead = std::lower_bound(begin, entries.end(), Entry{begin->cell + offset, 0});
      for (auto e = begin; e != end; ++e) {
        while (ahead != entries.end() && ahead->cell < e->cell + offset) ++ahead;
        if (ahead == entries.end()) break;
        if (ahead->cell != e->cell + offset) continue;
        map[static_cast<std::size_t>(e->row) * 27 + static_cast<std::size_t>(tap)] = ahead->row;
        map[static_cast<std::size_t>(ahead->row) * 27 + static_cast<std::size_t>(26 - tap)] = e->row;
      }
    }
  });
  return map;
}

Coarsened coarsen(const Voxels& voxels) {
  Coarsened c;
  c.coarse.resolution = (voxels.resolution + 1) / 2;
  cut_into_cells(sorted_by_cell(voxels, 0, 2, {c.coarse.resolution}), c.begin, c.child);
  c.parent.resize(c.child.size());
  for (std::size_t m = 0; m + 1 < c.begin.size(); ++m) {
    const auto first = static_cast<std::size_t>(c.begin[m]);
    const std::int32_t* fine = &voxels.coords[4 * static_cast<std::size_t>(c.child[first])];
    c.coarse.coords.insert(c.coarse.coords.end(), {fine[0], fine[1] / 2, fine[2] / 2, fine[3] / 2});
    for (auto i = first; i < static_cast<std::size_t>(c.begin[m + 1]); ++i) {
      c.parent[static_cast<std::size_t>(c.child[i])] = static_cast<std::int32_t>(m);
    }
  }
  c.coarse.begin = batch_begins(c.coarse.coords, voxels.batch());
  return c;
}

HostPacking windows(const Voxels& voxels, int window, int shift) {
  require(window > 0 && shift >= 0, "windows", "window ", window, ", shift ", shift);
  HostPacking packing;
  const std::int64_t per_axis = (voxels.resolution - 1 + shift) / window + 1;
  cut_into_cells(sorted_by_cell(voxels, shift, window, {per_axis}), packing.begin, packing.order);
  packing.longest = longest_of(packing.begin);
  return packing;
}

HostPacking whole_batches(const Voxels& voxels) {
  HostPacking packing;
  packing.begin.assign(voxels.begin.begin(), voxels.begin.end());
  packing.longest = longest_of(packing.begin);
  return packing;
}

HostPacking equal_batches(std::int64_t batch, std::int64_t length) {
  HostPacking packing;
  for (std::int64_t b = 0; b <= batch; ++b) packing.begin.push_back(static_cast<std::int32_t>(b * length));
  packing.longest = batch > 0 ? length : 0;
  return packing;
}

std::vector<std::int32_t> row_batches(const Voxels& voxels) {
  std::vector<std::int32_t> element(static_cast<std::size_t>(voxels.rows()));
  for (std::size_t r = 0; r < element.size(); ++r) element[r] = voxels.coords[4 * r];
  return element;
}

}  // namespace espalier
