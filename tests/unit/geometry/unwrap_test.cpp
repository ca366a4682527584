#include "geometry/unwrap/unwrap.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "support/errors.h"
#include "support/sample_surfaces.h"
#include "support/texel_coverage.h"

namespace espalier {
namespace {

using namespace test;

// For tests that do not look at the layout: a small texture is quick to pack.
Unwrapped unwrap_small(const Mesh& mesh) {
  UnwrapOptions options;
  options.texture_size = 256;
  options.padding_texels = 2;
  return unwrap(mesh, options);
}

// Twice the signed area of a face in the texture, v going down.
double texture_area(const Mesh& mesh, std::int64_t f) {
  double u[3];
  double v[3];
  for (std::int64_t k = 0; k < 3; ++k) {
    const auto vertex = static_cast<std::size_t>(mesh.faces[static_cast<std::size_t>(3 * f + k)]);
    u[k] = mesh.uvs[2 * vertex];
    v[k] = mesh.uvs[2 * vertex + 1];
  }
  return (u[1] - u[0]) * (v[2] - v[0]) - (v[1] - v[0]) * (u[2] - u[0]);
}

// What holds for every result.
void expect_valid(const Mesh& input, const Unwrapped& u) {
  const Mesh& mesh = u.mesh;
  ASSERT_EQ(mesh.faces.size(), input.faces.size());
  ASSERT_EQ(u.chart.size(), input.faces.size() / 3);
  ASSERT_EQ(u.source_vertex.size(), mesh.vertices.size() / 3);
  ASSERT_EQ(mesh.uvs.size(), 2 * u.source_vertex.size());
  ASSERT_EQ(mesh.normals.size(), 3 * u.source_vertex.size());
  for (std::size_t i = 0; i < mesh.faces.size(); ++i) {
    const auto vertex = static_cast<std::size_t>(mesh.faces[i]);
    ASSERT_LT(vertex, u.source_vertex.size());
    ASSERT_EQ(u.source_vertex[vertex], input.faces[i]);
  }
  for (std::size_t v = 0; v < u.source_vertex.size(); ++v) {
    const auto source = static_cast<std::size_t>(u.source_vertex[v]);
    for (std::size_t k = 0; k < 3; ++k) ASSERT_EQ(mesh.vertices[3 * v + k], input.vertices[3 * source + k]);
    const float* n = mesh.normals.data() + 3 * v;
    ASSERT_NEAR(n[0] * n[0] + n[1] * n[1] + n[2] * n[2], 1, 1e-5);
  }
  for (const float c : mesh.uvs) ASSERT_TRUE(c >= 0 && c <= 1) << c;
  for (const std::int32_t c : u.chart) ASSERT_TRUE(c >= 0 && c < u.charts) << c;
  EXPECT_TRUE(std::isfinite(u.mean_stretch));
  EXPECT_TRUE(u.use >= 0 && u.use <= 1);
}

// Seams are where two corners at one vertex of the input have different copies: there are no more copies than charts (and
// fans of faces) at a vertex.
void expect_copies_at_seams_only(const Mesh& input, const Unwrapped& u) {
  std::set<std::pair<std::int32_t, std::int32_t>> pairs;  // vertex of the input, chart
  for (std::size_t i = 0; i < input.faces.size(); ++i) pairs.emplace(input.faces[i], u.chart[i / 3]);
  EXPECT_LE(u.source_vertex.size(), pairs.size() + pairs.size() / 50);
}

void expect_no_overlap(const Unwrapped& u, int size) {
  const TexelCoverage coverage = faces_of_texels(u.mesh, size);
  EXPECT_EQ(coverage.covered_twice, 0);
  // Centres on edges count in `use` alone.
  EXPECT_NEAR(static_cast<double>(coverage.covered) / (static_cast<double>(size) * size), static_cast<double>(u.use),
              2.0 / size);
}

// The least number of free texels between texels of different charts, in rows or columns, up to `limit`.
int least_gap(const Unwrapped& u, int size, int limit) {
  const TexelCoverage coverage = faces_of_texels(u.mesh, size);
  const auto chart = [&](int x, int y) {
    const std::int32_t face = coverage.face[static_cast<std::size_t>(y * size + x)];
    return face < 0 ? -1 : u.chart[static_cast<std::size_t>(face)];
  };
  int least = limit;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      if (chart(x, y) < 0) continue;
      for (int dy = -least; dy <= least; ++dy) {
        for (int dx = -least; dx <= least; ++dx) {
          if (x + dx < 0 || x + dx >= size || y + dy < 0 || y + dy >= size) continue;
          const int other = chart(x + dx, y + dy);
          if (other >= 0 && other != chart(x, y)) least = std::min(least, std::max(std::abs(dx), std::abs(dy)) - 1);
        }
      }
    }
  }
  return least;
}

struct Bars {
  int charts;
  float stretch, use;
};

void expect_good(const Mesh& mesh, const Bars& bars) {
  UnwrapOptions options;
  options.texture_size = 512;
  const Unwrapped u = unwrap(mesh, options);
  expect_valid(mesh, u);
  expect_no_overlap(u, 512);
  expect_copies_at_seams_only(mesh, u);
  EXPECT_LE(u.charts, bars.charts);
  EXPECT_LE(u.mean_stretch, bars.stretch);
  EXPECT_GE(u.mean_stretch, 0.999F);
  EXPECT_GE(u.use, bars.use);
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) ASSERT_LT(texture_area(u.mesh, f), 0) << "face " << f << " is mirrored";
}

TEST(Unwrap, Sphere) { expect_good(sphere(20, 0.5), {12, 1.02F, 0.55F}); }
TEST(Unwrap, Torus) { expect_good(torus(80, 32, 0.35, 0.15), {16, 1.02F, 0.5F}); }
TEST(Unwrap, Knot) { expect_good(knot_wall(160, 16, 0.07), {40, 1.02F, 0.45F}); }
TEST(Unwrap, RoundedBox) { expect_good(rounded_box(20, {0.5, 0.3, 0.2}, 0.05), {14, 1.02F, 0.55F}); }

TEST(Unwrap, BumpsNeedNoMoreCharts) {
  Mesh mesh = sphere(20, 0.4);
  displace(mesh, 0.2, 5);
  expect_good(mesh, {25, 1.05F, 0.5F});
}

TEST(Unwrap, NoiseOfTheSizeOfFacesNeedsNoMoreCharts) {
  Mesh mesh = sphere(20, 0.5);
  shake(mesh, 0.3);
  expect_good(mesh, {25, 1.1F, 0.5F});
  mesh = knot_wall(160, 16, 0.07);
  shake(mesh, 0.25);
  expect_good(mesh, {40, 1.1F, 0.4F});
}

TEST(Unwrap, ExtractedSurface) { expect_good(zero_surface(40, chair_distance), {90, 1.15F, 0.4F}); }

TEST(Unwrap, DensityIsUniform) {
  const Mesh mesh = joined(sphere(12, 0.5), moved(sphere(6, 0.1), {1, 0, 0}));
  const Unwrapped u = unwrap_small(mesh);
  double surface[2]{};
  double texture[2]{};
  for (std::int64_t f = 0; f < mesh.face_count(); ++f) {
    const int which = centre_of_face(mesh, f)[0] > 0.7 ? 1 : 0;
    P3 p[3];
    for (std::size_t k = 0; k < 3; ++k) p[k] = vertex_of(mesh, mesh.faces[static_cast<std::size_t>(3 * f) + k]);
    const P3 a{p[1][0] - p[0][0], p[1][1] - p[0][1], p[1][2] - p[0][2]};
    const P3 b{p[2][0] - p[0][0], p[2][1] - p[0][1], p[2][2] - p[0][2]};
    surface[which] += length({a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]});
    texture[which] -= texture_area(u.mesh, f);
  }
  EXPECT_NEAR(texture[0] / surface[0], texture[1] / surface[1], 0.02 * texture[0] / surface[0]);
}

TEST(Unwrap, PaddingSeparatesCharts) {
  UnwrapOptions options;
  options.texture_size = 256;
  for (const float padding : {0.0F, 2.0F, 5.0F}) {
    options.padding_texels = padding;
    const Unwrapped u = unwrap(rounded_box(8, {0.5, 0.3, 0.2}, 0.05), options);
    EXPECT_GE(least_gap(u, 256, 8), static_cast<int>(padding));
  }
}

TEST(Unwrap, SameBytesTwice) {
  Mesh mesh = sphere(14, 0.5);
  shake(mesh, 0.2);
  const Unwrapped one = unwrap_small(mesh);
  const Unwrapped two = unwrap_small(mesh);
  EXPECT_EQ(one.mesh.uvs, two.mesh.uvs);
  EXPECT_EQ(one.mesh.faces, two.mesh.faces);
  EXPECT_EQ(one.chart, two.chart);
}

TEST(Unwrap, ColoursFollowTheirVertices) {
  Mesh mesh = box(3);
  for (std::size_t i = 0; i < mesh.vertices.size(); ++i) mesh.colours.push_back(static_cast<float>(i) / 1000);
  const Unwrapped u = unwrap_small(mesh);
  ASSERT_EQ(u.mesh.colours.size(), u.mesh.vertices.size());
  for (std::size_t v = 0; v < u.source_vertex.size(); ++v) {
    EXPECT_EQ(u.mesh.colours[3 * v + 1], mesh.colours[3 * static_cast<std::size_t>(u.source_vertex[v]) + 1]);
  }
}

TEST(Unwrap, NormalsAreSmoothAcrossSeams) {
  const Mesh mesh = sphere(16, 0.5);
  const Unwrapped u = unwrap_small(mesh);
  for (std::size_t v = 0; v < u.source_vertex.size(); ++v) {
    double along = 0;
    for (std::size_t k = 0; k < 3; ++k) along += u.mesh.normals[3 * v + k] * u.mesh.vertices[3 * v + k] / 0.5;
    EXPECT_GT(along, 0.99);
  }
}

TEST(Unwrap, OneTriangle) {
  Mesh mesh;
  for (const P3& p : {P3{0, 0, 0}, P3{3, 0, 0}, P3{0, 1, 0}}) add_vertex(mesh, p);
  add_face(mesh, 0, 1, 2);
  const Unwrapped u = unwrap_small(mesh);
  expect_valid(mesh, u);
  expect_no_overlap(u, 256);
  EXPECT_EQ(u.charts, 1);
  EXPECT_NEAR(u.mean_stretch, 1, 1e-3);
  EXPECT_GT(u.use, 0.1F);
}

TEST(Unwrap, FacesWithoutAreaKeepValidCoordinates) {
  Mesh mesh = sphere(6, 0.5);
  add_face(mesh, 0, 0, 1);
  add_face(mesh, 5, 5, 5);
  add_vertex(mesh, {0.5, 0.5, 0.5});  // used by nothing but faces without area
  const auto lone = static_cast<std::int32_t>(mesh.vertex_count() - 1);
  add_face(mesh, lone, lone, lone);
  for (const double x : {0.0, 1.0, 2.0}) add_vertex(mesh, {x, x, x});
  add_face(mesh, lone + 1, lone + 2, lone + 3);  // three corners in a row
  const Unwrapped u = unwrap_small(mesh);
  expect_valid(mesh, u);
  expect_no_overlap(u, 256);
}

TEST(Unwrap, NothingButFacesWithoutArea) {
  Mesh mesh;
  add_vertex(mesh, {0, 0, 0});
  add_vertex(mesh, {1, 0, 0});
  add_face(mesh, 0, 1, 0);
  add_face(mesh, 1, 1, 1);
  const Unwrapped u = unwrap_small(mesh);
  expect_valid(mesh, u);
  EXPECT_EQ(u.charts, 1);
  EXPECT_EQ(u.use, 0.0F);
}

// Faces between random vertices of a small set: edges of many faces, folds, duplicates, pinched vertices, needles.
TEST(Unwrap, AnyTriangles) {
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    Mesh mesh;
    const int vertices = seed % 3 == 0 ? 6 : 40;
    for (int v = 0; v < vertices; ++v) {
      const std::uint64_t key = seed * 1000 + static_cast<std::uint64_t>(v) * 3;
      const double flat = seed % 4 == 1 ? 0 : 1;
      const double grid = seed % 2 == 0 ? 4 : 1e6;  // a coarse grid makes corners coincide and lie in a row
      const auto snapped = [&](double x) { return std::round(x * grid) / grid; };
      add_vertex(mesh, {snapped(hashed(key)), snapped(hashed(key + 1)), flat * snapped(hashed(key + 2))});
    }
    for (std::uint64_t f = 0; f < 120; ++f) {
      const auto pick = [&](std::uint64_t k) {
        const double x = (hashed(seed * 77777 + 3 * f + k + 500000) + 1) / 2;
        return std::min(vertices - 1, static_cast<int>(x * vertices));
      };
      add_face(mesh, pick(0), pick(1), pick(2));
    }
    const Unwrapped u = unwrap_small(mesh);
    expect_valid(mesh, u);
    expect_no_overlap(u, 256);
  }
}

TEST(Unwrap, MoreChartsThanTexels) {
  Mesh mesh;
  for (int i = 0; i < 600; ++i) {
    const double x = i % 25;
    const double y = i / 25;
    const auto first = static_cast<std::int32_t>(mesh.vertex_count());
    for (const P3& p : {P3{x, y, 0}, P3{x + 0.5, y, 0}, P3{x, y + 0.5, 0}}) add_vertex(mesh, p);
    add_face(mesh, first, first + 1, first + 2);
  }
  UnwrapOptions options;
  options.texture_size = 16;
  const Unwrapped u = unwrap(mesh, options);
  expect_valid(mesh, u);
  EXPECT_EQ(u.charts, 600);
  EXPECT_EQ(faces_of_texels(u.mesh, 2048).covered_twice, 0);
}

TEST(Unwrap, ClosedPiecesAreOpened) {
  const Mesh mesh = joined(tetrahedron(), moved(box(1), {3, 0, 0}));
  const Unwrapped u = unwrap_small(mesh);
  expect_valid(mesh, u);
  expect_no_overlap(u, 256);
  EXPECT_NEAR(u.mean_stretch, 1, 0.02);
}

TEST(Unwrap, RefusesWhatHasNoAnswer) {
  const Mesh good = box(1);
  expect_error(ErrorCode::invalid_argument, {"no faces"}, [] { static_cast<void>(unwrap(Mesh{})); });
  Mesh bad = good;
  bad.faces[3] = 1000;
  expect_error(ErrorCode::invalid_argument, {"unwrapping"}, [&] { static_cast<void>(unwrap(bad)); });
  bad = good;
  bad.vertices[4] = std::numeric_limits<float>::quiet_NaN();
  expect_error(ErrorCode::invalid_argument, {"unwrapping"}, [&] { static_cast<void>(unwrap(bad)); });
  UnwrapOptions options;
  options.texture_size = 8;
  expect_error(ErrorCode::invalid_argument, {"texture size", "16"}, [&] { static_cast<void>(unwrap(good, options)); });
  options = {};
  options.padding_texels = -1;
  expect_error(ErrorCode::invalid_argument, {"padding"}, [&] { static_cast<void>(unwrap(good, options)); });
  options = {};
  options.chart_stretch = std::numeric_limits<float>::quiet_NaN();
  expect_error(ErrorCode::invalid_argument, {"stretch"}, [&] { static_cast<void>(unwrap(good, options)); });
}

class Counting final : public Monitor {
 public:
  explicit Counting(int stop_at) : stop_at_(stop_at) {}
  void progress(int done, int total) const override {
    EXPECT_GE(done, last_);
    EXPECT_EQ(total, 100);
    last_ = done;
  }
  [[nodiscard]] bool cancelled() const override { return last_ >= stop_at_; }
  [[nodiscard]] int last() const { return last_; }

 private:
  int stop_at_;
  mutable int last_ = 0;
};

TEST(Unwrap, TellsOfProgressAndStops) {
  const Mesh mesh = sphere(10, 0.5);
  UnwrapOptions options;
  options.texture_size = 128;
  const Counting whole(1000);
  static_cast<void>(unwrap(mesh, options, &whole));
  EXPECT_EQ(whole.last(), 100);
  for (const int stop : {0, 5, 15, 40, 60, 70, 95}) {
    const Counting stopped(stop);
    expect_error(ErrorCode::cancelled, {}, [&] { static_cast<void>(unwrap(mesh, options, &stopped)); });
    EXPECT_LE(stopped.last(), stop);
  }
}

}  // namespace
}  // namespace espalier
