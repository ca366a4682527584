// Voxels of a mesh, against a test of every cell by brute force and against shapes whose voxels are known.
#include "geometry/voxelize/voxelize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "support/errors.h"

namespace espalier {
namespace {

Mesh box(std::array<float, 3> low, std::array<float, 3> high) {
  Mesh m;
  for (int i = 0; i < 8; ++i) {
    for (std::size_t axis = 0; axis < 3; ++axis) m.vertices.push_back((i >> axis & 1) != 0 ? high.at(axis) : low.at(axis));
  }
  m.faces = {0, 2, 1, 1, 2, 3, 4, 5, 6, 5, 7, 6, 0, 1, 4, 1, 5, 4, 2, 6, 3, 3, 6, 7, 0, 4, 2, 2, 4, 6, 1, 3, 5, 3, 7, 5};
  return m;
}

using Cell = std::array<int, 3>;
std::set<Cell> cells(const Voxels& v) {
  std::set<Cell> out;
  for (std::size_t i = 0; i < v.coords.size(); i += 4) out.insert({v.coords[i + 1], v.coords[i + 2], v.coords[i + 3]});
  return out;
}

TEST(Voxelize, ACubeIsItsShell) {
  const Mesh cube = box({-1, -1, -1}, {1, 1, 1});
  const Voxels v = voxelize(cube, unit_placement(cube), 16);
  EXPECT_EQ(v.resolution, 16);
  EXPECT_EQ(v.rows(), 16 * 16 * 16 - 14 * 14 * 14);
  const std::vector<std::int32_t> first{0, 0, 0, 0, 0, 0, 0, 1};
  EXPECT_TRUE(std::equal(first.begin(), first.end(), v.coords.begin()));  // lexicographic
}

TEST(Voxelize, PlaceAndSizeDoNotMatter) {
  const Mesh near = box({0, 0, 0}, {1, 2, 3});
  Mesh far = near;
  for (std::size_t i = 0; i < far.vertices.size(); ++i)
    far.vertices[i] = far.vertices[i] * 256.0F + (i % 3 == 0 ? 1024.0F : -512.0F);
  const Voxels v = voxelize(near, unit_placement(near), 64);
  EXPECT_EQ(v.coords, voxelize(far, unit_placement(far), 64).coords);
  int high = 0;
  int low = 64;
  for (const Cell& c : cells(v)) {
    high = std::max(high, c[0]);
    low = std::min(low, c[0]);
  }
  EXPECT_EQ(low, 63 - high);  // centred
  EXPECT_NEAR(high - low + 1, 64 / 3.0, 2.0);
}

// A cell that holds a point of the triangle is met; one whose every point is farther away than its diagonal is not.
TEST(Voxelize, MatchesDenseSamplingOfTriangles) {
  constexpr int kSide = 24;
  Mesh m;
  std::uint32_t state = 7;
  const auto random = [&] {
    state = state * 1664525U + 1013904223U;
    return static_cast<float>(state >> 8U) / 16777216.0F - 0.5F;
  };
  for (int i = 0; i < 3 * 9; ++i) m.vertices.push_back(random());
  for (int i = 0; i < 9; ++i) m.faces.push_back(i);
  const UnitPlacement placement = unit_placement(m);
  const std::set<Cell> found = cells(voxelize(m, placement, kSide));
  std::set<Cell> sampled;
  std::vector<std::array<double, 3>> points;
  constexpr int kSteps = 400;
  for (std::size_t f = 0; f < 3; ++f) {
    for (int i = 0; i <= kSteps; ++i) {
      for (int j = 0; i + j <= kSteps; ++j) {
        const std::array weights{i / double{kSteps}, j / double{kSteps}, (kSteps - i - j) / double{kSteps}};
        std::array<double, 3> p{};
        Cell cell{};
        for (std::size_t axis = 0; axis < 3; ++axis) {
          for (std::size_t k = 0; k < 3; ++k)
            p.at(axis) +=
                weights.at(k) * std::clamp(placement.place(m.vertices[9 * f + 3 * k + axis], axis), -0.5 + 1e-6, 0.5 - 1e-6);
          cell.at(axis) = static_cast<int>((p.at(axis) + 0.5) * kSide);
        }
        sampled.insert(cell);
        points.push_back(p);
      }
    }
  }
  for (const Cell& c : sampled) EXPECT_TRUE(found.contains(c)) << c[0] << ' ' << c[1] << ' ' << c[2];
  // What was found beside is touched between two samples, so it lies very near one.
  for (const Cell& c : found) {
    if (sampled.contains(c)) continue;
    double nearest = 1.0;
    for (const auto& p : points) {
      double outside = 0.0;
      for (std::size_t axis = 0; axis < 3; ++axis)
        outside = std::max(outside, std::abs(p.at(axis) - (-0.5 + (c.at(axis) + 0.5) / kSide)) - 0.5 / kSide);
      nearest = std::min(nearest, outside);
    }
    EXPECT_LT(nearest, 2.0 / kSteps);
  }
}

TEST(Voxelize, TouchingIsMeeting) {
  // A flat square in the plane between two layers of cells belongs to both.
  const std::vector<double> vertices{-0.5, -0.5, 0, 0.5, -0.5, 0, 0.5, 0.5, 0, -0.5, 0.5, 0};
  const std::vector<std::int32_t> faces{0, 1, 2, 0, 2, 3};
  EXPECT_EQ(voxelize(vertices, faces, {}, 8).rows(), 2 * 8 * 8);
}

TEST(Voxelize, RefusesWhatHasNoVoxels) {
  const auto refused = [](Mesh m, std::initializer_list<const char*> words) {
    test::expect_error(ErrorCode::invalid_argument, words, [&] { (void)voxelize(m, unit_placement(m), 64); });
  };
  Mesh flat = box({0, 0, 0}, {1, 1, 0});
  refused(flat, {"no volume", "depth"});
  refused(box({1, 1, 1}, {1, 1, 1}), {"no volume"});
  refused({}, {"no volume"});
  Mesh without = box({0, 0, 0}, {1, 1, 1});
  without.faces.clear();
  refused(without, {"no faces"});
  Mesh astray = box({0, 0, 0}, {1, 1, 1});
  astray.faces[4] = 8;
  refused(astray, {"vertex 8 of 8"});
  astray.faces[4] = -1;
  refused(astray, {"vertex -1"});
  Mesh wild = box({0, 0, 0}, {1, 1, 1});
  wild.vertices[5] = std::numeric_limits<float>::quiet_NaN();
  refused(wild, {"not finite"});
}

}  // namespace
}  // namespace espalier
