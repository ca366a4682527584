#include "geometry/repair/clean.h"

#include <gtest/gtest.h>

#include <random>

#include "geometry/mesh/mesh_topology.h"
#include "geometry/simplify/simplify.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"
#include "support/view_counts.h"

namespace espalier {
namespace {

using namespace test;

Visibility from_around(const Mesh& mesh, const Monitor* /*monitor*/) { return {view_counts(mesh, 40, 192), 40}; }

CleanOptions to_faces(std::int64_t faces) {
  CleanOptions options;
  options.faces = faces;
  return options;
}

TEST(Clean, DoubleWalledTubeBecomesOneWall) {
  const Mesh wall = knot_wall(240, 24, 0.0763);
  const Mesh mesh = joined(double_walled_tube(240, 24), moved(sphere(2, 0.004), {0.45, 0.45, 0.3}));
  CleanReport report;
  const Mesh result = cleaned(mesh, from_around, to_faces(4000), nullptr, &report);
  EXPECT_EQ(result.face_count(), 4000);
  EXPECT_EQ(report.before.components, 3);
  EXPECT_EQ(report.after.components, 1);
  EXPECT_TRUE(report.after.watertight);
  EXPECT_TRUE(report.after.consistent_winding);
  EXPECT_EQ(report.hidden_faces, mesh.face_count() / 2 - 24);
  EXPECT_EQ(report.small_faces, 48);
  EXPECT_NEAR(report.after.volume / report_of(wall).volume, 1, 0.01);
  EXPECT_NEAR(report.after.area / report_of(wall).area, 1, 0.01);
}

TEST(Clean, WindowBetweenTheWallsIsClosed) {
  CleanReport report;
  const Mesh mesh = tube_with_window(240, 24, 6, 4);
  const Mesh result = cleaned(mesh, from_around, to_faces(6000), nullptr, &report);
  EXPECT_EQ(report.holes.filled, 1);
  EXPECT_EQ(report.holes.left, 0);
  EXPECT_TRUE(report.after.watertight);
  EXPECT_TRUE(report.after.consistent_winding);
  EXPECT_EQ(report.after.components, 1);
  EXPECT_EQ(report.after.euler(), 0);
  EXPECT_EQ(result.face_count(), 6000);
}

TEST(Clean, RatioCountsTheGivenFaces) {
  CleanOptions options;
  options.ratio = 0.5;
  EXPECT_EQ(cleaned(sphere(10, 0.5), from_around, options).face_count(), 600);
  options.ratio = 0;
  EXPECT_EQ(cleaned(sphere(10, 0.5), {}, options).face_count(), 1200);
}

TEST(Clean, SameInputSameBytes) {
  const Mesh mesh = tube_with_window(120, 16, 4, 3);
  const Mesh once = cleaned(mesh, from_around, to_faces(900));
  const Mesh again = cleaned(mesh, from_around, to_faces(900));
  EXPECT_EQ(once.vertices, again.vertices);
  EXPECT_EQ(once.faces, again.faces);
}

class Watch final : public Monitor {
 public:
  explicit Watch(int stop_at) : stop_at_(stop_at) {}
  void progress(int done, int total) const override {
    EXPECT_EQ(total, 100);
    EXPECT_GE(done, last_);
    last_ = done;
  }
  [[nodiscard]] bool cancelled() const override { return last_ >= stop_at_; }
  [[nodiscard]] int last() const { return last_; }

 private:
  int stop_at_;
  mutable int last_ = 0;
};

TEST(Clean, ProgressRunsToTheEndAndAnyStepCanStop) {
  const Mesh mesh = double_walled_tube(120, 16);
  const Watch all(1000);
  (void)cleaned(mesh, from_around, to_faces(500), &all);
  EXPECT_EQ(all.last(), 100);
  for (const int step : {0, 5, 30, 70, 78, 83, 85}) {
    const Watch watch(step);
    expect_error(ErrorCode::cancelled, {}, [&] { (void)cleaned(mesh, from_around, to_faces(500), &watch); });
    EXPECT_LE(watch.last(), step + 5 > 85 ? 100 : 85);
  }
}

TEST(Clean, NothingLeftIsAnError) {
  expect_error(ErrorCode::invalid_argument, {"no faces"}, [] { (void)cleaned({}, {}, {}); });
  Mesh line = tetrahedron();
  line.faces = {0, 1, 1, 2, 2, 3};
  expect_error(ErrorCode::invalid_argument, {"no face is left"}, [&] { (void)cleaned(line, {}, {}); });
  CleanOptions options;
  options.weld_tolerance = 10;
  expect_error(ErrorCode::invalid_argument, {"no face is left", "tolerance"}, [&] { (void)cleaned(box(2), {}, options); });
  const CountViews blind = [](const Mesh& mesh, const Monitor*) {
    return Visibility{std::vector<std::int32_t>(static_cast<std::size_t>(mesh.face_count()), 0), 10};
  };
  expect_error(ErrorCode::invalid_argument, {"views"}, [&] { (void)cleaned(box(2), blind, {}); });
  expect_error(ErrorCode::invalid_argument, {"-1 faces"}, [] { (void)cleaned(box(2), {}, to_faces(-1)); });
  options.ratio = 2;
  expect_error(ErrorCode::invalid_argument, {"share of 2"}, [&] { (void)cleaned(box(2), {}, options); });
}

// A mesh that something went wrong with: holes, flaps, repeated and turned faces, faces without area, stray vertices.
Mesh damaged(std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint32_t>(std::max<std::int64_t>(n, 1)));
  };
  Mesh mesh;
  switch (below(6)) {
    case 0: mesh = sphere(2 + static_cast<int>(below(8)), 0.5); break;
    case 1: mesh = torus(3 + static_cast<int>(below(20)), 3 + static_cast<int>(below(12)), 0.3, 0.12); break;
    case 2: mesh = joined(box(1 + static_cast<int>(below(5))), moved(box(1 + static_cast<int>(below(3))), {1, 0, 1})); break;
    case 3: mesh = tetrahedron(); break;
    case 4: mesh = double_walled_tube(12 + static_cast<int>(below(20)), 5 + static_cast<int>(below(8))); break;
    default: mesh = grid(3, 4, false, false, [](int i, int j) { return P3{i / 3.0, j / 4.0, 0.1 * i * j}; });
  }
  const auto face = [&](std::int64_t f) { return mesh.faces.data() + 3 * f; };
  const std::int64_t wounds = below(12);
  for (std::int64_t i = 0; i < wounds; ++i) {
    const std::int64_t f = below(mesh.face_count());
    const auto vertex = [&] { return static_cast<std::int32_t>(below(mesh.vertex_count())); };
    const std::int32_t old[3] = {face(f)[0], face(f)[1], face(f)[2]};
    switch (below(9)) {
      case 0: add_face(mesh, vertex(), vertex(), vertex()); break;
      case 1: add_face(mesh, old[0], old[1], vertex()); break;
      case 2: add_face(mesh, old[1], old[0], old[2]); break;
      case 3: std::swap(face(f)[0], face(f)[1]); break;
      case 4: face(f)[1] = old[0]; break;
      case 5: face(f)[2] = vertex(); break;
      case 6: std::copy_n(mesh.vertices.begin() + 3 * old[0], 3, mesh.vertices.begin() + 3 * old[1]); break;
      case 7: add_vertex(mesh, {0.3, 0.2, static_cast<double>(below(5))}); break;
      default: mesh.faces.erase(mesh.faces.begin() + 3 * f, mesh.faces.begin() + 3 * f + 3);
    }
    if (mesh.faces.empty()) return tetrahedron();
  }
  for (std::size_t i = 0; i < mesh.vertices.size(); ++i) mesh.colours.push_back(0.5F);
  return mesh;
}

void expect_valid(const Mesh& mesh, std::uint32_t seed) {
  check_mesh(mesh, "result");
  EXPECT_GT(mesh.face_count(), 0) << seed;
  EXPECT_EQ(report_of(mesh).unreferenced, 0) << seed;
  EXPECT_EQ(mesh.colours.size(), mesh.vertices.size()) << seed;
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    EXPECT_TRUE(mesh.faces[f] != mesh.faces[f + 1] && mesh.faces[f + 1] != mesh.faces[f + 2] &&
                mesh.faces[f + 2] != mesh.faces[f])
        << seed;
  }
}

class DamagedMesh : public testing::TestWithParam<std::uint32_t> {};

TEST_P(DamagedMesh, EveryStepGivesAValidMesh) {
  for (std::uint32_t seed = GetParam() * 50; seed < GetParam() * 50 + 50; ++seed) {
    const Mesh mesh = damaged(seed);
    const auto corrected = [&] { return without_degenerate_faces(without_duplicate_faces(welded(mesh))); };
    const Mesh start = corrected();
    if (start.faces.empty()) continue;
    expect_valid(start, seed);
    EXPECT_EQ(report_of(without_duplicate_faces(start)).duplicate_faces, 0) << seed;
    const MeshReport before = report_of(start);
    HoleOptions all;
    all.largest_perimeter = 100;
    const Mesh filled = holes_filled(start, all);
    const MeshReport closed = report_of(filled);
    EXPECT_EQ(closed.non_manifold_edges, before.non_manifold_edges) << seed;
    EXPECT_LE(closed.boundary_edges, before.boundary_edges) << seed;
    EXPECT_TRUE(!before.consistent_winding || closed.consistent_winding) << seed;
    expect_valid(filled, seed);
    for (const std::int64_t target : {std::int64_t{1}, start.face_count() / 7 + 1, start.face_count() - 1}) {
      if (target < 1) continue;
      const Mesh fewer = simplified(start, target);
      expect_valid(fewer, seed);
      const MeshReport after = report_of(fewer);
      EXPECT_TRUE(after.faces <= target || vertex_components(fewer.faces, fewer.vertex_count()).count == 1)
          << seed << " to " << target;
      if (before.non_manifold_edges + before.non_manifold_vertices == 0) {
        EXPECT_EQ(after.non_manifold_edges + after.non_manifold_vertices, 0) << seed << " to " << target;
      }
    }
    CleanReport report;
    expect_valid(cleaned(mesh, {}, to_faces(40), nullptr, &report), seed);
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DamagedMesh, testing::Range(0U, 8U));

}  // namespace
}  // namespace espalier
