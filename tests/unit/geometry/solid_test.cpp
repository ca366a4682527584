// Solid extraction: closed where closed is true, however many voxels of the shell are missing, and vessels stay open.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numbers>

#include "geometry/mesh/mesh_quality.h"
#include "geometry/mesh/mesh_report.h"
#include "geometry/surface/solid_cells.h"
#include "geometry/surface/solid_steps.h"
#include "support/errors.h"
#include "unit/geometry/solid_fixture.h"

namespace espalier::test {
namespace {

constexpr int kSide = 64;
constexpr P3 kMiddle{31.7, 32.2, 32.4};

// Every edge is run through as often in one direction as in the other.
bool is_closed(const Mesh& mesh) {
  std::map<std::pair<std::int32_t, std::int32_t>, int> edges;
  for (std::size_t i = 0; i < mesh.faces.size(); ++i) {
    const std::int32_t a = mesh.faces[i];
    const std::int32_t b = mesh.faces[i % 3 == 2 ? i - 2 : i + 1];
    edges[{std::min(a, b), std::max(a, b)}] += a < b ? 1 : -1;
  }
  return std::all_of(edges.begin(), edges.end(), [](const auto& edge) { return edge.second == 0; });
}

std::int64_t handles(const MeshReport& report) { return report.components - report.euler() / 2; }

// In cubes.
double volume_of(const MeshReport& report) { return report.volume * kSide * kSide * kSide; }

SolidOutput extracted(const Blocks& blocks, const Solid& solid) {
  SolidOutput out = run_solid<Cpu>(solid_input(blocks, solid, kSide));
  EXPECT_LE(out.peak, out.promised);
  return out;
}

struct Truth {
  std::int64_t pieces = 1, handles = 0;
  double volume = 0, tolerance = 0.01, hidden = 0.005;
};

void expect_solid(const Blocks& blocks, const Solid& solid, const Truth& truth) {
  const SolidOutput out = extracted(blocks, solid);
  const MeshReport report = report_of(out.mesh);
  EXPECT_TRUE(report.watertight);
  EXPECT_TRUE(report.consistent_winding);
  EXPECT_EQ(report.components, truth.pieces);
  EXPECT_EQ(handles(report), truth.handles);
  EXPECT_NEAR(volume_of(report) / truth.volume, 1, truth.tolerance);
  const MeshQuality quality = quality_of(out.mesh, 64);
  EXPECT_LE(quality.hidden_share, truth.hidden);
  EXPECT_EQ(quality.crossing_faces, 0);
}

double ball_volume(double radius) { return 4 * std::numbers::pi / 3 * radius * radius * radius; }
double ring_volume(double radius, double thickness) {
  return 2 * std::numbers::pi * std::numbers::pi * radius * thickness * thickness;
}

TEST(Solid, AShellHasOneSkin) {
  const Solid solid = ball(kMiddle, 25);
  const Blocks shell = shell_of(solid, kSide);
  expect_solid(shell, solid, {.volume = ball_volume(25)});
  // The reference puts a second skin behind it.
  SurfaceInput input = solid_input(shell, solid, kSide);
  const SurfaceOutput reference = run_surface<Cpu>(input);
  EXPECT_GT(reference.faces.size(), extracted(shell, solid).mesh.faces.size() * 3 / 2);
}

TEST(Solid, MissingVoxels) {
  const Solid solids[] = {ball(kMiddle, 25), ring(kMiddle, 19, 8)};
  const double volumes[] = {ball_volume(25), ring_volume(19, 8)};
  for (std::size_t k = 0; k < 2; ++k) {
    const Blocks shell = shell_of(solids[k], kSide);
    for (const double share : {0.01, 0.05, 0.2}) {
      for (const std::uint64_t seed : {1U, 2U, 3U}) {
        SCOPED_TRACE(::testing::Message() << "solid " << k << ", " << share << " missing, seed " << seed);
        const Blocks left = thinned(shell, share, seed);
        ASSERT_LT(left.size(), shell.size());
        expect_solid(left, solids[k],
                     {.handles = static_cast<std::int64_t>(k), .volume = volumes[k], .tolerance = 0.01 + 0.1 * share});
      }
    }
  }
}

TEST(Solid, PinholesAndSlitsOfEveryLength) {
  const Solid solid = ball(kMiddle, 25);
  const Blocks shell = shell_of(solid, kSide);
  for (const int length : {1, 2, 3, 4, 6, 8, 11}) {
    SCOPED_TRACE(length);
    Blocks left = shell;
    // Along a meridian, one block wide.
    for (int i = 0; i < length; ++i) std::erase_if(left, [&](const Cell& c) { return c[1] == 8 && c[0] > 8 && c[2] == 3 + i; });
    ASSERT_LT(left.size(), shell.size());
    expect_solid(left, solid, {.volume = ball_volume(25), .tolerance = 0.02});
  }
}

TEST(Solid, AHoleOfSeveralVoxelsIsBridgedSmoothly) {
  const Solid solid = ball(kMiddle, 25);
  Blocks left = shell_of(solid, kSide);
  std::erase_if(left, [](const Cell& c) { return c[0] > 10 && c[1] >= 7 && c[1] <= 9 && c[2] >= 7 && c[2] <= 9; });
  const SolidOutput out = extracted(left, solid);
  expect_solid(left, solid, {.volume = ball_volume(25), .tolerance = 0.02});
  // Nowhere far from the ball, and without folds.
  for (std::size_t v = 0; v < out.mesh.vertices.size(); v += 3) {
    const float* const p = out.mesh.vertices.data() + v;
    EXPECT_NEAR(solid({(p[0] + 0.5) * kSide, (p[1] + 0.5) * kSide, (p[2] + 0.5) * kSide}), 0, 3.0);
  }
  EXPECT_EQ(quality_of(out.mesh, 1).crease_length, 0);
}

TEST(Solid, VesselsStayOpen) {
  const Solid solid = vase(kMiddle, 22, 44, 7);
  const double volume = std::numbers::pi * (22 * 22 * 44 - 15 * 15 * 37.0);
  const Blocks shell = shell_of(solid, kSide);
  expect_solid(shell, solid, {.volume = volume, .tolerance = 0.02});
  expect_solid(thinned(shell, 0.05, 5), solid, {.volume = volume, .tolerance = 0.03});
}

TEST(Solid, ABallInABowl) {
  const Solid solid = both(vase(kMiddle, 26, 40, 6), ball({32, 32, 34}, 9));
  const double volume = std::numbers::pi * (26 * 26 * 40 - 20 * 20 * 34.0) + ball_volume(9);
  expect_solid(shell_of(solid, kSide), solid, {.pieces = 2, .volume = volume, .tolerance = 0.02, .hidden = 0.05});
}

TEST(Solid, ThinPlatesAreLeftAlone) {
  const Solid solid = block_of({32, 32, 34}, {24.6, 24.6, 0.9});
  const SurfaceInput input = solid_input(shell_of(solid, kSide), solid, kSide);
  const SolidOutput out = run_solid<Cpu>(input);
  const SurfaceOutput reference = run_surface<Cpu>(input);
  EXPECT_EQ(out.report.inside_cells, 0);
  EXPECT_EQ(out.mesh.faces, reference.faces);
  EXPECT_EQ(out.mesh.vertices, reference.vertices);
  EXPECT_TRUE(report_of(out.mesh).watertight);
}

TEST(Solid, TouchingObjects) {
  const Solid solid = both(block_of({20, 32, 32}, {12, 12, 12}), block_of({44, 32, 32}, {12, 8, 8}));
  const SolidOutput out = extracted(shell_of(solid, kSide), solid);
  const MeshReport report = report_of(out.mesh);
  EXPECT_TRUE(is_closed(out.mesh));
  EXPECT_EQ(report.boundary_edges, 0);
  EXPECT_NEAR(volume_of(report) / (24.0 * 24 * 24 + 24 * 16 * 16), 1, 0.04);
}

TEST(Solid, OneVoxel) {
  const Solid solid = ball({34, 34, 34}, 1.6);
  expect_solid({{8, 8, 8}}, solid, {.volume = ball_volume(1.6), .tolerance = 0.45});
}

TEST(Solid, ObjectsThatReachTheBorderOfTheGridAreClosedThere) {
  const Solid solid = ball({10, 32, 32}, 20);
  const SolidOutput out = extracted(shell_of(solid, kSide), solid);
  const MeshReport report = report_of(out.mesh);
  EXPECT_TRUE(report.watertight);
  EXPECT_TRUE(report.consistent_winding);
  EXPECT_NEAR(report.low[0], -0.5, 0.02);
  EXPECT_EQ(report.components, 1);
}

TEST(Solid, NoiseIsClosedToo) {
  for (const std::uint32_t seed : {1U, 2U, 3U, 4U}) {
    SCOPED_TRACE(seed);
    Noise noise(seed);
    Blocks blocks;
    for (int i = 0; i < 300; ++i) blocks.insert({noise.below(8), noise.below(8), noise.below(8)});
    SurfaceInput input = solid_input(blocks, ball({0, 0, 0}, 1), 32, true);
    for (std::size_t i = 0; i < input.features.size(); ++i) {
      if (i % 101 < 8) input.features[i] = noise(-1, 1);
    }
    for (int i = 0; i < 200 && seed > 2; ++i) {
      const auto row = static_cast<std::size_t>(noise.below(static_cast<std::int32_t>(input.count())));
      input.features[101 * row + static_cast<std::size_t>(noise.below(8))] =
          seed == 3 ? std::numeric_limits<float>::quiet_NaN() : 0.0F;
    }
    const SolidOutput out = run_solid<Cpu>(input);
    EXPECT_LE(out.peak, out.promised);
    EXPECT_FALSE(out.mesh.faces.empty());
    EXPECT_TRUE(is_closed(out.mesh));
  }
}

TEST(Solid, TheOrderOfCubesDoesNotMatter) {
  const Solid solid = ball(kMiddle, 20);
  const SurfaceInput input = solid_input(thinned(shell_of(solid, kSide), 0.1, 1), solid, kSide, true);
  SurfaceInput turned = input;
  turned.padding = 3;
  const auto n = static_cast<std::size_t>(input.count());
  for (std::size_t i = 0; i < n; ++i) {
    std::copy_n(input.coords.begin() + static_cast<std::ptrdiff_t>(4 * i), 4,
                turned.coords.begin() + static_cast<std::ptrdiff_t>(4 * (n - 1 - i)));
    std::copy_n(input.features.begin() + static_cast<std::ptrdiff_t>(101 * i), 101,
                turned.features.begin() + static_cast<std::ptrdiff_t>(101 * (n - 1 - i)));
  }
  const SolidOutput a = run_solid<Cpu>(input);
  const SolidOutput b = run_solid<Cpu>(turned);
  EXPECT_GT(a.report.band_cells, 0);
  EXPECT_EQ(a.mesh.faces, b.mesh.faces);
  EXPECT_EQ(a.mesh.vertices, b.mesh.vertices);
  EXPECT_EQ(a.attributes, b.attributes);
}

TEST(Solid, ColoursOfBridgesAreThoseAround) {
  const Solid solid = ball(kMiddle, 25);
  Blocks left = shell_of(solid, kSide);
  std::erase_if(left, [](const Cell& c) { return c[0] > 10 && c[1] >= 7 && c[1] <= 8 && c[2] >= 7 && c[2] <= 8; });
  SurfaceInput input = solid_input(left, solid, kSide);
  for (std::size_t i = 0; i < input.features.size(); ++i) {
    if (i % 101 >= 53) input.features[i] = 2.0F;
  }
  const float wanted = 1.0F / (1.0F + std::exp(-2.0F));
  for (const float c : run_solid<Cpu>(input).attributes) EXPECT_NEAR(c, wanted, 0.01);
}

// An object of which a part changes: what is closed away from it stays as it was.
TEST(Solid, WhatIsKeptIsClosedAsBefore) {
  using namespace surface;
  const Solid solid = ball(kMiddle, 25);
  Blocks before = thinned(shell_of(solid, kSide), 0.1, 3);
  std::erase_if(before, [](const Cell& c) { return c[0] >= 6 && c[0] <= 7 && c[1] >= 7 && c[1] <= 9 && c[2] > 8; });
  constexpr std::int32_t kFirst = 9;  // the lowest layer along x that changes
  // All of one side is gone, so that on its own the rest would not be worth closing.
  Blocks after = before;
  std::erase_if(after, [](const Cell& c) { return c[0] >= kFirst; });
  ASSERT_LT(after.size() + 30, before.size());
  const int side = kSide / kBlock;
  std::vector<std::uint8_t> kept(static_cast<std::size_t>(side * side * side), 1);
  std::fill(kept.begin() + kFirst * side * side, kept.end(), std::uint8_t{0});

  // Colours belong to cells: a cell has the same in both.
  const auto coloured = [](SurfaceInput input) {
    for (std::int64_t row = 0; row < input.count(); ++row) {
      const Cell cell = input.cell(row);
      for (int k = 53; k < input.channels; ++k) {
        const int mixed = (31 * cell[0] + 17 * cell[1] + 7 * cell[2] + k) % 64;
        input.features[static_cast<std::size_t>(row * input.channels + k)] = static_cast<float>(mixed) / 32.0F - 1.0F;
      }
    }
    return input;
  };
  const SurfaceInput whole = coloured(solid_input(before, solid, kSide)), rest = coloured(solid_input(after, solid, kSide));
  const SolidClosing closing = run_closing<Cpu>(whole);
  EXPECT_FALSE(closing.band.empty());
  const KeptClosing keep{&closing, kept};
  const SolidOutput a = run_solid<Cpu>(whole), b = run_solid<Cpu>(rest, &keep), free = run_solid<Cpu>(rest);
  EXPECT_LE(b.peak, b.promised);
  EXPECT_TRUE(is_closed(b.mesh));
  const auto vertices = [](const SolidOutput& out) {
    std::map<std::array<float, 3>, std::vector<float>> all;  // with their colours and normals
    for (std::size_t i = 0; i < out.mesh.vertices.size(); i += 3) {
      const float* const v = &out.mesh.vertices[i];
      if ((v[0] + 0.5F) * side >= kFirst - 1) continue;
      all[{v[0], v[1], v[2]}].assign(&out.attributes[2 * i], &out.attributes[2 * i] + 6);
    }
    return all;
  };
  EXPECT_GT(vertices(a).size(), 1000U);
  EXPECT_TRUE(vertices(a) == vertices(b));
  EXPECT_FALSE(vertices(a) == vertices(free));
  // The same again, of what was kept.
  const SolidClosing second = run_closing<Cpu>(rest, &keep);
  const std::vector<std::uint8_t> all(kept.size(), 1);
  const KeptClosing everything{&second, all};
  const SolidOutput c = run_solid<Cpu>(rest, &everything);
  EXPECT_TRUE(b.mesh.vertices == c.mesh.vertices);
  EXPECT_TRUE(b.mesh.faces == c.mesh.faces);
  EXPECT_TRUE(b.attributes == c.attributes);
}

TEST(Solid, WhatIsKeptOfAnotherGridIsRefused) {
  const Solid solid = ball(kMiddle, 20);
  const SurfaceInput input = solid_input(shell_of(solid, kSide), solid, kSide);
  const SolidClosing closing = run_closing<Cpu>(input);
  const std::vector<std::uint8_t> kept(27, 1);
  const KeptClosing keep{&closing, kept};
  expect_error(ErrorCode::internal, {"another grid"}, [&] { (void)run_solid<Cpu>(input, &keep); });
}

TEST(Solid, WhatIsRefused) {
  const Solid solid = ball(kMiddle, 20);
  SurfaceInput input = solid_input(shell_of(solid, kSide), solid, kSide);
  SurfaceInput repeated = input;
  std::copy_n(repeated.coords.begin(), 4, repeated.coords.begin() + 4 * 20);
  expect_error(ErrorCode::invalid_argument, {"repeats row"}, [&] { (void)run_solid<Cpu>(repeated); });
  SurfaceInput outside = input;
  outside.coords[5] = -3;
  expect_error(ErrorCode::invalid_argument, {"outside the grid"}, [&] { (void)run_solid<Cpu>(outside); });
  input.block = 5;
  expect_error(ErrorCode::invalid_argument, {"extract_solid", "5^3"}, [&] { (void)run_solid<Cpu>(input); });
  input.block = 3;
  expect_error(ErrorCode::invalid_argument, {"extract_solid", "3^3"}, [&] { (void)run_solid<Cpu>(input); });
}

TEST(SolidCells, WhatFindsNoRoomIsNotSolid) {
  using namespace surface;
  // A closed shell of 5^3 cells around 3^3, all signs inside, with one cell missing.
  std::vector<std::uint64_t> sums(8 * 8 * 8, 0);
  const std::uint64_t whole = std::uint64_t{64} << (6 * kVoteBits);
  for (int x = 1; x < 6; ++x) {
    for (int y = 1; y < 6; ++y) {
      for (int z = 1; z < 6; ++z) {
        const bool hollow = x > 1 && x < 5 && y > 1 && y < 5 && z > 1 && z < 5;
        if (hollow || (x == 1 && y == 3 && z == 3)) continue;
        std::uint64_t votes = whole;
        const int at[3] = {x, y, z};
        for (int side = 0; side < 6; ++side) {
          const bool outward = at[side / 2] == (side % 2 == 0 ? 1 : 5);
          if (!outward) votes += std::uint64_t{64} << (side * kVoteBits);
        }
        sums[static_cast<std::size_t>((x * 8 + y) * 8 + z)] = votes;
      }
    }
  }
  const SolidCells cells = solid_cells({8, 4, sums}, 1000);
  EXPECT_EQ(cells.inside, 28);
  EXPECT_EQ(cells.membrane, 1);
  EXPECT_GE(cells.band.size(), 2U);
  EXPECT_TRUE(std::is_sorted(cells.band.begin(), cells.band.end()));
  const SolidCells none = solid_cells({8, 4, sums}, 1);
  EXPECT_EQ(none.inside, 0);
  EXPECT_TRUE(none.band.empty());
  // A cell that lacks a cube.
  sums[(1 * 8 + 1) * 8 + 1] -= std::uint64_t{1} << (6 * kVoteBits);
  EXPECT_EQ(solid_cells({8, 4, sums}, 1000).inside, 0);
}

}  // namespace
}  // namespace espalier::test
