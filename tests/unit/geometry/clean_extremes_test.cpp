// Inputs that are valid and as unpleasant as they come.
#include <gtest/gtest.h>

#include <cmath>

#include "geometry/repair/clean.h"
#include "geometry/simplify/simplify.h"
#include "support/mesh_shapes.h"
#include "unit/geometry/mesh_checks.h"

namespace espalier {
namespace {

using namespace test;

Mesh scaled(Mesh mesh, float x, float y, float z) {
  const float by[3] = {x, y, z};
  for (std::size_t i = 0; i < mesh.vertices.size(); ++i) mesh.vertices[i] *= by[i % 3];
  return mesh;
}

CleanOptions to_faces(std::int64_t faces) {
  CleanOptions options;
  options.faces = faces;
  return options;
}

TEST(CleanExtremes, AnySizeOfCoordinates) {
  for (const float size : {1e-18F, 1e-6F, 1e6F, 1e14F}) {
    const Mesh result = cleaned(scaled(sphere(10, 0.5), size, size, size), {}, to_faces(300));
    EXPECT_EQ(result.face_count(), 300) << size;
    expect_closed(result, 2);
    const double volume = 4.0 / 3 * 3.141592653589793 * 0.125 * std::pow(static_cast<double>(size), 3);
    EXPECT_NEAR(report_of(result).volume / volume, 1, 0.03) << size;
  }
}

TEST(CleanExtremes, NeedlesOfAThousandToOne) {
  // Slivers all around: a torus whose quads are a thousand times longer than wide.
  const Mesh mesh = torus(8000, 4, 0.3, 0.1);
  const Mesh result = cleaned(mesh, {}, to_faces(2000));
  EXPECT_EQ(result.face_count(), 2000);
  expect_closed(result, 0);
  EXPECT_NEAR(report_of(result).volume / report_of(mesh).volume, 1, 0.005);
}

TEST(CleanExtremes, AHubOfManyFaces) {
  // Two tips over a rim of 50,000 vertices.
  constexpr int kRim = 50000;
  Mesh mesh;
  for (int i = 0; i < kRim; ++i) add_vertex(mesh, {std::cos(kTurn * i / kRim), std::sin(kTurn * i / kRim), 0});
  add_vertex(mesh, {0, 0, 1});
  add_vertex(mesh, {0, 0, -1});
  for (int i = 0; i < kRim; ++i) {
    add_face(mesh, i, (i + 1) % kRim, kRim);
    add_face(mesh, (i + 1) % kRim, i, kRim + 1);
  }
  const Mesh result = simplified(mesh, 200);
  EXPECT_EQ(result.face_count(), 200);
  EXPECT_TRUE(report_of(result).watertight);
  EXPECT_NEAR(report_of(result).volume, 2 * 3.141592653589793 / 3, 0.02);
}

TEST(CleanExtremes, ABookOfManyPages) {
  // All faces share one edge, and nothing sees half of them.
  constexpr int kPages = 50000;
  Mesh mesh = box(2);
  const auto spine = static_cast<std::int32_t>(mesh.vertex_count());
  add_vertex(mesh, {2, 0, 0});
  add_vertex(mesh, {2, 0, 1});
  for (int i = 0; i < kPages; ++i) {
    add_vertex(mesh, {2 + std::cos(kTurn * i / kPages), std::sin(kTurn * i / kPages), 0.5});
    add_face(mesh, spine, spine + 1, spine + 2 + i);
  }
  const CountViews half = [](const Mesh& m, const Monitor*) {
    Visibility v{std::vector<std::int32_t>(static_cast<std::size_t>(m.face_count())), 100};
    for (std::size_t f = 0; f < v.seen.size(); ++f) v.seen[f] = f % 2 == 0 ? 0 : 40;
    return v;
  };
  const Mesh result = cleaned(mesh, half, to_faces(1000));
  EXPECT_LE(result.face_count(), 1000);
  EXPECT_GT(result.face_count(), 0);
}

TEST(CleanExtremes, LooseTriangles) {
  Mesh mesh;
  for (int i = 0; i < 30000; ++i) {
    const double x = i % 173;
    const double y = i / 173;
    add_vertex(mesh, {x, y, 0});
    add_vertex(mesh, {x + 0.5 + 0.0001 * (i % 7), y, 0});
    add_vertex(mesh, {x, y + 0.5, 0.1});
    add_face(mesh, 3 * i, 3 * i + 1, 3 * i + 2);
  }
  CleanOptions options = to_faces(100);
  options.drop_small = false;
  EXPECT_EQ(cleaned(mesh, {}, options).face_count(), 100);
}

TEST(CleanExtremes, EverythingInOnePointOrOnALine) {
  Mesh mesh = sphere(6, 0.5);
  EXPECT_THROW((void)cleaned(scaled(mesh, 0, 0, 0), {}, to_faces(10)), Error);
  EXPECT_LE(cleaned(scaled(mesh, 1, 0, 0), {}, to_faces(10)).face_count(), 10);
  // Flat as paper: two sheets on each other, welded into one.
  const Mesh flat = cleaned(scaled(mesh, 1, 1, 0), {}, to_faces(50));
  EXPECT_LE(flat.face_count(), 50);
  EXPECT_GT(flat.face_count(), 0);
}

}  // namespace
}  // namespace espalier
