#include "geometry/mesh/mesh_report.h"

#include <gtest/gtest.h>

#include <limits>
#include <numbers>

#include "geometry/mesh/mesh_edit.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"

namespace espalier {
namespace {

using namespace test;

TEST(MeshReport, Tetrahedron) {
  const MeshReport report = report_of(tetrahedron());
  EXPECT_EQ(report.faces, 4);
  EXPECT_EQ(report.vertices, 4);
  EXPECT_EQ(report.edges, 6);
  EXPECT_EQ(report.components, 1);
  EXPECT_EQ(report.boundary_edges, 0);
  EXPECT_EQ(report.non_manifold_edges, 0);
  EXPECT_EQ(report.non_manifold_vertices, 0);
  EXPECT_TRUE(report.watertight);
  EXPECT_TRUE(report.consistent_winding);
  EXPECT_NEAR(report.area, 1.5 + std::sqrt(3.0) / 2, 1e-6);
  EXPECT_NEAR(report.volume, 1.0 / 6, 1e-7);
  EXPECT_EQ(report.euler(), 2);
}

TEST(MeshReport, BoxAwayFromTheOrigin) {
  const MeshReport report = report_of(moved(box(5), {100, -20, 3}));
  EXPECT_TRUE(report.watertight);
  EXPECT_NEAR(report.area, 6, 1e-4);
  EXPECT_NEAR(report.volume, 1, 1e-4);
  EXPECT_NEAR(report.low[0], 99.5, 1e-5);
  EXPECT_NEAR(report.high[1], -19.5, 1e-5);
  EXPECT_NEAR(report_of(turned_inside_out(box(5))).volume, -1, 1e-5);
}

TEST(MeshReport, TorusHasAHandle) {
  const MeshReport report = report_of(torus(60, 40, 0.3, 0.1));
  EXPECT_EQ(report.euler(), 0);
  EXPECT_NEAR(report.volume, 2 * std::numbers::pi * std::numbers::pi * 0.3 * 0.01, 4e-4);
}

TEST(MeshReport, OpeningsAndPieces) {
  const Mesh open =
      kept(joined(sphere(6, 0.5), moved(sphere(4, 0.2), {2, 0, 0})), [](std::int64_t f) { return f != 3 && f != 200; });
  const MeshReport report = report_of(open);
  EXPECT_EQ(report.components, 2);
  EXPECT_EQ(report.boundary_edges, 6);
  EXPECT_EQ(report.boundary_loops, 2);
  EXPECT_FALSE(report.watertight);
  EXPECT_TRUE(report.consistent_winding);
  EXPECT_EQ(report.volume, 0);
}

TEST(MeshReport, WindingOfOneFaceAgainstTheRest) {
  Mesh mesh = sphere(4, 1);
  std::swap(mesh.faces[30], mesh.faces[31]);
  const MeshReport report = report_of(mesh);
  EXPECT_TRUE(report.watertight);
  EXPECT_FALSE(report.consistent_winding);
}

TEST(MeshReport, BoxesThatShareAnEdgeOrAVertex) {
  const MeshReport edge = report_of(joined(box(1), moved(box(1), {1, 1, 0})));
  EXPECT_EQ(edge.non_manifold_edges, 1);
  EXPECT_EQ(edge.non_manifold_vertices, 2);
  EXPECT_FALSE(edge.watertight);
  const MeshReport vertex = report_of(joined(box(1), moved(box(1), {1, 1, 1})));
  EXPECT_EQ(vertex.non_manifold_edges, 0);
  EXPECT_EQ(vertex.non_manifold_vertices, 1);
  EXPECT_EQ(vertex.components, 2);
  EXPECT_TRUE(vertex.watertight);
}

TEST(MeshReport, SplitVerticesAreNoOpenings) {
  const Mesh whole = box(3);
  Mesh split;
  for (const std::int32_t v : whole.faces) {
    split.faces.push_back(static_cast<std::int32_t>(split.faces.size()));
    for (std::size_t k = 0; k < 3; ++k) split.vertices.push_back(whole.vertices[3 * static_cast<std::size_t>(v) + k]);
  }
  const MeshReport report = report_of(split);
  EXPECT_TRUE(report.watertight);
  EXPECT_EQ(report.vertices, 3 * whole.face_count());
  EXPECT_EQ(report.positions, whole.vertex_count());
}

TEST(MeshReport, DegenerateDuplicateUnreferenced) {
  Mesh mesh = tetrahedron();
  add_vertex(mesh, {9, 9, 9});
  add_vertex(mesh, {0.5, 0, 0});
  add_face(mesh, 0, 1, 1);
  add_face(mesh, 0, 1, 5);
  add_face(mesh, 3, 1, 0);
  const MeshReport report = report_of(mesh);
  EXPECT_EQ(report.degenerate_faces, 2);
  EXPECT_EQ(report.degenerate_by_index, 1);
  EXPECT_EQ(report.duplicate_faces, 1);
  EXPECT_EQ(report.unreferenced, 1);
  EXPECT_EQ(report.high[0], 1);
}

TEST(MeshReport, Nothing) {
  const MeshReport report = report_of({});
  EXPECT_EQ(report.faces, 0);
  EXPECT_FALSE(report.watertight);
  EXPECT_FALSE(report.consistent_winding);
}

TEST(CheckMesh, RefusesByName) {
  const auto refuse = [](std::initializer_list<const char*> words, const Mesh& mesh) {
    expect_error(ErrorCode::invalid_argument, words, [&] { (void)report_of(mesh); });
  };
  Mesh mesh = tetrahedron();
  mesh.vertices[7] = std::numeric_limits<float>::quiet_NaN();
  refuse({"vertex 2", "y coordinate", "nan"}, mesh);
  mesh.vertices[7] = std::numeric_limits<float>::infinity();
  refuse({"vertex 2", "inf"}, mesh);
  mesh.vertices[7] = 1e20F;
  refuse({"vertex 2", "1e+20"}, mesh);
  mesh = tetrahedron();
  mesh.faces[4] = 4;
  refuse({"face 1", "vertex 4"}, mesh);
  mesh.faces[4] = -1;
  refuse({"face 1", "vertex -1"}, mesh);
  mesh = tetrahedron();
  mesh.colours.resize(11);
  refuse({"11 colour values", "4 vertices"}, mesh);
  mesh = tetrahedron();
  mesh.faces.pop_back();
  refuse({"threes"}, mesh);
}

}  // namespace
}  // namespace espalier
