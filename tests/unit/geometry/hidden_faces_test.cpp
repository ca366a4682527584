#include "geometry/repair/hidden_faces.h"

#include <gtest/gtest.h>

#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_report.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"
#include "support/view_counts.h"

namespace espalier {
namespace {

using namespace test;

constexpr int kViews = 60;

Mesh seen_part(const Mesh& mesh, int size = 192) {
  HiddenFaceOptions options;
  options.views = kViews;
  return without_hidden_faces(mesh, view_counts(mesh, kViews, size), options);
}

TEST(HiddenFaces, InnerSphereGoesAndTheOuterIsUntouched) {
  const Mesh outer = sphere(12, 0.5);
  const Mesh result = seen_part(joined(outer, turned_inside_out(sphere(10, 0.45))));
  EXPECT_EQ(result.faces, outer.faces);
  EXPECT_EQ(result.vertices, outer.vertices);
}

TEST(HiddenFaces, DoubleWalledTube) {
  const Mesh mesh = double_walled_tube(240, 24);
  const Mesh outer = without_unreferenced_vertices(kept(mesh, [&](std::int64_t f) { return f < mesh.face_count() / 2; }));
  const Mesh result = seen_part(mesh);
  EXPECT_EQ(result.faces, outer.faces);
  EXPECT_EQ(result.vertices, outer.vertices);
}

TEST(HiddenFaces, SmallerThanAPixel) {
  // Most faces of the outer wall are seen by no view at this size; they are no inner wall for that.
  const Mesh mesh = double_walled_tube(240, 24);
  const Mesh result = seen_part(mesh, 48);
  EXPECT_EQ(result.face_count(), mesh.face_count() / 2);
}

TEST(HiddenFaces, CutAtTheNeck) {
  // A window of 6 x 6 quads joins the walls: the cut runs along it.
  const Mesh mesh = without_unreferenced_vertices(tube_with_window(240, 24, 6, 4));
  const std::int64_t wall = 2 * (240 * 24 - 24);
  ASSERT_TRUE(report_of(mesh).watertight);
  ASSERT_TRUE(report_of(mesh).consistent_winding);
  ASSERT_EQ(report_of(mesh).components, 1);
  const Mesh result = seen_part(mesh);
  // Vertices of the outer wall come first in both, so its faces are found by number.
  ASSERT_GE(result.face_count(), wall);
  EXPECT_TRUE(std::equal(mesh.faces.begin(), mesh.faces.begin() + 3 * wall, result.faces.begin()));
  EXPECT_LT(result.face_count() - wall, wall / 20) << "most of the inner wall";
  EXPECT_EQ(report_of(result).boundary_loops, 1);
}

TEST(HiddenFaces, WideOpeningsKeepTheirInside) {
  // A cup: its inside is an inner wall for most views, but open to see.
  const Mesh outer = sphere(12, 0.5);
  const Mesh cup = kept(outer, [&](std::int64_t f) { return centre_of_face(outer, f)[2] < 0.2; });
  EXPECT_EQ(seen_part(cup).face_count(), cup.face_count());
}

TEST(HiddenFaces, InnerWallsOfAVesselGo) {
  // A deep cup whose wall is hollow, with a hole in the wall's skin between the hollow and the inside of the cup.
  const auto tube = [](double radius, double low, double high, int rows, bool inward) {
    Mesh mesh = grid(48, rows, true, false, [=](int i, int j) {
      const double turn = kTurn * i / 48;
      return P3{radius * std::cos(turn), radius * std::sin(turn), low + (high - low) * j / rows};
    });
    return inward ? turned_inside_out(mesh) : mesh;
  };
  const auto ring = [](double inner, double outer, double z, bool down) {
    Mesh mesh = grid(48, 4, true, false, [=](int i, int j) {
      const double turn = kTurn * i / 48;
      const double r = outer + (inner - outer) * j / 4;
      return P3{r * std::cos(turn), r * std::sin(turn), z};
    });
    return down ? turned_inside_out(mesh) : mesh;
  };
  Mesh outside = joined(tube(0.4, -0.5, 0.5, 24, false), ring(0.3, 0.4, 0.5, false));
  outside = joined(joined(outside, tube(0.3, -0.4, 0.5, 20, true)), ring(0.001, 0.3, -0.4, false));
  outside = joined(outside, ring(0.001, 0.4, -0.5, true));
  Mesh hollow = joined(tube(0.37, -0.47, 0.47, 24, true), ring(0.33, 0.37, 0.47, true));
  hollow = joined(joined(hollow, tube(0.33, -0.43, 0.47, 24, false)), ring(0.001, 0.33, -0.43, true));
  hollow = joined(hollow, ring(0.001, 0.37, -0.47, false));
  // The window: faces of the cup's inside and of the hollow go, and their rims are joined.
  const auto in_window = [](const P3& c, double low, double high) {
    return c[0] > 0.25 && std::abs(c[1]) < 0.045 && c[2] > low && c[2] < high;
  };
  Mesh mesh = welded(joined(outside, hollow), 1e-5F);
  mesh = kept(mesh, [&](std::int64_t f) {
    const P3 c = centre_of_face(mesh, f);
    const double r = std::hypot(c[0], c[1]);
    return !(r > 0.29 && r < 0.34 && in_window(c, -0.13, -0.03));
  });
  const std::int64_t faces = mesh.face_count();
  const Mesh result = seen_part(mesh);
  EXPECT_LT(result.face_count(), faces);
  double left = 0;
  double inner = 0;
  for (std::int64_t f = 0; f < result.face_count(); ++f) left += face_area(result, f);
  for (std::int64_t f = 0; f < hollow.face_count(); ++f) inner += face_area(hollow, f);
  for (std::int64_t f = 0; f < outside.face_count(); ++f) left -= face_area(outside, f);
  EXPECT_LT(left, 0.1 * inner) << "most of the hollow's wall is gone";
  EXPECT_GT(left, -0.05 * inner) << "and the cup is still there";
}

TEST(HiddenFaces, WhatIsRarelySeenStays) {
  // A ball in a tall box without a lid.
  const Mesh whole = box(6);
  const Mesh open = kept(whole, [&](std::int64_t f) { return centre_of_face(whole, f)[2] < 0.49; });
  const Mesh mesh = joined(open, moved(sphere(5, 0.2), {0, 0, -0.25}));
  EXPECT_EQ(seen_part(mesh).face_count(), mesh.face_count());
}

TEST(HiddenFaces, ScatteredUnseenFacesStay) {
  const Mesh mesh = sphere(16, 0.5);
  std::vector<std::int32_t> counts(static_cast<std::size_t>(mesh.face_count()), 40);
  for (std::size_t f = 0; f < counts.size(); f += 7) counts[f] = 0;
  HiddenFaceOptions options;
  options.views = 100;
  EXPECT_EQ(without_hidden_faces(mesh, counts, options).face_count(), mesh.face_count());
}

TEST(HiddenFaces, InnerPartitionsGo) {
  // A wall inside a box, joined to its sides by edges of three faces.
  Mesh mesh = box(4);
  const Mesh sheet = grid(4, 4, false, false, [](int i, int j) { return P3{0, i / 4.0 - 0.5, j / 4.0 - 0.5}; });
  mesh = welded(joined(mesh, sheet));
  ASSERT_EQ(report_of(mesh).non_manifold_edges, 16);
  const Mesh result = seen_part(mesh);
  EXPECT_EQ(result.face_count(), box(4).face_count());
  EXPECT_TRUE(report_of(result).watertight);
  EXPECT_EQ(report_of(result).non_manifold_vertices, 0);
}

TEST(HiddenFaces, HangingFacesGo) {
  // An unseen fold that the cut separates from nothing: beside a removed piece, one face hangs by one edge.
  Mesh mesh = joined(sphere(8, 0.5), turned_inside_out(sphere(6, 0.3)));
  const std::int32_t a = mesh.faces[0];
  const std::int32_t b = mesh.faces[1];
  const auto inner = static_cast<std::int32_t>(sphere(8, 0.5).vertex_count());
  add_face(mesh, a, b, inner);
  std::vector<std::int32_t> counts(static_cast<std::size_t>(mesh.face_count()), 0);
  std::fill_n(counts.begin(), sphere(8, 0.5).face_count(), 40);
  HiddenFaceOptions options;
  options.views = 100;
  const Mesh result = without_hidden_faces(mesh, counts, options);
  EXPECT_EQ(result.face_count(), sphere(8, 0.5).face_count());
  EXPECT_TRUE(report_of(result).watertight);
}

TEST(HiddenFaces, Errors) {
  const Mesh mesh = box(2);
  HiddenFaceOptions options;
  options.views = 10;
  std::vector<std::int32_t> counts(static_cast<std::size_t>(mesh.face_count()), 0);
  expect_error(ErrorCode::invalid_argument, {"none of the 10 views", "cameras"},
               [&] { (void)without_hidden_faces(mesh, counts, options); });
  counts[3] = 11;
  expect_error(ErrorCode::invalid_argument, {"face 3", "11 of 10"}, [&] { (void)without_hidden_faces(mesh, counts, options); });
  counts.pop_back();
  expect_error(ErrorCode::invalid_argument, {"47 counts", "48 faces"},
               [&] { (void)without_hidden_faces(mesh, counts, options); });
  options.views = 0;
  expect_error(ErrorCode::invalid_argument, {"0 views"}, [&] { (void)without_hidden_faces(mesh, counts, options); });
}

}  // namespace
}  // namespace espalier
