#include "geometry/mesh/mesh_edit.h"

#include <gtest/gtest.h>

#include "geometry/mesh/mesh_report.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"

namespace espalier {
namespace {

using namespace test;

Mesh soup_of(const Mesh& whole, float jitter) {
  Mesh split;
  for (std::size_t c = 0; c < whole.faces.size(); ++c) {
    split.faces.push_back(static_cast<std::int32_t>(c));
    for (std::size_t k = 0; k < 3; ++k) {
      const float shift = jitter * static_cast<float>((c * 7 + k * 3) % 5) / 5;
      split.vertices.push_back(whole.vertices[3 * static_cast<std::size_t>(whole.faces[c]) + k] + shift);
      split.colours.push_back(static_cast<float>(c));
    }
  }
  return split;
}

TEST(Weld, ExactPositionsBecomeOne) {
  const Mesh mesh = welded(soup_of(box(4), 0));
  EXPECT_EQ(mesh.vertex_count(), box(4).vertex_count());
  EXPECT_EQ(mesh.face_count(), box(4).face_count());
  EXPECT_TRUE(report_of(mesh).watertight);
  EXPECT_EQ(mesh.colours.size(), mesh.vertices.size());
  EXPECT_EQ(mesh.colours[0], 0.0F);
}

TEST(Weld, PlusAndMinusZero) {
  Mesh mesh = tetrahedron();
  add_vertex(mesh, {-0.0, 0, -0.0});
  mesh.faces[3] = 4;
  EXPECT_EQ(welded(mesh).vertex_count(), 4);
}

TEST(Weld, Tolerance) {
  const Mesh soup = soup_of(box(4), 1e-4F);
  EXPECT_GT(welded(soup).vertex_count(), box(4).vertex_count());
  const Mesh mesh = welded(soup, 1e-3F);
  EXPECT_EQ(mesh.vertex_count(), box(4).vertex_count());
  EXPECT_TRUE(report_of(mesh).watertight);
  // Faces smaller than the tolerance go.
  EXPECT_EQ(welded(box(4), 3.0F).face_count(), 0);
  expect_error(ErrorCode::invalid_argument, {"tolerance"}, [&] { (void)welded(soup, -1.0F); });
}

TEST(DuplicateFaces, TheFirstStays) {
  Mesh mesh = box(3);
  const std::size_t faces = mesh.faces.size();
  for (const std::size_t f : {std::size_t{0}, std::size_t{9}, std::size_t{9}}) {
    add_face(mesh, mesh.faces[f + 2], mesh.faces[f + 1], mesh.faces[f]);
  }
  const Mesh result = without_duplicate_faces(mesh);
  EXPECT_EQ(result.faces.size(), faces);
  EXPECT_EQ(result.faces, box(3).faces);
}

TEST(DegenerateFaces, CapIsTurnedNeedleIsClosed) {
  // A square whose diagonal has a further vertex on it, on one side only: a cap.
  Mesh cap;
  for (const P3& p : {P3{0, 0, 0}, P3{1, 0, 0}, P3{1, 1, 0}, P3{0, 1, 0}, P3{0.5, 0.5, 0}}) add_vertex(cap, p);
  add_face(cap, 0, 1, 4);
  add_face(cap, 1, 2, 4);
  add_face(cap, 0, 4, 2);
  add_face(cap, 0, 2, 3);
  const Mesh turned = without_degenerate_faces(cap);
  EXPECT_EQ(turned.face_count(), 4);
  const MeshReport report = report_of(turned);
  EXPECT_EQ(report.degenerate_faces, 0);
  EXPECT_EQ(report.boundary_edges, 4);
  EXPECT_NEAR(report.area, 1, 1e-7);

  Mesh needle;
  for (const P3& p : {P3{0, 0, 0}, P3{1, 0, 0}, P3{1, 1e-7, 0}, P3{1, 1, 0}, P3{1, -1, 0}}) add_vertex(needle, p);
  add_face(needle, 0, 1, 2);
  add_face(needle, 0, 2, 3);
  add_face(needle, 0, 4, 1);
  const Mesh closed = without_degenerate_faces(needle);
  EXPECT_EQ(closed.face_count(), 2);
  EXPECT_EQ(report_of(closed).boundary_edges, 4);
}

TEST(DegenerateFaces, StaysWatertight) {
  // Vertices put on the middle of the edges of a box's faces, by faces of no area.
  Mesh mesh = box(2);
  Mesh with_caps = mesh;
  with_caps.faces.clear();
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    std::int32_t v[3] = {mesh.faces[static_cast<std::size_t>(3 * f)], mesh.faces[static_cast<std::size_t>(3 * f + 1)],
                         mesh.faces[static_cast<std::size_t>(3 * f + 2)]};
    if (f % 5 != 0) {
      add_face(with_caps, v[0], v[1], v[2]);
      continue;
    }
    P3 middle{};
    for (std::size_t k = 0; k < 3; ++k) {
      for (const int corner : {0, 1})
        middle[k] += 0.5 * static_cast<double>(mesh.vertices[3 * static_cast<std::size_t>(v[corner]) + k]);
    }
    const auto m = static_cast<std::int32_t>(with_caps.vertex_count());
    add_vertex(with_caps, middle);
    add_face(with_caps, v[0], v[1], m);
    add_face(with_caps, v[1], v[2], m);
    add_face(with_caps, v[2], v[0], m);
  }
  ASSERT_TRUE(report_of(with_caps).watertight);
  ASSERT_GT(report_of(with_caps).degenerate_faces, 0);
  const MeshReport report = report_of(without_degenerate_faces(with_caps));
  EXPECT_EQ(report.degenerate_faces, 0);
  EXPECT_TRUE(report.watertight);
  EXPECT_TRUE(report.consistent_winding);
  EXPECT_NEAR(report.volume, 1, 1e-6);
}

TEST(SmallPieces, OnlyWhatIsSmallInBothWays) {
  Mesh mesh = joined(sphere(8, 0.5), moved(sphere(2, 0.01), {0.7, 0, 0}));  // a crumb
  Mesh strip;                                                               // little area, but long
  for (const P3& p : {P3{-0.6, -0.5, 0}, P3{-0.6, 0.5, 0}, P3{-0.601, 0.5, 0}}) add_vertex(strip, p);
  add_face(strip, 0, 1, 2);
  mesh = joined(mesh, strip);
  const Mesh result = without_small_pieces(mesh, {});
  EXPECT_EQ(result.face_count(), sphere(8, 0.5).face_count() + 1);
  EXPECT_EQ(without_small_pieces(mesh, {0, 0}).face_count(), mesh.face_count());
  EXPECT_EQ(without_small_pieces(mesh, {2, 2}).face_count(), sphere(8, 0.5).face_count());
}

TEST(SmallPieces, APieceThatTouchesInAVertexIsNotFloating) {
  Mesh mesh = sphere(8, 0.5);
  const P3 corner{mesh.vertices[0], mesh.vertices[1], mesh.vertices[2]};
  add_vertex(mesh, {corner[0] - 0.001, corner[1], corner[2]});
  add_vertex(mesh, {corner[0], corner[1] - 0.001, corner[2]});
  add_face(mesh, 0, static_cast<std::int32_t>(mesh.vertex_count() - 2), static_cast<std::int32_t>(mesh.vertex_count() - 1));
  EXPECT_EQ(without_small_pieces(mesh, {}).face_count(), mesh.face_count());
}

}  // namespace
}  // namespace espalier
