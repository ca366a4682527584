// Properties of sparse structures: neighbour maps, coarsening, windows.
#include "sparse/structure.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>

namespace espalier::test {
namespace {

using Cell = std::array<std::int32_t, 4>;

Cell cell(const Voxels& v, std::int64_t row) {
  const std::int32_t* c = &v.coords[4 * static_cast<std::size_t>(row)];
  return {c[0], c[1], c[2], c[3]};
}

std::map<Cell, std::int32_t> rows_by_cell(const Voxels& v) {
  std::map<Cell, std::int32_t> rows;
  for (std::int64_t r = 0; r < v.rows(); ++r) rows[cell(v, r)] = static_cast<std::int32_t>(r);
  return rows;
}

// Different random cells, shuffled inside each batch element; the counts are upper bounds.
Voxels random_voxels(std::uint64_t seed, const std::vector<int>& counts, int resolution) {
  std::mt19937_64 generator(seed);
  std::vector<std::int32_t> coords;
  for (std::size_t b = 0; b < counts.size(); ++b) {
    std::map<Cell, bool> chosen;
    const auto coordinate = [&] { return static_cast<std::int32_t>(generator() % static_cast<std::uint64_t>(resolution)); };
    for (int i = 0; i < counts[b]; ++i) chosen[{static_cast<std::int32_t>(b), coordinate(), coordinate(), coordinate()}] = true;
    std::vector<Cell> cells;
    for (const auto& [c, present] : chosen) cells.push_back(c);
    std::shuffle(cells.begin(), cells.end(), generator);
    for (const Cell& c : cells) coords.insert(coords.end(), c.begin(), c.end());
  }
  return make_voxels(std::move(coords), static_cast<std::int64_t>(counts.size()), resolution);
}

// Structures that cover the corners of the contract.
std::vector<Voxels> samples() {
  std::vector<Voxels> all;
  all.push_back(make_voxels({}, 1, 64));                                               // nothing
  all.push_back(make_voxels({}, 3, 1));                                                // three times nothing
  all.push_back(make_voxels({0, 5, 6, 7}, 1, 8));                                      // one voxel
  all.push_back(make_voxels({0, 0, 0, 0}, 1, 1));                                      // a grid of one cell
  all.push_back(make_voxels({1, 3, 3, 3, 3, 3, 3, 3}, 4, 4));                          // elements 0 and 2 are empty
  all.push_back(make_voxels({0, 0, 0, 3, 0, 0, 1, 0, 0, 3, 3, 3, 0, 3, 0, 0}, 1, 4));  // borders that must not wrap
  all.push_back(random_voxels(1, {4000}, 16));
  all.push_back(random_voxels(2, {300, 500}, 64));
  all.push_back(random_voxels(3, {100, 0, 2000}, 13));
  all.push_back(random_voxels(4, {20000}, 7));  // every cell
  all.push_back(random_voxels(5, {500, 500}, 1024));
  return all;
}

TEST(Structure, NeighbourMapIsThatOfBruteForce) {
  for (const Voxels& v : samples()) {
    const auto rows = rows_by_cell(v);
    const auto map = neighbour_map(v);
    ASSERT_EQ(map.size(), static_cast<std::size_t>(v.rows()) * 27);
    for (std::int64_t r = 0; r < v.rows(); ++r) {
      for (std::int32_t tap = 0; tap < 27; ++tap) {
        Cell c = cell(v, r);
        c[1] += tap / 9 - 1;
        c[2] += tap / 3 % 3 - 1;
        c[3] += tap % 3 - 1;
        const auto found = rows.find(c);
        ASSERT_EQ(map[static_cast<std::size_t>(r * 27 + tap)], found == rows.end() ? -1 : found->second)
            << "row " << r << ", tap " << tap << ", resolution " << v.resolution;
      }
    }
  }
}

TEST(Structure, NeighbourhoodIsSymmetric) {
  for (const Voxels& v : samples()) {
    const auto map = neighbour_map(v);
    for (std::int64_t r = 0; r < v.rows(); ++r) {
      EXPECT_EQ(map[static_cast<std::size_t>(r * 27 + 13)], r) << "the centre tap is the voxel itself";
      for (std::int64_t tap = 0; tap < 27; ++tap) {
        const std::int64_t n = map[static_cast<std::size_t>(r * 27 + tap)];
        if (n >= 0) {
          ASSERT_EQ(map[static_cast<std::size_t>(n * 27 + 26 - tap)], r);
        }
      }
    }
  }
}

TEST(Structure, CoarseCellsAreTheHalvedCoordinatesInOrder) {
  for (const Voxels& v : samples()) {
    const Coarsened c = coarsen(v);
    EXPECT_EQ(c.coarse.resolution, (v.resolution + 1) / 2);
    EXPECT_EQ(c.coarse.batch(), v.batch());
    for (std::int64_t m = 1; m < c.coarse.rows(); ++m) ASSERT_LT(cell(c.coarse, m - 1), cell(c.coarse, m));
    ASSERT_EQ(c.parent.size(), static_cast<std::size_t>(v.rows()));
    for (std::int64_t r = 0; r < v.rows(); ++r) {
      const Cell fine = cell(v, r);
      ASSERT_EQ(cell(c.coarse, c.parent[static_cast<std::size_t>(r)]), (Cell{fine[0], fine[1] / 2, fine[2] / 2, fine[3] / 2}));
    }
    for (std::int64_t b = 0; b < v.batch(); ++b) {
      for (std::int64_t m = c.coarse.begin[static_cast<std::size_t>(b)]; m < c.coarse.begin[static_cast<std::size_t>(b) + 1];
           ++m) {
        ASSERT_EQ(cell(c.coarse, m)[0], b);
      }
    }
    EXPECT_EQ(c.coarse.begin.back(), c.coarse.rows());
  }
}

TEST(Structure, ChildrenAreThoseWhoNameTheParent) {
  for (const Voxels& v : samples()) {
    const Coarsened c = coarsen(v);
    ASSERT_EQ(c.begin.size(), static_cast<std::size_t>(c.coarse.rows()) + 1);
    ASSERT_EQ(c.child.size(), static_cast<std::size_t>(v.rows()));
    std::vector<int> seen(c.child.size(), 0);
    for (std::size_t m = 0; m + 1 < c.begin.size(); ++m) {
      ASSERT_LT(c.begin[m], c.begin[m + 1]) << "a coarse cell without children";
      ASSERT_LE(c.begin[m + 1] - c.begin[m], 8);
      for (auto i = static_cast<std::size_t>(c.begin[m]); i < static_cast<std::size_t>(c.begin[m + 1]); ++i) {
        const auto child = static_cast<std::size_t>(c.child[i]);
        ASSERT_EQ(c.parent[child], static_cast<std::int32_t>(m));
        if (i > static_cast<std::size_t>(c.begin[m])) {
          ASSERT_LT(c.child[i - 1], c.child[i]);
        }
        ++seen[child];
      }
    }
    EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](int n) { return n == 1; }));
  }
}

TEST(Structure, WindowsPartitionTheRows) {
  for (const Voxels& v : samples()) {
    for (const auto& [window, shift] :
         {std::pair{8, 0}, std::pair{8, 4}, std::pair{3, 1}, std::pair{1, 0}, std::pair{2000, 5}}) {
      const HostPacking p = windows(v, window, shift);
      ASSERT_EQ(p.order.size(), static_cast<std::size_t>(v.rows()));
      ASSERT_EQ(p.begin.front(), 0);
      ASSERT_EQ(p.begin.back(), v.rows());
      std::vector<std::int32_t> sorted = p.order;
      std::sort(sorted.begin(), sorted.end());
      for (std::size_t r = 0; r < sorted.size(); ++r) ASSERT_EQ(sorted[r], static_cast<std::int32_t>(r));
      const auto window_of = [&, w = window, s = shift](std::int32_t row) {
        const Cell c = cell(v, row);
        return Cell{c[0], (c[1] + s) / w, (c[2] + s) / w, (c[3] + s) / w};
      };
      std::int64_t longest = 0;
      for (std::size_t s = 0; s + 1 < p.begin.size(); ++s) {
        const auto first = static_cast<std::size_t>(p.begin[s]);
        const auto last = static_cast<std::size_t>(p.begin[s + 1]);
        ASSERT_LT(first, last) << "an empty window";
        longest = std::max<std::int64_t>(longest, p.begin[s + 1] - p.begin[s]);
        for (std::size_t i = first + 1; i < last; ++i) {
          ASSERT_LT(p.order[i - 1], p.order[i]);
          ASSERT_EQ(window_of(p.order[i]), window_of(p.order[first]));
        }
        if (s > 0) {
          ASSERT_LT(window_of(p.order[first - 1]), window_of(p.order[first]));
        }
      }
      EXPECT_EQ(p.longest, longest);
    }
  }
}

TEST(Structure, WholeBatches) {
  for (const Voxels& v : samples()) {
    const HostPacking p = whole_batches(v);
    EXPECT_TRUE(p.order.empty());
    ASSERT_EQ(p.begin.size(), v.begin.size());
    const auto element = row_batches(v);
    std::int64_t longest = 0;
    for (std::size_t b = 0; b + 1 < p.begin.size(); ++b) {
      EXPECT_EQ(p.begin[b], v.begin[b]);
      longest = std::max<std::int64_t>(longest, p.begin[b + 1] - p.begin[b]);
      for (auto r = static_cast<std::size_t>(p.begin[b]); r < static_cast<std::size_t>(p.begin[b + 1]); ++r) {
        ASSERT_EQ(element[r], static_cast<std::int32_t>(b));
      }
    }
    EXPECT_EQ(p.begin.back(), v.rows());
    EXPECT_EQ(p.longest, longest);
  }
}

TEST(Structure, EqualBatches) {
  const HostPacking p = equal_batches(3, 77);
  EXPECT_EQ(p.begin, (std::vector<std::int32_t>{0, 77, 154, 231}));
  EXPECT_EQ(p.longest, 77);
  EXPECT_TRUE(p.order.empty());
  EXPECT_EQ(equal_batches(0, 5).longest, 0);
}

void expect_refused(std::vector<std::int32_t> coords, std::int64_t batch, int resolution, const std::string& word) {
  try {
    (void)make_voxels(std::move(coords), batch, resolution);
    ADD_FAILURE() << "accepted, but should have named: " << word;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::invalid_argument);
    EXPECT_NE(std::string(e.what()).find(word), std::string::npos) << e.what();
  }
}

TEST(Structure, BadVoxelsAreRefusedByRow) {
  expect_refused({0, 1, 2}, 1, 8, "3 numbers");
  expect_refused({0, 1, 2, 3}, 1, 0, "resolution 0");
  expect_refused({0, 1, 2, 3}, 1, 1025, "resolution 1025");
  expect_refused({0, 1, 2, 3}, 0, 8, "batch of 0");
  expect_refused({0, 1, 2, 3}, 65, 8, "batch of 65");
  expect_refused({0, 1, 2, 3, 0, 8, 0, 0}, 1, 8, "row 1");
  expect_refused({0, 1, 2, 3, 0, 0, 0, -1}, 1, 8, "row 1");
  expect_refused({0, 1, 2, 3, 2, 0, 0, 0}, 2, 8, "row 1");
  expect_refused({-1, 1, 2, 3}, 2, 8, "row 0");
  expect_refused({1, 1, 2, 3, 0, 0, 0, 0}, 2, 8, "grouped");
  expect_refused({0, 1, 2, 3, 0, 0, 0, 0, 0, 1, 2, 3}, 1, 8, "row 2 repeats row 0");
}

// The same place in two batch elements is not a repetition.
TEST(Structure, ElementsMayShareCoordinates) {
  const Voxels v = make_voxels({0, 1, 2, 3, 1, 1, 2, 3}, 2, 8);
  EXPECT_EQ(v.begin, (std::vector<std::int64_t>{0, 1, 2}));
}

TEST(Structure, TablesArePlacedInAnArena) {
  const Voxels v = random_voxels(9, {50, 60}, 8);
  Queue<Cpu> queue;
  Arena<Cpu> meter;
  (void)place(queue, meter, windows(v, 4, 2));
  Arena<Cpu> arena(meter.peak(), 0, "test");
  const HostPacking host = windows(v, 4, 2);
  const Packing<Cpu> packing = place(queue, arena, host);
  ASSERT_EQ(packing.sequences(), static_cast<std::int64_t>(host.begin.size()) - 1);
  EXPECT_EQ(packing.longest, host.longest);
  for (std::size_t i = 0; i < host.order.size(); ++i) EXPECT_EQ(packing.order(i), host.order[i]);
}

}  // namespace
}  // namespace espalier::test
