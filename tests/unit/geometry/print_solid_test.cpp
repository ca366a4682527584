// Meshes for printing: closed, not crossing themselves, with walls.
#include "geometry/repair/print_solid.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_points.h"
#include "geometry/mesh/mesh_quality.h"
#include "geometry/mesh/mesh_report.h"
#include "geometry/mesh/triangle_tree.h"
#include "geometry/repair/untangle.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"
#include "unit/geometry/mesh_checks.h"

namespace espalier {
namespace {

using namespace test;

std::int64_t crossing_count(const Mesh& mesh) {
  const auto crossing = crossing_faces(mesh);
  return std::count(crossing.begin(), crossing.end(), 1);
}

void expect_printable(const Mesh& mesh) {
  const MeshReport report = report_of(mesh);
  EXPECT_TRUE(report.watertight);
  EXPECT_TRUE(report.consistent_winding);
  EXPECT_EQ(report.non_manifold_vertices, 0);
  EXPECT_EQ(report.degenerate_by_index, 0);
  EXPECT_EQ(crossing_count(mesh), 0);
  EXPECT_GT(report.volume, 0);
}

Mesh scaled(Mesh mesh, const P3& by) {
  for (std::size_t i = 0; i < mesh.vertices.size(); ++i) mesh.vertices[i] *= static_cast<float>(by[i % 3]);
  return mesh;
}
Mesh turned(Mesh mesh, double x, double z) {
  const Eigen::Matrix3d turn = (Eigen::AngleAxisd(z, Point::UnitZ()) * Eigen::AngleAxisd(x, Point::UnitX())).toRotationMatrix();
  for (std::int32_t v = 0; v < mesh.vertex_count(); ++v) {
    const Point p = turn * point_of(mesh, v);
    for (int k = 0; k < 3; ++k) mesh.vertices[static_cast<std::size_t>(3 * v + k)] = static_cast<float>(p[k]);
  }
  return mesh;
}

// How far the other side is, straight behind the middle of each face; the share of the area for which it is less than `wall`.
double thin_share(const Mesh& mesh, double wall) {
  const TriangleTree tree(mesh);
  double thin = 0, all = 0;
  for (std::int32_t f = 0; f < mesh.face_count(); ++f) {
    const Point cross = face_cross(mesh, f);
    const std::int32_t* const v = face_of(mesh, f);
    const Point middle = (point_of(mesh, v[0]) + point_of(mesh, v[1]) + point_of(mesh, v[2])) / 3;
    const auto hit = tree.first_hit(middle, -cross.normalized(), 1e-6, f);
    all += cross.norm();
    if (hit.face >= 0 && hit.distance < wall) thin += cross.norm();
  }
  return thin / all;
}

TEST(PrintSolid, WhatIsFitAlreadyStaysAsItIs) {
  const Mesh mesh = torus(64, 32, 0.3, 0.1);
  PrintReport report;
  const Mesh result = printable(mesh, {}, nullptr, &report);
  EXPECT_EQ(result.vertices, mesh.vertices);
  EXPECT_EQ(result.faces, mesh.faces);
  EXPECT_FALSE(report.rebuilt);
}

TEST(PrintSolid, ThinPlatesGetTheWallWhateverTheirPlace) {
  for (const double thickness : {0.0005, 0.015}) {
    for (const double tilt : {0.0, 0.5}) {
      const Mesh plate = turned(scaled(box(12), {1.0, 0.6, thickness}), tilt, tilt);
      constexpr double kWall = 0.04;
      const Mesh result = printable(plate, {.wall = kWall, .steps = 64, .faces = 4000});
      SCOPED_TRACE(testing::Message() << thickness << " " << tilt);
      expect_printable(result);
      EXPECT_LE(result.face_count(), 4000);
      EXPECT_LT(thin_share(result, 0.95 * kWall), 0.02);
      EXPECT_NEAR(report_of(result).volume, 0.6 * kWall, 0.18 * 0.6 * kWall);
      EXPECT_EQ(report_of(result).components, 1);
    }
  }
}

TEST(PrintSolid, ThickPartsKeepTheirShape) {
  for (const double tilt : {0.0, 0.4}) {
    const Mesh solid = turned(box(4), tilt, tilt);
    const Mesh result = printable(solid, {.wall = 0.08, .steps = 48, .faces = 600});
    expect_printable(result);
    EXPECT_NEAR(report_of(result).volume, 1.0, 0.01);
    EXPECT_LT(one_sided_distance(result, solid), 0.03);
    EXPECT_LT(one_sided_distance(solid, result), 0.03);
  }
}

TEST(PrintSolid, AFinOnABodyIsThickenedAndTheBodyIsNot) {
  const Mesh body = scaled(box(8), {0.4, 0.4, 0.4});
  const Mesh fin = moved(scaled(box(8), {0.8, 0.01, 0.3}), {0.4, 0, 0});
  PrintReport report;
  const Mesh result = printable(joined(body, fin), {.wall = 0.04, .steps = 64, .faces = 6000}, nullptr, &report);
  EXPECT_TRUE(report.rebuilt);
  expect_printable(result);
  EXPECT_EQ(report_of(result).components, 1);
  EXPECT_LT(thin_share(result, 0.95 * 0.04), 0.03);
  const double fin_volume = 0.6 * 0.3 * 0.04;  // 0.6 of it stands out
  EXPECT_NEAR(report_of(result).volume, 0.064 + fin_volume, 0.25 * fin_volume);
}

TEST(PrintSolid, WhatOverlapsBecomesOneSolid) {
  const Mesh two = joined(sphere(12, 0.3), moved(sphere(12, 0.3), {0.3, 0, 0}));
  ASSERT_GT(crossing_count(two), 0);
  PrintReport report;
  const Mesh result = printable(two, {.steps = 96, .faces = 4000}, nullptr, &report);
  expect_printable(result);
  EXPECT_TRUE(report.rebuilt);
  expect_closed(result, 2);
  const double lens = 5.0 / 12 * kTurn / 2 * 0.3 * 0.3 * 0.3;  // the balls' common part
  EXPECT_NEAR(report_of(result).volume, 2 * 4.0 / 3 * kTurn / 2 * 0.027 - lens, 0.004);
}

TEST(PrintSolid, AnOpenSheetBecomesAPlateOrIsRefused) {
  Mesh sheet = grid(10, 10, false, false, [](int i, int j) { return P3{0.1 * i, 0.1 * j, 0.02 * std::sin(0.6 * i)}; });
  sheet.colours.assign(sheet.vertices.size(), 0.25F);
  expect_error(ErrorCode::invalid_argument, {"openings", "200 faces", "min-wall"}, [&] { (void)printable(sheet, {}); });
  PrintReport report;
  const Mesh plate = printable(sheet, {.wall = 0.03, .steps = 64, .faces = 4000}, nullptr, &report);
  expect_printable(plate);
  expect_closed(plate, 2);
  EXPECT_EQ(report.open_faces, 200);
  EXPECT_LT(thin_share(plate, 0.95 * 0.03), 0.02);
  ASSERT_EQ(plate.colours.size(), plate.vertices.size());
  for (const float c : plate.colours) EXPECT_NEAR(c, 0.25F, 1e-6);
}

TEST(PrintSolid, StandsOnItsBase) {
  const Mesh ball = moved(sphere(16, 0.5), {0, 0, 0.123});
  const Mesh result = printable(ball, {.base = 0.05, .steps = 128, .faces = 3000});
  expect_printable(result);
  const double bottom = 0.123 - 0.5 + 0.05;
  double area = 0;
  for (std::int64_t f = 0; f < result.face_count(); ++f) {
    const std::int32_t* const v = face_of(result, f);
    const bool flat = std::all_of(v, v + 3, [&](std::int32_t i) { return std::abs(point_of(result, i)[2] - bottom) < 1e-4; });
    if (flat) area += face_area(result, f);
  }
  EXPECT_NEAR(report_of(result).low[2], bottom, 1e-4);
  EXPECT_NEAR(area, kTurn / 2 * (0.25 - 0.45 * 0.45), 0.06 * kTurn / 2 * (0.25 - 0.45 * 0.45));
}

TEST(PrintSolid, WallsThatCannotBeMadeSureOfAreRefused) {
  expect_error(ErrorCode::invalid_argument, {"walls of 0.5 %", "1 %"}, [] { (void)printable(box(4), {.wall = 0.005}); });
  expect_error(ErrorCode::invalid_argument, {"walls of 60 %"}, [] { (void)printable(box(4), {.wall = 0.6}); });
  expect_error(ErrorCode::invalid_argument, {"nothing is left"}, [] { (void)printable(box(4), {.base = 2.0, .steps = 32}); });
}

TEST(PrintSolid, TheSameEveryTime) {
  const Mesh mesh = turned(scaled(box(8), {1, 0.5, 0.01}), 0.2, 0.3);
  const Mesh a = printable(mesh, {.wall = 0.03, .steps = 64, .faces = 1000}),
             b = printable(mesh, {.wall = 0.03, .steps = 64, .faces = 1000});
  EXPECT_EQ(a.vertices, b.vertices);
  EXPECT_EQ(a.faces, b.faces);
}

TEST(Untangle, TakesCrossingFacesApart) {
  const Mesh plate = scaled(box(12), {1, 1, 0.05});
  Mesh dented = plate;
  for (std::int32_t v = 0; v < plate.vertex_count(); ++v) {
    const Point p = point_of(plate, v);
    if (std::hypot(p[0], p[1] - 0.25) < 0.1 && p[2] > 0)
      for (std::size_t k = 0; k < 3; ++k)
        dented.vertices[static_cast<std::size_t>(3 * v) + k] += std::array{0.011F, 0.017F, -0.08F}[k];
  }
  ASSERT_GT(crossing_count(dented), 0);
  const Mesh result = untangled(dented);
  EXPECT_EQ(crossing_count(result), 0);
  EXPECT_EQ(result.faces, plate.faces);
  EXPECT_LT(one_sided_distance(result, plate), 0.05);
  EXPECT_EQ(untangled(plate).vertices, plate.vertices);
}

TEST(PrintSolid, ColoursGoOnBetweenTheVerticesOfLargeFaces) {
  Mesh block = test::box(1);
  block.colours = block.vertices;
  for (float& c : block.colours) c += 0.5F;
  const Mesh cut = printable(block, {.base = 0.25, .steps = 16, .faces = 2000});
  ASSERT_EQ(cut.colours.size(), cut.vertices.size());
  // What the cut laid bare takes the colour of the closest point of what was there.
  for (std::size_t i = 0; i < cut.vertices.size(); i += 3) {
    if (cut.vertices[i + 2] < -0.2F) continue;
    for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(cut.colours[i + k], cut.vertices[i + k] + 0.5F, 0.05) << i;
  }
}

TEST(PrintSolid, ABlockOfTwelveFacesKeepsItsVolume) {
  PrintReport report;
  const Mesh made = printable(scaled(box(1), {0.8, 0.8, 1}), {.wall = 0.03, .steps = 64, .faces = 12}, nullptr, &report);
  expect_printable(made);
  EXPECT_NEAR(report.volume_after, 0.64, 0.02);
  EXPECT_LE(made.face_count(), 12 * 64);
}

}  // namespace
}  // namespace espalier
