#include "geometry/repair/holes.h"

#include <gtest/gtest.h>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_report.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"
#include "unit/geometry/mesh_checks.h"

namespace espalier {
namespace {

using namespace test;

// A sphere without the cap above a height.
Mesh bowl(int n, double height) {
  const Mesh whole = sphere(n, 0.5);
  return without_unreferenced_vertices(kept(whole, [&](std::int64_t f) { return centre_of_face(whole, f)[2] < height; }));
}

HoleOptions up_to(float perimeter, bool refine = true) {
  HoleOptions options;
  options.largest_perimeter = perimeter;
  options.refine = refine;
  return options;
}

TEST(Holes, SingleFacesComeBack) {
  const Mesh whole = sphere(8, 0.5);
  const Mesh open = kept(whole, [](std::int64_t f) { return f % 97 != 5; });
  HoleReport report;
  const Mesh result = holes_filled(open, {}, nullptr, &report);
  EXPECT_EQ(report.left, 0);
  EXPECT_EQ(report.faces, whole.face_count() - open.face_count());
  EXPECT_EQ(report.vertices, 0);
  expect_closed(result, 2);
  EXPECT_NEAR(report_of(result).volume, report_of(whole).volume, 1e-6);
}

TEST(Holes, SideOfABox) {
  const Mesh whole = box(6);
  const Mesh open =
      without_unreferenced_vertices(kept(whole, [&](std::int64_t f) { return centre_of_face(whole, f)[2] < 0.49; }));
  for (const bool refined : {false, true}) {
    HoleReport report;
    const Mesh result = holes_filled(open, up_to(5, refined), nullptr, &report);
    EXPECT_EQ(report.filled, 1);
    expect_closed(result, 2);
    EXPECT_NEAR(report_of(result).area, 6, 1e-5);
    EXPECT_NEAR(report_of(result).volume, 1, 1e-5);
    EXPECT_EQ(report.vertices > 0, refined);
    EXPECT_EQ(report_of(result).degenerate_faces, 0) << refined;
  }
}

TEST(Holes, RefinedToTheSizeAround) {
  const Mesh open = bowl(24, 0.2);
  HoleReport report;
  const Mesh result = holes_filled(open, up_to(5), nullptr, &report);
  expect_closed(result, 2);
  const double around = report_of(open).area / static_cast<double>(open.face_count());
  const double inside = (report_of(result).area - report_of(open).area) / static_cast<double>(report.faces);
  EXPECT_GT(inside, around / 2.5);
  EXPECT_LT(inside, around * 2.5);
}

TEST(Holes, PerimeterAndEdgesAreLimits) {
  const Mesh open = bowl(12, 0.3);  // an outline in steps around a circle of radius 0.4
  EXPECT_EQ(holes_filled(open, up_to(2.4F)).faces, open.faces);
  EXPECT_GT(holes_filled(open, up_to(5.0F)).face_count(), open.face_count());
  HoleOptions few = up_to(5.0F);
  few.most_edges = 10;
  EXPECT_EQ(holes_filled(open, few).faces, open.faces);
}

TEST(Holes, LongOutlinesAreClosedEarByEar) {
  const Mesh open = bowl(50, 0.1);
  ASSERT_GT(report_of(open).boundary_edges, kExactEdges);
  const Mesh result = holes_filled(open, up_to(20));
  expect_closed(result, 2);
}

TEST(Holes, OpeningsThatTouchInAVertex) {
  const Mesh flat_box = box(6);
  // Two quads of the top that share a corner: f / 2 numbers quads, 36 to a side.
  const Mesh open = kept(flat_box, [](std::int64_t f) { return f / 2 != 36 + 14 && f / 2 != 36 + 21; });
  ASSERT_EQ(report_of(open).boundary_edges, 8);
  ASSERT_EQ(report_of(open).non_manifold_vertices, 1);
  HoleReport report;
  const Mesh result = holes_filled(open, {}, nullptr, &report);
  EXPECT_EQ(report.filled, 2);
  expect_closed(result, 2);
  EXPECT_NEAR(report_of(result).volume, 1, 1e-6);
}

TEST(Holes, PiecesThatTouchInAVertexOfTheirRims) {
  Mesh cone;
  for (const P3& p : {P3{1, 0, 0}, P3{0, 1, 0}, P3{-1, 0, 0}, P3{0, -1, 0}, P3{0, 0, -1}}) add_vertex(cone, p);
  for (std::int32_t k = 0; k < 4; ++k) add_face(cone, (k + 1) % 4, k, 4);
  const Mesh pair = welded(joined(cone, moved(cone, {2, 0, 0})));
  HoleReport report;
  const Mesh result = holes_filled(pair, up_to(10, false), nullptr, &report);
  EXPECT_EQ(report.filled, 2);
  EXPECT_TRUE(report_of(result).watertight);
  EXPECT_TRUE(report_of(result).consistent_winding);
  EXPECT_NEAR(report_of(result).volume, 4.0 / 3, 1e-5);
}

TEST(Holes, RimsOfSheetsStayOpen) {
  Mesh triangle;
  for (const P3& p : {P3{0, 0, 0}, P3{1, 0, 0}, P3{0, 1, 0}}) add_vertex(triangle, p);
  add_face(triangle, 0, 1, 2);
  EXPECT_EQ(holes_filled(triangle, up_to(100)).face_count(), 1);
  const Mesh sheet = grid(5, 5, false, false, [](int i, int j) { return P3{i / 5.0, j / 5.0, 0.01 * i * j}; });
  EXPECT_EQ(holes_filled(sheet, up_to(100)).face_count(), sheet.face_count());
}

TEST(Holes, NoEdgeIsUsedAThirdTime) {
  // A tetrahedron less one face, and a pyramid less its base whose diagonal is an edge of the mesh already.
  EXPECT_EQ(holes_filled(kept(tetrahedron(), [](std::int64_t f) { return f != 0; }), up_to(100)).face_count(), 4);
  Mesh mesh;
  for (const P3& p : {P3{0, 0, 0}, P3{1, 0, 0}, P3{1, 1, 0}, P3{0, 1, 0}, P3{0.5, 0.5, 2}, P3{0.5, 0.5, 3}})
    add_vertex(mesh, p);
  for (std::int32_t k = 0; k < 4; ++k) add_face(mesh, k, (k + 1) % 4, 4);
  for (const auto& [a, b, c] : {std::array{0, 2, 5}, std::array{2, 0, 5}}) add_face(mesh, a, b, c);  // a fin on one diagonal
  const Mesh result = holes_filled(mesh, up_to(100, false));
  EXPECT_EQ(report_of(result).non_manifold_edges, report_of(mesh).non_manifold_edges);
  EXPECT_EQ(report_of(result).boundary_edges, 0);
}

TEST(Holes, WindingFollowsTheMesh) {
  const Mesh result = holes_filled(turned_inside_out(bowl(10, 0.3)), up_to(5));
  EXPECT_TRUE(report_of(result).consistent_winding);
  EXPECT_LT(report_of(result).volume, 0);
  Mesh mixed = bowl(10, 0.3);
  std::swap(mixed.faces[0], mixed.faces[1]);
  EXPECT_TRUE(report_of(holes_filled(mixed, up_to(5))).watertight);
}

TEST(Holes, EdgesOfManyFacesStay) {
  Mesh mesh = bowl(6, 0.3);
  // A fin at one edge of the rim makes the outline impossible to follow.
  const MeshReport before = report_of(mesh);
  std::int32_t a = -1;
  std::int32_t b = -1;
  for (std::int64_t f = 0; f < mesh.face_count() && a < 0; ++f) {
    for (std::size_t k = 0; k < 3; ++k) {
      const std::int32_t p = mesh.faces[static_cast<std::size_t>(3 * f) + k];
      const std::int32_t q = mesh.faces[static_cast<std::size_t>(3 * f) + (k + 1) % 3];
      const auto uses = [&](std::int32_t v, std::int64_t g) {
        return std::find(mesh.faces.begin() + 3 * g, mesh.faces.begin() + 3 * g + 3, v) != mesh.faces.begin() + 3 * g + 3;
      };
      int faces = 0;
      for (std::int64_t g = 0; g < mesh.face_count(); ++g) faces += uses(p, g) && uses(q, g) ? 1 : 0;
      if (faces == 1) {
        a = p;
        b = q;
      }
    }
  }
  ASSERT_GE(a, 0);
  for (int i = 0; i < 2; ++i) {
    add_vertex(mesh, {0.1 * i, 0, 2});
    add_face(mesh, a, b, static_cast<std::int32_t>(mesh.vertex_count() - 1));
  }
  const Mesh result = holes_filled(mesh, up_to(20));
  EXPECT_EQ(report_of(result).non_manifold_edges, 1);
  EXPECT_GE(report_of(result).boundary_edges, before.boundary_edges - 1);
}

TEST(Holes, ColoursAndNormalsFollow) {
  Mesh open = bowl(16, 0.3);
  open.colours.assign(open.vertices.size(), 0.25F);
  for (const float c : open.vertices) open.normals.push_back(2 * c);
  const Mesh result = holes_filled(open, up_to(5));
  ASSERT_EQ(result.colours.size(), result.vertices.size());
  ASSERT_EQ(result.normals.size(), result.vertices.size());
  for (const float c : result.colours) EXPECT_NEAR(c, 0.25F, 1e-6);
  for (std::size_t i = 0; i < result.normals.size(); i += 3) {
    EXPECT_NEAR(std::hypot(result.normals[i], result.normals[i + 1], result.normals[i + 2]), 1, 1e-4);
  }
}

TEST(Holes, FacesThatNameAVertexTwiceGo) {
  Mesh open = bowl(6, 0.3);
  const std::int64_t faces = holes_filled(open, up_to(5)).face_count();
  add_face(open, 0, 0, 1);
  add_face(open, open.faces[0], open.faces[1], open.faces[1]);
  EXPECT_EQ(holes_filled(open, up_to(5)).face_count(), faces);
}

TEST(Holes, Errors) {
  Mesh mesh = bowl(4, 0.3);
  mesh.uvs.resize(static_cast<std::size_t>(mesh.vertex_count()) * 2);
  expect_error(ErrorCode::unsupported, {"texture coordinates"}, [&] { (void)holes_filled(mesh, {}); });
  mesh.uvs.clear();
  expect_error(ErrorCode::invalid_argument, {"limits"}, [&] { (void)holes_filled(mesh, up_to(-1)); });
  EXPECT_EQ(holes_filled({}, {}).face_count(), 0);
}

}  // namespace
}  // namespace espalier
