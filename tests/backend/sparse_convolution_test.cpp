// Submanifold convolution and subdivision.
#include <map>

#include "harness.h"
#include "ops/convolution.h"
#include "sparse/subdivision.h"

namespace espalier::test {
namespace {

using Cell = std::array<std::int32_t, 4>;  // batch, x, y, z

template <class Backend>
class SparseConvolution : public OpTest<Backend> {
 public:
  using Device = typename Backend::Dev;
  using Element = typename Backend::T;

 protected:
  // About rows different cells of a grid, in random order.
  std::vector<Cell> random_cells(std::int64_t rows, std::int32_t resolution, std::int32_t batch) {
    std::map<Cell, bool> cells;
    for (std::int64_t i = 0; i < rows; ++i) {
      cells[{static_cast<std::int32_t>(this->below(batch)), static_cast<std::int32_t>(this->below(resolution)),
             static_cast<std::int32_t>(this->below(resolution)), static_cast<std::int32_t>(this->below(resolution))}] = true;
    }
    std::vector<Cell> list;
    for (const auto& [cell, present] : cells) list.push_back(cell);
    for (std::size_t i = list.size(); i > 1; --i) {
      std::swap(list[i - 1], list[static_cast<std::size_t>(this->below(static_cast<std::int64_t>(i)))]);
    }
    return list;
  }

  Array<Device, std::int32_t, 2> neighbours(const std::vector<Cell>& cells) {
    std::map<Cell, std::int32_t> rows;
    for (std::size_t r = 0; r < cells.size(); ++r) rows[cells[r]] = static_cast<std::int32_t>(r);
    Host<2> map({static_cast<std::int64_t>(cells.size()), 27});
    for (std::size_t r = 0; r < cells.size(); ++r) {
      for (std::int32_t k = 0; k < 27; ++k) {
        const Cell& c = cells[r];
        const auto found = rows.find({c[0], c[1] + k / 9 - 1, c[2] + k / 3 % 3 - 1, c[3] + k % 3 - 1});
        map(r, k) = found == rows.end() ? -1 : found->second;
      }
    }
    return this->template make<std::int32_t, 2>(map);
  }

  static Host<2> reference(const Host<2>& x, const Host<3>& w, const Host<1>& bias, const Host<2>& map, const Host<2>& residual,
                           const std::vector<std::int64_t>& rows) {
    Host<2> out({static_cast<std::int64_t>(rows.size()), w.extents[0]});
    for (std::int64_t i = 0; i < out.extents[0]; ++i) {
      const std::int64_t r = rows[static_cast<std::size_t>(i)];
      for (std::int64_t o = 0; o < w.extents[0]; ++o) {
        double sum = bias(o) + (residual.values.empty() ? 0.0 : residual(r, o));
        for (std::int64_t k = 0; k < 27; ++k) {
          const auto from = static_cast<std::int64_t>(map(r, k));
          for (std::int64_t c = 0; from >= 0 && c < w.extents[2]; ++c) sum += w(o, k, c) * x(from, c);
        }
        out(i, o) = sum;
      }
    }
    return out;
  }

  struct Layer {
    Array<Device, Element, 3> w;
    Array<Device, Element, 1> bias;
  };
  Layer layer(std::int64_t in, std::int64_t out) {
    return {this->random(Extents<3>{out, 27, in}, 0, 1.0 / std::sqrt(9.0 * static_cast<double>(in))),
            this->random(Extents<1>{out})};
  }

  // The whole map in one call, checked at each `every`-th row, without and with a residual (apart and in place).
  void check(const std::vector<Cell>& cells, std::int64_t in, std::int64_t out_channels, std::int64_t every = 1) {
    const auto rows = static_cast<std::int64_t>(cells.size());
    const auto map = neighbours(cells);
    auto x = this->random(Extents<2>{rows, in});
    const Layer l = layer(in, out_channels);
    auto residual = this->random(Extents<2>{rows, out_channels});
    auto out = this->poisoned(Extents<2>{rows, out_channels});
    std::vector<std::int64_t> sampled;
    for (std::int64_t r = 0; r < rows; r += every) sampled.push_back(r);
    const double limit = 2 * tolerance<Element>(27 * in);
    const std::string what = str("rows ", rows, ", in ", in, ", out ", out_channels);

    this->run([&](auto& q) { submanifold_conv(q, x.view(), l.w.view(), l.bias.view(), map.view(), {}, out.view()); });
    const Host<2> plain = out.download();
    EXPECT_FALSE(has_nan(plain)) << what;
    expect_close(rows_of(plain, sampled), reference(x.host, l.w.host, l.bias.host, map.host, {}, sampled), limit, what);

    const Host<2> expected = reference(x.host, l.w.host, l.bias.host, map.host, residual.host, sampled);
    this->run(
        [&](auto& q) { submanifold_conv(q, x.view(), l.w.view(), l.bias.view(), map.view(), residual.view(), out.view()); });
    expect_close(rows_of(out.download(), sampled), expected, limit, "residual, " + what);
    this->run([&](auto& q) {
      submanifold_conv(q, x.view(), l.w.view(), l.bias.view(), map.view(), residual.view(), residual.view());
    });
    expect_close(rows_of(residual.download(), sampled), expected, limit, "residual in place, " + what);
  }
};
TYPED_TEST_SUITE(SparseConvolution, Backends, BackendNames);

TYPED_TEST(SparseConvolution, ManyWidths) {
  const auto cells = this->random_cells(250, 8, 2);
  for (const std::int64_t in : {1, 3, 8, 20, 24, 33, 56, 64, 128, 132}) {
    for (const std::int64_t out : {1, 5, 16, 36, 40, 56, 96, 132}) this->check(cells, in, out);
  }
}

// Wide enough for the largest tiles, and few rows of many channels, whose sums are split.
TYPED_TEST(SparseConvolution, WideLayers) {
  const auto cells = this->random_cells(700, 10, 2);
  for (const std::int64_t out : {128, 192, 200}) this->check(cells, 192, out, 7);
  this->check(cells, 96, 96, 7);
  this->check(cells, 1024, 128, 41);
  this->check(cells, 768, 192, 41);
}

TYPED_TEST(SparseConvolution, Densities) {
  this->check({{0, 3, 3, 3}}, 16, 24);                  // one voxel
  this->check({{0, 0, 0, 0}, {1, 0, 0, 1}}, 8, 8);      // two elements never meet
  this->check(this->random_cells(4000, 7, 1), 32, 32);  // almost every cell
  this->check(this->random_cells(700, 64, 3), 32, 32);  // almost no neighbours
}

TYPED_TEST(SparseConvolution, NoRows) {
  const std::vector<Cell> none;
  this->check(none, 16, 16);
}

TYPED_TEST(SparseConvolution, RowsWithoutAnyNeighbourAreTheBias) {
  Host<2> map({40, 27});
  std::fill(map.values.begin(), map.values.end(), -1.0);
  const auto nobody = this->template make<std::int32_t, 2>(map);
  auto x = this->random(Extents<2>{3, 16});
  const auto l = this->layer(16, 8);
  auto out = this->poisoned(Extents<2>{40, 8});
  this->run([&](auto& q) { submanifold_conv(q, x.view(), l.w.view(), l.bias.view(), nobody.view(), {}, out.view()); });
  expect_close(out.download(), this->reference(x.host, l.w.host, l.bias.host, map, {}, all_rows(40)),
               tolerance<typename TestFixture::Element>());
}

TYPED_TEST(SparseConvolution, RangesOfRowsGiveTheSame) {
  const auto cells = this->random_cells(1200, 16, 2);
  const auto rows = static_cast<std::int64_t>(cells.size());
  const auto map = this->neighbours(cells);
  auto x = this->random(Extents<2>{rows, 48});
  const auto l = this->layer(48, 40);
  auto out = this->poisoned(Extents<2>{rows, 40});
  this->run([&](auto& q) {
    for (std::int64_t begin = 0; begin < rows; begin += 333) {
      const std::int64_t count = std::min<std::int64_t>(333, rows - begin);
      submanifold_conv(q, x.view(), l.w.view(), l.bias.view(), map.view().rows(begin, count), {},
                       out.view().rows(begin, count));
    }
  });
  expect_close(out.download(), this->reference(x.host, l.w.host, l.bias.host, map.host, {}, all_rows(rows)),
               2 * tolerance<typename TestFixture::Element>(27 * 48));
}

// Many rows that share few: rows of x are cells of half the resolution.
TYPED_TEST(SparseConvolution, OverRowsThatManyShare) {
  struct Sizes {
    std::int64_t voxels, in, out;
    std::int32_t resolution;
  };
  for (const Sizes& s : {Sizes{1, 8, 8, 4}, {900, 32, 24, 10}, {400, 5, 7, 8}, {3000, 256, 128, 16}, {300, 64, 40, 64}}) {
    const auto cells = this->random_cells(s.voxels, s.resolution, 2);
    std::map<Cell, std::int32_t> coarse;
    for (const Cell& c : cells) coarse[{c[0], c[1] / 2, c[2] / 2, c[3] / 2}] = 0;
    std::int32_t next = 0;
    for (auto& [cell, row] : coarse) row = next++;
    Host<2> map = this->neighbours(cells).host;
    for (double& v : map.values) {
      if (v < 0) continue;
      const Cell& c = cells[static_cast<std::size_t>(v)];
      v = coarse.at({c[0], c[1] / 2, c[2] / 2, c[3] / 2});
    }
    const auto table = this->template make<std::int32_t, 2>(map);
    auto x = this->random(Extents<2>{next, s.in});
    const auto l = this->layer(s.in, s.out);
    auto out = this->poisoned(Extents<2>{static_cast<std::int64_t>(cells.size()), s.out});
    this->run([&](auto& q) { shared_rows_conv(q, x.view(), l.w.view(), l.bias.view(), table.view(), out.view()); });
    const Host<2> plain = out.download();
    EXPECT_FALSE(has_nan(plain));
    expect_close(plain, this->reference(x.host, l.w.host, l.bias.host, map, {}, all_rows(plain.rows())),
                 3 * tolerance<typename TestFixture::Element>(27 * s.in), str(s.voxels, " voxels, in ", s.in, ", out ", s.out));
  }
}

// The convolution over children that all have their parent's features, with the 27 taps that it is defined by.
TYPED_TEST(SparseConvolution, OverChildrenWithTheFeaturesOfTheirParents) {
  struct Sizes {
    std::int64_t voxels, in, out;
  };
  for (const Sizes& s : {Sizes{1, 8, 8}, {200, 32, 24}, {90, 5, 7}, {300, 192, 96}, {120, 768, 192}, {40, 16, 130}}) {
    const auto parents = this->random_cells(s.voxels, 8, 2);
    const auto n = static_cast<std::int64_t>(parents.size());
    std::vector<Cell> children;
    for (const Cell& p : parents) {
      for (std::int32_t i = 0; i < 8; ++i) children.push_back({p[0], 2 * p[1] + i / 4, 2 * p[2] + i / 2 % 2, 2 * p[3] + i % 2});
    }
    const auto parent_map = this->neighbours(parents);
    const auto child_map = this->neighbours(children);
    auto x = this->random(Extents<2>{n, s.in});
    const auto l = this->layer(s.in, s.out);
    auto folded = this->poisoned(Extents<4>{8, s.out, 8, s.in});
    auto out = this->poisoned(Extents<2>{8 * n, s.out});
    this->run([&](auto& q) {
      fold_child_taps(q, l.w.view(), folded.view());
      for (std::int64_t first = 0; first < n; first += 128) {  // in ranges of parents
        const std::int64_t count = std::min<std::int64_t>(128, n - first);
        child_conv(q, x.view(), folded.view(), l.bias.view(), parent_map.view().rows(first, count),
                   out.view().rows(8 * first, 8 * count));
      }
    });
    Host<2> repeated({8 * n, s.in});
    for (std::int64_t r = 0; r < 8 * n; ++r) {
      for (std::int64_t c = 0; c < s.in; ++c) repeated(r, c) = x.host(r / 8, c);
    }
    const Host<2> plain = out.download();
    EXPECT_FALSE(has_nan(plain));
    expect_close(plain, this->reference(repeated, l.w.host, l.bias.host, child_map.host, {}, all_rows(8 * n)),
                 3 * tolerance<typename TestFixture::Element>(27 * s.in), str(s.voxels, " voxels, in ", s.in, ", out ", s.out));
  }
}

TYPED_TEST(SparseConvolution, TwelveThousandVoxels) {
  // A spherical shell, like the surface of an object.
  std::vector<Cell> cells;
  for (std::int32_t x = 0; x < 64; ++x) {
    for (std::int32_t y = 0; y < 64; ++y) {
      for (std::int32_t z = 0; z < 64; ++z) {
        const double r = std::hypot(x - 31.5, y - 31.5, z - 31.5);
        if (r > 28.5 && r < 30) cells.push_back({0, x, y, z});
      }
    }
  }
  ASSERT_GT(cells.size(), 12000U);
  this->check(cells, 128, 128, 701);
}

TYPED_TEST(SparseConvolution, SubdividedNeighboursAreThoseOfTheChildren) {
  for (const std::int64_t n : {0, 1, 300}) {
    const auto parents = this->random_cells(n, 10, 2);
    std::vector<Cell> children;
    for (const Cell& p : parents) {
      for (std::int32_t i = 0; i < 8; ++i) {
        children.push_back({p[0], 2 * p[1] + i / 4, 2 * p[2] + i / 2 % 2, 2 * p[3] + i % 2});
      }
    }
    const auto parent_map = this->neighbours(parents);
    const auto expected = this->neighbours(children);
    const auto rows = static_cast<std::int64_t>(children.size());
    auto map = this->template poisoned_of<std::int32_t>(Extents<2>{rows, 27});
    Host<2> parent_coords({rows / 8, 4});
    for (std::int64_t r = 0; r < rows / 8; ++r) {
      for (std::int64_t c = 0; c < 4; ++c)
        parent_coords(r, c) = parents[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)];
    }
    const auto coords = this->template make<std::int32_t, 2>(parent_coords);
    auto child_coords = this->template poisoned_of<std::int32_t>(Extents<2>{rows, 4});
    this->run([&](auto& q) {
      subdivide_neighbours(q, parent_map.view(), map.view());
      subdivide_coords(q, coords.view(), child_coords.view());
    });
    expect_close(map.download(), expected.host, 0);
    const Host<2> actual = child_coords.download();
    for (std::int64_t r = 0; r < rows; ++r) {
      for (std::int64_t c = 0; c < 4; ++c) {
        ASSERT_EQ(actual(r, c), children[static_cast<std::size_t>(r)][static_cast<std::size_t>(c)]) << "row " << r;
      }
    }
  }
}

TYPED_TEST(SparseConvolution, ChildrenRepeatTheirParent) {
  for (const std::int64_t n : {0, 1, 77}) {
    for (const std::int64_t channels : {1, 7, 96}) {
      auto x = this->random(Extents<2>{n, channels});
      auto out = this->poisoned(Extents<2>{8 * n, channels});
      Host<2> expected({8 * n, channels});
      for (std::int64_t r = 0; r < 8 * n; ++r) {
        for (std::int64_t c = 0; c < channels; ++c) expected(r, c) = x.host(r / 8, c);
      }
      this->run([&](auto& q) { repeat_children(q, x.view(), out.view()); });
      expect_close(out.download(), expected, 0);
    }
  }
}

}  // namespace
}  // namespace espalier::test
