// Fewer faces for meshes with a texture.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_report.h"
#include "geometry/simplify/textured.h"
#include "geometry/unwrap/unwrap.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"
#include "unit/geometry/mesh_checks.h"

namespace espalier {
namespace {

using namespace test;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

Mesh unwrapped(const Mesh& mesh) {
  UnwrapOptions options;
  options.texture_size = 512;
  return unwrap(mesh, options).mesh;
}

using Wedge = std::array<float, 5>;  // position and texture coordinates
std::set<Wedge> wedges_of(const Mesh& mesh) {
  std::set<Wedge> wedges;
  for (std::size_t v = 0; v < at(mesh.vertex_count()); ++v) {
    wedges.insert(
        {mesh.vertices[3 * v], mesh.vertices[3 * v + 1], mesh.vertices[3 * v + 2], mesh.uvs[2 * v], mesh.uvs[2 * v + 1]});
  }
  return wedges;
}

double uv_area(const Mesh& mesh, std::int64_t face) {
  const std::int32_t* const f = &mesh.faces[at(3 * face)];
  const auto uv = [&](int k, std::size_t axis) { return double{mesh.uvs[2 * at(f[k]) + axis]}; };
  return 0.5 * ((uv(1, 0) - uv(0, 0)) * (uv(2, 1) - uv(0, 1)) - (uv(2, 0) - uv(0, 0)) * (uv(1, 1) - uv(0, 1)));
}

// Charts keep their sides and nearly all of their area.
void expect_same_texture(const Mesh& before, const Mesh& after, double share) {
  double sum = 0, all = 0;
  for (std::int64_t f = 0; f < before.face_count(); ++f) all += uv_area(before, f);
  for (std::int64_t f = 0; f < after.face_count(); ++f) {
    const double area = uv_area(after, f);
    EXPECT_GE(area * all, 0.0);
    sum += area;
  }
  EXPECT_NEAR(sum / all, 1.0, share);
  const std::set<Wedge> known = wedges_of(before);
  for (const Wedge& wedge : wedges_of(after)) EXPECT_EQ(known.count(wedge), 1U);
}

TEST(TexturedSimplify, ClosedSurfacesStayClosedWithTheirSeams) {
  for (const auto& [mesh, euler] : {std::pair(sphere(24, 0.5), 2), std::pair(torus(96, 48, 0.3, 0.1), 0)}) {
    const Mesh whole = unwrapped(mesh);
    for (const std::int64_t target : {whole.face_count() / 4, whole.face_count() / 16}) {
      const Mesh less = simplified_with_texture(whole, target);
      EXPECT_LE(less.face_count(), target);
      EXPECT_GE(less.face_count(), target - 2);
      expect_closed(welded(less), euler);
      expect_same_texture(whole, less, 0.05);
      EXPECT_LT(one_sided_distance(less, whole), 0.02);
      EXPECT_EQ(less.normals.size(), less.vertices.size());
    }
  }
}

TEST(TexturedSimplify, FlatFacesCostNothing) {
  const Mesh whole = unwrapped(box(20));
  const Mesh less = simplified_with_texture(whole, 120);
  EXPECT_LE(less.face_count(), 120);
  expect_same_texture(whole, less, 1e-3);
  EXPECT_NEAR(report_of(welded(less)).volume, 1.0, 1e-5);
}

TEST(TexturedSimplify, AnOpenSheetKeepsItsOutline) {
  Mesh sheet;
  constexpr int kSide = 21;
  for (int y = 0; y < kSide; ++y) {
    for (int x = 0; x < kSide; ++x) {
      const float u = static_cast<float>(x) / (kSide - 1), v = static_cast<float>(y) / (kSide - 1);
      sheet.vertices.insert(sheet.vertices.end(), {u, v, 0.1F * std::sin(6.0F * u)});
      sheet.uvs.insert(sheet.uvs.end(), {u, v});
      if (x + 1 == kSide || y + 1 == kSide) continue;
      const std::int32_t a = y * kSide + x;
      sheet.faces.insert(sheet.faces.end(), {a, a + 1, a + kSide + 1, a, a + kSide + 1, a + kSide});
    }
  }
  const Mesh less = simplified_with_texture(sheet, 120);
  EXPECT_LE(less.face_count(), 120);
  expect_same_texture(sheet, less, 0.01);
  EXPECT_LT(one_sided_distance(less, sheet), 0.01);
}

TEST(TexturedSimplify, TheSameEveryTimeAndNothingForAGoal) {
  const Mesh whole = unwrapped(sphere(16, 0.5));
  const Mesh a = simplified_with_texture(whole, 300), b = simplified_with_texture(whole, 300);
  EXPECT_EQ(a.faces, b.faces);
  EXPECT_EQ(a.vertices, b.vertices);
  EXPECT_EQ(simplified_with_texture(whole, whole.face_count()).faces, whole.faces);
  expect_error(ErrorCode::invalid_argument, {"0 faces"}, [&] { (void)simplified_with_texture(whole, 0); });
}

TEST(TexturedSimplify, WithoutTextureCoordinatesItIsThePlainOne) {
  const Mesh mesh = sphere(16, 0.5);
  EXPECT_LE(simplified_with_texture(mesh, 100).face_count(), 100);
}

}  // namespace
}  // namespace espalier
