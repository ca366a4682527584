#include "geometry/simplify/simplify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_quality.h"
#include "geometry/mesh/mesh_report.h"
#include "geometry/mesh/mesh_topology.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"
#include "unit/geometry/mesh_checks.h"

namespace espalier {
namespace {

using namespace test;

void expect_count(const Mesh& mesh, std::int64_t target) {
  EXPECT_LE(mesh.face_count(), target);
  EXPECT_GE(mesh.face_count(), target - 1);
}

// The largest angle between the normals of two faces at an edge, as a cosine.
double sharpest_edge(const Mesh& mesh) {
  const MeshEdges edges = edges_of(mesh.faces, mesh.vertex_count());
  const auto normal = [&](std::int64_t f) {
    P3 p[3];
    for (int c = 0; c < 3; ++c) {
      for (std::size_t k = 0; k < 3; ++k) {
        p[c][k] = mesh.vertices[3 * static_cast<std::size_t>(mesh.faces[static_cast<std::size_t>(3 * f + c)]) + k];
      }
    }
    const P3 u{p[1][0] - p[0][0], p[1][1] - p[0][1], p[1][2] - p[0][2]};
    const P3 v{p[2][0] - p[0][0], p[2][1] - p[0][1], p[2][2] - p[0][2]};
    P3 n{u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]};
    const double length = std::hypot(n[0], n[1], n[2]);
    for (double& x : n) x /= length;
    return n;
  };
  double least = 1;
  for (std::int32_t e = 0; e < edges.count(); ++e) {
    const auto corners = edges.corners_of(e);
    if (corners.size() != 2) continue;
    const P3 a = normal(corners[0] / 3);
    const P3 b = normal(corners[1] / 3);
    least = std::min(least, a[0] * b[0] + a[1] * b[1] + a[2] * b[2]);
  }
  return least;
}

TEST(Simplify, BoxKeepsItsEightCorners) {
  const Mesh mesh = box(20);
  const Mesh result = simplified(mesh, 12);
  EXPECT_EQ(result.face_count(), 12);
  EXPECT_EQ(result.vertex_count(), 8);
  for (const float c : result.vertices) EXPECT_NEAR(std::abs(c), 0.5F, 1e-5);
  expect_closed(result, 2);
  EXPECT_NEAR(report_of(result).volume, 1, 1e-4);
}

TEST(Simplify, SphereStaysClose) {
  const Mesh mesh = sphere(13, 0.5);  // 2,028 faces
  for (const std::int64_t target : {499, 200, 60}) {
    const Mesh result = simplified(mesh, target);
    expect_count(result, target);
    expect_closed(result, 2);
    // A regular triangulation of a unit sphere by n faces is off by about 1 - cos(edge / sqrt 3), 4.8 / n at most.
    const double reach = 0.5 * 2 * 4.8 / static_cast<double>(target);
    EXPECT_LT(one_sided_distance(result, mesh), reach) << target;
    EXPECT_LT(one_sided_distance(mesh, result), reach) << target;
    EXPECT_NEAR(report_of(result).volume / report_of(mesh).volume, 1, 5.5 / static_cast<double>(target)) << target;
    EXPECT_GT(sharpest_edge(result), 0.0) << target;
  }
}

TEST(Simplify, TorusKeepsItsHandle) {
  const Mesh mesh = torus(80, 40, 0.3, 0.1);
  for (const std::int64_t target : {640, 100, 24}) {
    const Mesh result = simplified(mesh, target);
    expect_count(result, target);
    expect_closed(result, 0);
  }
}

TEST(Simplify, RoundRimsAreNotFolded) {
  Mesh lens = sphere(64, 0.5);
  for (std::size_t z = 2; z < lens.vertices.size(); z += 3) lens.vertices[z] *= 0.08F;
  ASSERT_EQ(quality_of(lens, 1).crease_length, 0.0);
  const Mesh result = simplified(lens, 200);
  expect_count(result, 200);
  expect_closed(result, 2);
  EXPECT_LT(quality_of(result, 1).crease_length, 0.05);  // 0.74 where folds cost nothing
  EXPECT_LT(one_sided_distance(lens, result), 0.01);
}

TEST(Simplify, SilhouetteOfALongThinBox) {
  Mesh mesh = box(16);
  for (std::size_t i = 0; i < mesh.vertices.size(); i += 3) mesh.vertices[i] *= 0.02F;
  const Mesh result = simplified(mesh, 40);
  expect_count(result, 40);
  EXPECT_LT(one_sided_distance(mesh, result), 1e-4);
  EXPECT_LT(one_sided_distance(result, mesh), 1e-4);
}

TEST(Simplify, OpeningsKeepTheirOutline) {
  // A square with a square hole: outlines are straight, so a few faces are enough for the exact shape.
  const Mesh mesh = kept(grid(30, 30, false, false,
                              [](int i, int j) {
                                return P3{i / 30.0, j / 30.0, 0};
                              }),
                         [](std::int64_t f) {
                           const std::int64_t i = f / 60;
                           const std::int64_t j = f % 60 / 2;
                           return i < 10 || i >= 20 || j < 10 || j >= 20;
                         });
  const Mesh result = simplified(mesh, 8);
  EXPECT_EQ(result.face_count(), 8);
  const MeshReport report = report_of(result);
  EXPECT_NEAR(report.area, 8.0 / 9, 1e-4);
  EXPECT_EQ(report.boundary_loops, 2);
  EXPECT_EQ(report.euler(), 0);
  EXPECT_TRUE(report.consistent_winding);
  for (std::int64_t f = 0; f < 8; ++f) EXPECT_FALSE(is_degenerate(result, f));
}

TEST(Simplify, HalfSphereKeepsItsRim) {
  const Mesh whole = sphere(24, 0.5);
  const Mesh mesh = without_unreferenced_vertices(kept(whole, [&](std::int64_t f) { return centre_of_face(whole, f)[2] > 0; }));
  const Mesh result = simplified(mesh, 200);
  expect_count(result, 200);
  const MeshReport report = report_of(result);
  EXPECT_EQ(report.boundary_loops, 1);
  EXPECT_EQ(report.euler(), 1);
  EXPECT_LT(one_sided_distance(mesh, result), 0.02);
}

TEST(Simplify, BlocksAndOneQueueAgreeInQuality) {
  // Large enough for several blocks; the roughness gives every edge another cost.
  const Mesh mesh = double_walled_tube(300, 50);  // 60,000 faces
  const Mesh result = simplified(mesh, 3000);
  expect_count(result, 3000);
  expect_closed(result, 0);
  EXPECT_EQ(report_of(result).components, 2);
  EXPECT_NEAR(report_of(result).volume / report_of(mesh).volume, 1, 0.01);
  EXPECT_EQ(simplified(mesh, 3000).vertices, result.vertices);
  EXPECT_EQ(simplified(mesh, 3000).faces, result.faces);
}

TEST(Simplify, FlatBlocksDoNotUseUpTheBudget) {
  const Mesh mesh = box(120);  // 172,800 faces, nearly all of them free to go
  const Mesh result = simplified(mesh, 9000);
  expect_count(result, 9000);
  expect_closed(result, 2);
  EXPECT_NEAR(report_of(result).volume, 1, 1e-4);
}

TEST(Simplify, ColoursAndNormalsFollow) {
  Mesh mesh = sphere(20, 0.5);
  for (const float c : mesh.vertices) mesh.colours.push_back(0.5F + c);
  for (const float c : mesh.vertices) mesh.normals.push_back(2 * c);
  const Mesh result = simplified(mesh, 480);
  ASSERT_EQ(result.colours.size(), result.vertices.size());
  ASSERT_EQ(result.normals.size(), result.vertices.size());
  for (std::size_t i = 0; i < result.vertices.size(); ++i) {
    EXPECT_NEAR(result.colours[i], 0.5F + result.vertices[i], 0.03);
    EXPECT_NEAR(result.normals[i], 2 * result.vertices[i], 0.1);
  }
}

TEST(Simplify, BoxesThatShareAnEdgeStayTogether) {
  Mesh mesh = welded(joined(box(8), moved(box(8), {1, 1, 0})));
  const std::int64_t complex = report_of(mesh).non_manifold_edges;
  ASSERT_EQ(complex, 8);
  const Mesh result = simplified(mesh, 300);
  expect_count(result, 300);
  const MeshReport report = report_of(result);
  EXPECT_EQ(report.non_manifold_edges, 8);
  EXPECT_EQ(report.boundary_edges, 0);
  EXPECT_EQ(report.components, 1);
  EXPECT_NEAR(report.volume == 0 ? report.area : 0, 12, 0.1);
  // Far below what the shared edge allows, the boxes come apart rather than exceed the budget.
  EXPECT_LE(simplified(mesh, 24).face_count(), 24);
}

TEST(Simplify, BudgetsBelowWhatThePiecesNeed) {
  Mesh mesh = sphere(6, 0.5);
  for (int i = 1; i <= 10; ++i) mesh = joined(mesh, moved(tetrahedron(), {2.0 * i, 0, 0}));
  const Mesh result = simplified(mesh, 24);  // ten tetrahedra alone have 40 faces
  EXPECT_LE(result.face_count(), 24);
  EXPECT_GE(result.face_count(), 4);
  expect_closed(result, 2 * report_of(result).components);
  EXPECT_EQ(simplified(tetrahedron(), 1).face_count(), 4) << "one piece with nothing to give";
}

TEST(Simplify, SmallInputs) {
  Mesh triangle;
  for (const P3& p : {P3{0, 0, 0}, P3{1, 0, 0}, P3{0, 1, 0}}) add_vertex(triangle, p);
  add_face(triangle, 0, 1, 2);
  EXPECT_EQ(simplified(triangle, 1).face_count(), 1);
  add_face(triangle, 0, 1, 1);
  EXPECT_EQ(simplified(triangle, 1).face_count(), 1);
  expect_error(ErrorCode::invalid_argument, {"no faces"}, [] { (void)simplified(Mesh{}, 10); });
  expect_error(ErrorCode::invalid_argument, {"0 faces asked for"}, [&] { (void)simplified(triangle, 0); });
  triangle.uvs.resize(6);
  expect_error(ErrorCode::unsupported, {"texture coordinates"}, [&] { (void)simplified(triangle, 1); });
}

TEST(Simplify, Ratio) {
  EXPECT_EQ(faces_after(751944, 0.95), 37597);
  EXPECT_EQ(faces_after(10, 0), 10);
  EXPECT_EQ(faces_after(3, 0.99), 1);
  expect_error(ErrorCode::invalid_argument, {"share of 1"}, [] { (void)faces_after(10, 1.0); });
}

class Stopped final : public Monitor {
 public:
  void progress(int /*done*/, int /*total*/) const override {}
  [[nodiscard]] bool cancelled() const override { return true; }
};

TEST(Simplify, CanBeCancelled) {
  const Stopped monitor;
  expect_error(ErrorCode::cancelled, {}, [&] { (void)simplified(box(40), 100, &monitor); });
}

}  // namespace
}  // namespace espalier
