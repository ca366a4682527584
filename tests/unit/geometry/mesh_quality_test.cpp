#include "geometry/mesh/mesh_quality.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "geometry/mesh/closest_point.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_report.h"
#include "geometry/mesh/triangle_tree.h"
#include "support/errors.h"
#include "support/sample_surfaces.h"

namespace espalier::test {
namespace {

// The nearest hit by trying every face.
TriangleTree::Hit by_brute_force(const Mesh& mesh, const Point& from, const Point& direction) {
  TriangleTree::Hit hit{-1, 1e300};
  for (std::int32_t f = 0; f < mesh.face_count(); ++f) {
    const std::int32_t* const v = face_of(mesh, f);
    const Point a = point_of(mesh, v[0]);
    Eigen::Matrix3d m;
    m.col(0) = point_of(mesh, v[1]) - a;
    m.col(1) = point_of(mesh, v[2]) - a;
    m.col(2) = -direction;
    if (std::abs(m.determinant()) < 1e-14) continue;
    const Eigen::Vector3d x = m.inverse() * (from - a);
    if (x[0] < 0 || x[1] < 0 || x[0] + x[1] > 1 || x[2] <= 0 || x[2] >= hit.distance) continue;
    hit = {f, x[2]};
  }
  return hit;
}

// All on one line, and through the only face that has an area: they neither hide nor cross it.
TEST(MeshQuality, FlatFacesAreLeftOut) {
  Mesh mesh;
  mesh.vertices = {0, 0, 0, 1, 0, 0, 0, 1, 0};
  mesh.faces = {0, 1, 2};
  constexpr int kFlat = 20000;
  for (int i = 0; i < kFlat; ++i) {
    const float z = static_cast<float>(i) / kFlat - 0.5F;
    mesh.vertices.insert(mesh.vertices.end(), {0.25F, 0.25F, z});
    if (i >= 2) mesh.faces.insert(mesh.faces.end(), {3, i + 2, i + 3});
  }
  const MeshQuality quality = quality_of(mesh, 8);
  EXPECT_EQ(quality.crossing_faces, 0);
  EXPECT_EQ(quality.hidden_share, 0.0);
  mesh.faces.erase(mesh.faces.begin(), mesh.faces.begin() + 3);
  EXPECT_EQ(quality_of(mesh, 8).crossing_faces, 0);
}

TEST(TriangleTree, FindsWhatBruteForceFinds) {
  Mesh mesh = joined(sphere(9, 0.5), moved(rounded_box(6, {0.2, 0.3, 0.1}, 0.04), {0.1, 0, 0.05}));
  shake(mesh, 0.3);
  const TriangleTree tree(mesh);
  int hits = 0;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    const Point from(hashed(6 * i), hashed(6 * i + 1), hashed(6 * i + 2));
    const Point direction(hashed(6 * i + 3), hashed(6 * i + 4), hashed(6 * i + 5));
    const TriangleTree::Hit wanted = by_brute_force(mesh, from, direction);
    const TriangleTree::Hit found = tree.first_hit(from, direction, 0);
    EXPECT_EQ(found.face, wanted.face) << i;
    EXPECT_EQ(tree.is_hit(from, direction, 0), wanted.face >= 0) << i;
    if (wanted.face < 0) continue;
    ++hits;
    EXPECT_NEAR(found.distance, wanted.distance, 1e-9 * (1 + wanted.distance));
    EXPECT_NE(tree.first_hit(from, direction, 0, wanted.face).face, wanted.face);
  }
  EXPECT_GT(hits, 200);
}

TEST(TriangleTree, FindsTheClosestPoint) {
  const Mesh mesh = torus(24, 12, 0.3, 0.1);
  const TriangleTree tree(mesh);
  for (int i = 0; i < 200; ++i) {
    const Point p(std::fmod(0.37 * i, 1.2) - 0.6, std::fmod(0.73 * i, 1.2) - 0.6, std::fmod(0.11 * i, 0.6) - 0.3);
    const Point way = Point(std::sin(i), std::cos(2 * i), std::sin(3 * i)).normalized();
    for (const bool one_side : {false, true}) {
      double wanted = 1e300;
      for (std::int32_t f = 0; f < mesh.face_count(); ++f) {
        const Point cross = face_cross(mesh, f);
        if (one_side && cross.dot(way) < 0.5 * cross.norm()) continue;
        const std::int32_t* const v = face_of(mesh, f);
        const auto found = closest_point(p, point_of(mesh, v[0]), point_of(mesh, v[1]), point_of(mesh, v[2]));
        wanted = std::min(wanted, std::sqrt(found.squared));
      }
      const TriangleTree::Facing facing{way, 0.5};
      const TriangleTree::Near near = tree.closest(p, 10, one_side ? &facing : nullptr);
      ASSERT_GE(near.face, 0);
      EXPECT_NEAR(near.distance, wanted, 1e-12);
      Point at = Point::Zero();
      for (std::size_t c = 0; c < 3; ++c) {
        at += near.weights[c] * point_of(mesh, face_of(mesh, near.face)[c]);
        EXPECT_GE(near.weights[c], 0);
      }
      EXPECT_NEAR((at - p).norm(), wanted, 1e-9);
      EXPECT_EQ(tree.closest(p, 0.99 * wanted, one_side ? &facing : nullptr).face, -1) << "beyond what was asked for";
    }
  }
}

TEST(TriangleTree, EmptyMeshesAndFacesOfNoArea) {
  EXPECT_EQ(TriangleTree(Mesh{}).first_hit({0, 0, 0}, {0, 0, 1}, 0).face, -1);
  EXPECT_EQ(TriangleTree(Mesh{}).closest({0, 0, 0}, 1).face, -1);
  Mesh mesh;
  for (int i = 0; i < 50; ++i) add_vertex(mesh, {0, 0, 0});
  for (int i = 0; i < 48; ++i) add_face(mesh, i, i + 1, i + 2);
  EXPECT_FALSE(TriangleTree(mesh).is_hit({0, 0, -1}, {0, 0, 1}, 0));
  EXPECT_EQ(quality_of(mesh).hidden_share, 0);
}

TEST(MeshQuality, WhatIsInsideIsHidden) {
  const Mesh outer = sphere(14, 0.5);
  const Mesh inner = sphere(14, 0.3);
  EXPECT_EQ(quality_of(outer).hidden_share, 0);
  EXPECT_NEAR(quality_of(joined(outer, inner)).hidden_share, 0.09 / 0.34, 1e-3);
  // Turning it around hides nothing and shows nothing.
  EXPECT_NEAR(quality_of(joined(outer, turned_inside_out(inner))).hidden_share, 0.09 / 0.34, 1e-3);
  EXPECT_EQ(quality_of(joined(inner, moved(inner, {1, 0, 0}))).hidden_share, 0);
}

TEST(MeshQuality, TheInsideOfABowlIsSeen) { EXPECT_EQ(quality_of(zero_surface(48, bowl_distance)).hidden_share, 0); }

TEST(MeshQuality, FacesThatCross) {
  const Mesh a = box(1);
  EXPECT_EQ(quality_of(a).crossing_faces, 0);
  EXPECT_EQ(quality_of(joined(a, moved(a, {1, 0, 0}))).crossing_faces, 0) << "they touch";
  const Mesh crossing = joined(a, moved(a, {0.6, 0.55, 0.45}));
  EXPECT_GT(quality_of(crossing).crossing_faces, 5);
  // Two faces with a common corner, one through the other.
  Mesh pair;
  for (const P3& p : {P3{0, 0, 0}, P3{1, -1, 0}, P3{1, 1, 0}, P3{0.5, 0, 0.5}, P3{0.5, 0.05, -0.5}}) add_vertex(pair, p);
  add_face(pair, 0, 1, 2);
  add_face(pair, 0, 3, 4);
  EXPECT_EQ(quality_of(pair).crossing_faces, 2);
}

TEST(MeshQuality, FoldsAreMeasured) {
  EXPECT_EQ(quality_of(sphere(12, 0.5)).crease_length, 0);
  // A sheet folded back onto itself along an edge of length 1.
  Mesh fold;
  for (const P3& p : {P3{0, 0, 0}, P3{0, 1, 0}, P3{1, 0.5, 0}, P3{1, 0.5, 0.2}}) add_vertex(fold, p);
  add_face(fold, 0, 1, 2);
  add_face(fold, 1, 0, 3);
  EXPECT_NEAR(quality_of(fold).crease_length, 1 / std::sqrt(1 + 1 + 0.04), 1e-6);
}

TEST(MeshQuality, SameOnAnyNumberOfCoresAndStops) {
  const Mesh mesh = joined(sphere(20, 0.5), moved(sphere(20, 0.4), {0.05, 0, 0}));
  const MeshQuality a = quality_of(mesh, 16);
  const MeshQuality b = quality_of(mesh, 16);
  EXPECT_EQ(a.hidden_share, b.hidden_share);
  class Stop final : public Monitor {
    void progress(int, int) const override {}
    [[nodiscard]] bool cancelled() const override { return true; }
  } const stop;
  expect_error(ErrorCode::cancelled, {}, [&] { (void)quality_of(mesh, 16, &stop); });
}

TEST(EnclosedPieces, BubblesAndWhatFloatsInThemGo) {
  const Mesh outer = sphere(14, 0.5);
  const Mesh bubble = turned_inside_out(moved(sphere(8, 0.2), {0.1, 0, 0}));
  const Mesh core = moved(sphere(6, 0.1), {0.1, 0, 0});
  const Mesh beside = moved(sphere(6, 0.1), {0.9, 0, 0});
  const Mesh left = without_enclosed_pieces(joined(joined(joined(bubble, outer), core), beside));
  EXPECT_EQ(left.face_count(), outer.face_count() + beside.face_count());
  EXPECT_EQ(report_of(left).components, 2);
}

TEST(EnclosedPieces, WhatLiesInAVesselStays) {
  const Mesh mesh = joined(zero_surface(48, bowl_distance), moved(sphere(8, 0.1), {0, 0, -0.1}));
  EXPECT_EQ(without_enclosed_pieces(mesh).face_count(), mesh.face_count());
  EXPECT_EQ(without_enclosed_pieces(Mesh{}).face_count(), 0);
}

}  // namespace
}  // namespace espalier::test
