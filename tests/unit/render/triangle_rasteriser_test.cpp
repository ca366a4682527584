#include "render/raster/triangle_rasteriser.h"

#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "support/data.h"
#include "support/errors.h"
#include "support/golden_file.h"
#include "unit/render/raster_fixture.h"

namespace espalier::test {
namespace {

const float kNaN = std::numeric_limits<float>::quiet_NaN();
const float kInfinity = std::numeric_limits<float>::infinity();

// Of a pixel in an image of this width.
std::size_t index(int width, int x, int y) {
  return static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
}

// A camera in the origin that looks along +z, x to the right and y downwards.
Camera plain_camera(float focal = 1.0F) {
  Camera camera;
  camera.fx = camera.fy = focal;
  return camera;
}

// Faces given by their corners in texels of an image of `side` texels.
Mesh flat(int side, const std::vector<std::array<float, 6>>& faces) {
  Mesh mesh;
  for (const auto& f : faces) {
    for (std::size_t k = 0; k < 6; ++k) mesh.uvs.push_back(f[k] / static_cast<float>(side));
    for (int k = 0; k < 3; ++k) {
      mesh.faces.push_back(static_cast<std::int32_t>(mesh.vertices.size() / 3));
      mesh.vertices.insert(mesh.vertices.end(), {0, 0, 0});
    }
  }
  return mesh;
}
Mesh single(const std::vector<float>& corners) {
  Mesh mesh;
  mesh.vertices = corners;
  for (std::int32_t i = 0; i < static_cast<std::int32_t>(corners.size() / 3); ++i) mesh.faces.push_back(i);
  return mesh;
}

bool empty(const Shown& shown) {
  return std::all_of(shown.face.begin(), shown.face.end(), [](std::int32_t f) { return f == 0; });
}

TEST(TriangleRasteriser, PixelsWhoseCentresLieOnEdges) {
  // A square between pixel centres (1, 1) and (4, 4): its left and top sides belong to it, the others do not.
  const Mesh square = flat(8, {{1.5F, 1.5F, 4.5F, 1.5F, 4.5F, 4.5F}, {1.5F, 1.5F, 4.5F, 4.5F, 1.5F, 4.5F}});
  const std::vector<std::int32_t> counts = texel_layers<Cpu>(square, 8, 8);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 8; ++x) {
      EXPECT_EQ(counts[index(8, x, y)], x >= 1 && x < 4 && y >= 1 && y < 4 ? 1 : 0) << x << ", " << y;
    }
  }
  // The diagonal is a right side of the lower face and a left side of the upper one.
  const Shown shown = show_texels<Cpu>(square, 8, 8);
  EXPECT_EQ(shown.face[8 * 2 + 2], 1);
  EXPECT_EQ(shown.face[8 * 2 + 3], 1);
  EXPECT_EQ(shown.face[8 * 3 + 2], 2);
}

TEST(TriangleRasteriser, WholePixelsWithTheirWeights) {
  const Shown shown = show_texels<Cpu>(flat(4, {{0, 0, 4, 0, 0, 4}}), 4, 4);
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 4; ++x) {
      const auto i = index(4, x, y);
      const bool inside = x + y + 1 < 4;
      EXPECT_EQ(shown.face[i], inside ? 1 : 0) << x << ", " << y;
      EXPECT_EQ(shown.barycentric[2 * i + 1], inside ? (static_cast<float>(x) + 0.5F) / 4 : 0.0F);
      EXPECT_FLOAT_EQ(shown.barycentric[2 * i], inside ? 1.0F - static_cast<float>(x + y + 1) / 4 : 0.0F);
      EXPECT_EQ(shown.depth[i], 0.0F);
    }
  }
}

TEST(TriangleRasteriser, BothOrientationsCoverTheSame) {
  const std::array<float, 6> f = {0.3F, 0.2F, 9.1F, 4.4F, 2.5F, 8.5F};
  const std::array<float, 6> g = {0.3F, 0.2F, 2.5F, 8.5F, 9.1F, 4.4F};
  EXPECT_EQ(texel_layers<Cpu>(flat(10, {f}), 10, 10), texel_layers<Cpu>(flat(10, {g}), 10, 10));
}

TEST(TriangleRasteriser, ATriangulationCoversEveryPixelOnce) {
  for (const int cells : {1, 3, 17, 100, 400}) {
    const Mesh mesh = jittered_square(cells, static_cast<std::uint32_t>(cells));
    for (const auto& [width, height] : {std::array{64, 64}, std::array{129, 77}, std::array{1, 1}}) {
      const std::vector<std::int32_t> counts = texel_layers<Cpu>(mesh, width, height);
      EXPECT_EQ(std::count(counts.begin(), counts.end(), 1), width * height) << cells << " cells, " << width << " x " << height;
    }
  }
}

// From inside a star-shaped surface every direction meets it once: behind the camera, across the near plane, far beyond
// the image.
TEST(TriangleRasteriser, AClosedSurfaceFromInsideIsSeenOnceInEveryPixel) {
  for (const float radius : {0.1F, 0.5F, 40.0F}) {
    for (const int rings : {2, 5, 60}) {
      const Mesh mesh = rough_sphere(rings, 2 * rings, radius, 0.1F, 7);
      for (const OrbitCamera& orbit : sphere_cameras(6, 1e-7F, 100.0F)) {
        const std::vector<std::int32_t> counts = layers<Cpu>(mesh, camera_of(orbit), 90, 90);
        EXPECT_EQ(std::count(counts.begin(), counts.end(), 1), 90 * 90) << radius << ", " << rings << " rings";
      }
    }
  }
}

TEST(TriangleRasteriser, AClosedSurfaceFromOutsideHasAsManyFrontsAsBacks) {
  for (const int rings : {3, 20, 150}) {
    const Mesh convex = rough_sphere(rings, 2 * rings, 0.4F, 0.0F, 7);
    const Mesh rough = rough_sphere(rings, 2 * rings, 0.4F, 0.4F, 8);
    for (const OrbitCamera& orbit : sphere_cameras(5, 2.0F, 40.0F)) {
      const std::vector<std::int32_t> counts = layers<Cpu>(convex, camera_of(orbit), 100, 100);
      // Vertices are rounded, so that nearly flat places of a finely divided sphere may fold by a subpixel.
      for (const std::int32_t c : counts) EXPECT_TRUE(c % 2 == 0 && (rings > 20 || c <= 2)) << c;
      EXPECT_GT(std::count(counts.begin(), counts.end(), 2), 1500);
      for (const std::int32_t c : layers<Cpu>(rough, camera_of(orbit), 100, 100)) EXPECT_EQ(c % 2, 0);
    }
  }
}

TEST(TriangleRasteriser, DepthIsTheDistanceAlongTheAxis) {
  const Shown shown = show<Cpu>(single({-9, -9, 3, 9, -9, 3, 0, 20, 3}), plain_camera(), 16, 12);
  for (const float d : shown.depth) EXPECT_NEAR(d, 3.0F, 1e-6F);
  // A plane that recedes: z = 2 + y.
  const Shown sloped = show<Cpu>(single({-40, -1, 1, 40, -1, 1, 0, 40, 42}), plain_camera(), 16, 16);
  for (int y = 0; y < 16; ++y) {
    const float slope = (static_cast<float>(y) + 0.5F) / 16 - 0.5F;  // y / z of the ray
    EXPECT_NEAR(sloped.depth[index(16, 8, y)], 2.0F / (1.0F - slope), 1e-5F) << y;
  }
}

TEST(TriangleRasteriser, TheNearestFaceWinsAndAmongEqualsTheLast) {
  const std::vector<float> far = {-9, -9, 3, 9, -9, 3, 0, 20, 3}, near = {-9, -9, 2, 9, -9, 2, 0, 20, 2};
  std::vector<float> all = far;
  for (int i = 0; i < 2; ++i) all.insert(all.end(), near.begin(), near.end());
  all.insert(all.end(), far.begin(), far.end());
  for (const std::int32_t f : show<Cpu>(single(all), plain_camera(), 40, 40).face) EXPECT_EQ(f, 3);
  const std::array<float, 6> whole = {-9, -9, 30, -9, -9, 30};
  for (const std::int32_t f : show_texels<Cpu>(flat(8, {whole, whole, {20, 20, 21, 20, 20, 21}}), 8, 8).face) EXPECT_EQ(f, 2);
}

TEST(TriangleRasteriser, FacesAreCutAtTheNearPlane) {
  // A floor one below the camera, from behind it to the horizon: seen in all rows below the middle but those that look
  // at less than the near plane.
  const Mesh floor = single({-400, 1, -200, 400, 1, -200, 0, 1, 900});
  const Shown shown = show<Cpu>(floor, plain_camera(), 64, 64);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const float slope = (static_cast<float>(y) + 0.5F) / 64 - 0.5F;
      const auto i = index(64, x, y);
      EXPECT_EQ(shown.face[i], slope > 0 ? 1 : 0) << x << ", " << y;
      if (slope > 0) {
        EXPECT_NEAR(shown.depth[i], 1 / slope, 2e-4F);
      }
    }
  }
  const Shown close = show<Cpu>(single({-1, -1, 0.009F, 1, -1, 0.009F, 0, 1, 0.011F}), plain_camera(), 64, 64);
  for (const float d : close.depth) EXPECT_TRUE(d == 0.0F || d > 0.0099F) << d;
  EXPECT_FALSE(empty(close));
}

TEST(TriangleRasteriser, WhatCannotBeSeenLeavesNoTrace) {
  const Camera camera = plain_camera();
  EXPECT_TRUE(empty(show<Cpu>(Mesh{}, camera, 7, 5)));
  EXPECT_TRUE(empty(show<Cpu>(single({-1, -1, -2, 1, -1, -2, 0, 1, -2}), camera, 32, 32))) << "behind the camera";
  EXPECT_TRUE(empty(show<Cpu>(single({-1, -1, 0, 1, -1, 0, 0, 1, 0}), camera, 32, 32))) << "in the camera's plane";
  EXPECT_TRUE(empty(show<Cpu>(single({5, -1, 2, 6, -1, 2, 5, 1, 2}), camera, 32, 32))) << "beside the image";
  EXPECT_TRUE(empty(show<Cpu>(single({-1, -1, 2, 1, 1, 2, 0, 0, 2}), camera, 32, 32))) << "a line";
  EXPECT_TRUE(empty(show<Cpu>(single({0, 0, 2, 0, 0, 2, 0, 0, 2}), camera, 32, 32))) << "a point";
  for (const float bad : {kNaN, kInfinity, -kInfinity}) {
    for (std::size_t i = 0; i < 9; ++i) {
      std::vector<float> corners = {-1, -1, 2, 1, -1, 2, 0, 1, 2};
      corners[i] = bad;
      EXPECT_TRUE(empty(show<Cpu>(single(corners), camera, 32, 32))) << bad << " at " << i;
    }
  }
}

TEST(TriangleRasteriser, HugeFaces) {
  for (const float huge : {1e3F, 1e6F, 1e12F, 1e15F}) {
    const Shown shown = show<Cpu>(single({-huge, -huge, 2, huge, -huge, 2, 0, huge, 2}), plain_camera(), 32, 32);
    EXPECT_EQ(std::count(shown.face.begin(), shown.face.end(), 1), 32 * 32) << huge;
    for (const float d : shown.depth) EXPECT_NEAR(d, 2.0F, 1e-3F) << huge;
  }
  // Beyond what floats can be cut with, whatever comes out is an image.
  (void)show<Cpu>(single({-3e38F, -3e38F, 3e38F, 3e38F, -3e38F, -3e38F, 0, 3e38F, 3e38F}), plain_camera(), 32, 32);
}

TEST(TriangleRasteriser, RefusesWhatIsNotAMesh) {
  Queue<Cpu> queue(0);
  for (const std::int32_t bad : {3, -1}) {
    Mesh mesh = single({0, 0, 1, 1, 0, 1, 0, 1, 1});
    mesh.faces[2] = bad;
    expect_error(ErrorCode::invalid_argument, {"face 0", std::to_string(bad).c_str()},
                 [&] { const TriangleRasteriser<Cpu> rasteriser(queue, mesh); });
    expect_error(ErrorCode::invalid_argument, {"face 0"}, [&] { (void)face_visibility<Cpu>(queue, mesh, {}, 8, nullptr); });
  }
  TriangleRasteriser<Cpu> rasteriser(queue, single({0, 0, 1, 1, 0, 1, 0, 1, 1}));
  expect_error(ErrorCode::invalid_argument, {"texture coordinates", "unwrap"},
               [&] { rasteriser.render_texels(Canvas<Cpu>(queue, 4, 4).fragments()); });
  expect_error(ErrorCode::invalid_argument, {"0 x 4", "16384"},
               [&] { rasteriser.render(plain_camera(), Canvas<Cpu>(queue, 0, 4).fragments()); });
  expect_error(ErrorCode::invalid_argument, {"16385"}, [&] { (void)face_visibility<Cpu>(queue, Mesh{}, {}, 16385, nullptr); });
}

TEST(TriangleRasteriser, InterpolatesLinearFunctions) {
  Queue<Cpu> queue(0);
  const Mesh mesh = rough_sphere(12, 24, 0.45F, 0.2F, 3);
  TriangleRasteriser<Cpu> rasteriser(queue, mesh);
  const Canvas<Cpu> canvas(queue, 50, 40);
  const Camera camera = camera_of({.yaw = 0.4F, .pitch = 0.3F});
  rasteriser.render(camera, canvas.fragments());
  std::vector<float> out(50 * 40 * 3);
  rasteriser.interpolate(canvas.fragments(), {mesh.vertices.data(), {mesh.vertex_count(), 3}}, {out.data(), {40, 50, 3}});
  const Shown shown = canvas.download();
  int seen = 0;
  for (int y = 0; y < 40; ++y) {
    for (int x = 0; x < 50; ++x) {
      const auto i = index(50, x, y);
      const std::array<float, 3> p = {out[3 * i], out[3 * i + 1], out[3 * i + 2]};
      if (shown.face[i] == 0) {
        EXPECT_EQ(p, (std::array<float, 3>{}));
        continue;
      }
      ++seen;
      const auto q = camera.to_camera(p);
      EXPECT_NEAR(q[2], shown.depth[i], 2e-5F);
      // The point lies on the ray of the pixel, but where rounded vertices let a centre in that is just outside.
      EXPECT_NEAR((camera.fx * q[0] / q[2] + 0.5F) * 50, static_cast<float>(x) + 0.5F, 4e-3F);
      EXPECT_NEAR((camera.fy * q[1] / q[2] + 0.5F) * 40, static_cast<float>(y) + 0.5F, 4e-3F);
    }
  }
  EXPECT_GT(seen, 400);
}

TEST(TriangleRasteriser, Gutters) {
  // One square of 4 x 4 texels, with a margin of 2.
  const Mesh square = flat(12, {{4, 4, 8, 4, 8, 8}, {4, 4, 8, 8, 4, 8}});
  const Shown exact = show_texels<Cpu>(square, 12, 12), grown = show_texels<Cpu>(square, 12, 12, 2.0F);
  for (int y = 0; y < 12; ++y) {
    for (int x = 0; x < 12; ++x) {
      const auto i = index(12, x, y);
      const float px = static_cast<float>(x) + 0.5F, py = static_cast<float>(y) + 0.5F;
      const float nx = std::clamp(px, 4.0F, 8.0F), ny = std::clamp(py, 4.0F, 8.0F);
      EXPECT_EQ(grown.face[i] != 0, std::hypot(px - nx, py - ny) <= 2.0F) << x << ", " << y;
      if (exact.face[i] != 0) {
        EXPECT_EQ(grown.face[i], exact.face[i]) << x << ", " << y;
      }
      if (grown.face[i] == 0) continue;
      const std::size_t f = static_cast<std::size_t>(grown.face[i] - 1) * 6;
      const std::array<float, 3> b = {grown.barycentric[2 * i], grown.barycentric[2 * i + 1],
                                      1 - grown.barycentric[2 * i] - grown.barycentric[2 * i + 1]};
      float u = 0, v = 0;
      for (std::size_t k = 0; k < 3; ++k) {
        u += 12 * b[k] * square.uvs[f + 2 * k];
        v += 12 * b[k] * square.uvs[f + 2 * k + 1];
      }
      EXPECT_NEAR(u, nx, 1e-5F) << x << ", " << y;
      EXPECT_NEAR(v, ny, 1e-5F) << x << ", " << y;
    }
  }
}

TEST(TriangleRasteriser, OverlappingTexels) {
  const Mesh mesh = flat(8, {{0, 0, 8, 0, 0, 8}, {0, 0, 4, 0, 0, 4}});
  const std::vector<std::int32_t> counts = texel_layers<Cpu>(mesh, 8, 8);
  EXPECT_EQ(counts[0], 2);
  EXPECT_EQ(counts[4], 1);
  EXPECT_EQ(counts[63], 0);
}

// --- The reference's images ---

class ReferenceMesh : public ::testing::TestWithParam<const char*> {};

TEST_P(ReferenceMesh, FacesWeightsAndDepth) {
  const GoldenFile golden(data_path(std::string("raster/") + GetParam() + ".safetensors").string());
  const auto size = golden.read<std::int32_t>("size_wh");
  const auto positions = golden.read<float>("pos_clip");
  const auto faces = golden.read<std::int16_t>("tri");
  const auto face_id = golden.read<std::int16_t>("face_id");
  const auto uv = golden.read<float>("uv");
  const auto z_over_w = golden.read<float>("z_over_w");
  Mesh mesh;
  mesh.vertices.resize(positions.size() / 4 * 3);
  mesh.faces.assign(faces.begin(), faces.end());
  const Shown shown = show_clip<Cpu>(mesh, positions, size[0], size[1], 16);
  std::size_t seen = 0;
  int different = 0;
  for (std::size_t i = 0; i < face_id.size(); ++i) {
    const std::size_t at = face_id[i] > 0 ? seen++ : 0;
    if (shown.face[i] != face_id[i]) {
      ++different;
      continue;
    }
    if (face_id[i] == 0) continue;
    EXPECT_NEAR(shown.barycentric[2 * i], uv[2 * at], 1e-4) << i;
    EXPECT_NEAR(shown.barycentric[2 * i + 1], uv[2 * at + 1], 1e-4) << i;
    EXPECT_NEAR(shown.depth[i], z_over_w[at], 1e-4) << i;
  }
  EXPECT_EQ(different, 0);
  EXPECT_GT(seen, 1000U);
}

INSTANTIATE_TEST_SUITE_P(TriangleRasteriser, ReferenceMesh, ::testing::Values("torus_200", "torus_8k"));

// --- Visibility ---

class Recorder final : public Monitor {
 public:
  void progress(int done, int total) const override {
    steps.push_back(done);
    last_total = total;
  }
  [[nodiscard]] bool cancelled() const override { return static_cast<int>(steps.size()) >= cancel_after; }
  mutable std::vector<int> steps;
  mutable int last_total = 0;
  int cancel_after = 1000;
};

std::vector<Camera> cameras_around(int count) {
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(count, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
  return cameras;
}

TEST(FaceVisibility, CountsViewsInWhichAFaceShows) {
  Mesh mesh = rough_sphere(10, 20, 0.4F, 0.2F, 5);
  const auto outer = mesh.face_count();
  const Mesh core = rough_sphere(3, 6, 0.1F, 0.0F, 5);  // hidden
  const auto first = static_cast<std::int32_t>(mesh.vertex_count());
  mesh.vertices.insert(mesh.vertices.end(), core.vertices.begin(), core.vertices.end());
  for (const std::int32_t v : core.faces) mesh.faces.push_back(first + v);
  const std::vector<Camera> cameras = cameras_around(37);
  Queue<Cpu> queue(0);
  Recorder monitor;
  const std::vector<std::int32_t> counts = face_visibility<Cpu>(queue, mesh, cameras, 80, &monitor);
  std::vector<std::int32_t> expected(static_cast<std::size_t>(mesh.face_count()));
  for (const Camera& camera : cameras) {
    const Shown shown = show<Cpu>(mesh, camera, 80, 80);
    for (const std::int32_t f : std::set<std::int32_t>(shown.face.begin(), shown.face.end())) {
      if (f > 0) ++expected[static_cast<std::size_t>(f - 1)];
    }
  }
  EXPECT_EQ(counts, expected);
  EXPECT_GT(*std::max_element(counts.begin(), counts.end()), 8);
  for (std::size_t f = static_cast<std::size_t>(outer); f < counts.size(); ++f) EXPECT_EQ(counts[f], 0);
  ASSERT_FALSE(monitor.steps.empty());
  EXPECT_EQ(monitor.steps.back(), 37);
  EXPECT_EQ(monitor.last_total, 37);
  EXPECT_TRUE(std::is_sorted(monitor.steps.begin(), monitor.steps.end()));
}

TEST(FaceVisibility, NothingToSee) {
  Queue<Cpu> queue(0);
  EXPECT_TRUE(face_visibility<Cpu>(queue, Mesh{}, cameras_around(3), 16, nullptr).empty());
  EXPECT_EQ(face_visibility<Cpu>(queue, rough_sphere(3, 5, 0.4F, 0, 1), {}, 16, nullptr), std::vector<std::int32_t>(20));
}

TEST(FaceVisibility, Cancelled) {
  Queue<Cpu> queue(0);
  Recorder monitor;
  monitor.cancel_after = 1;
  expect_error(ErrorCode::cancelled, {},
               [&] { (void)face_visibility<Cpu>(queue, rough_sphere(3, 5, 0.4F, 0, 1), cameras_around(5000), 16, &monitor); });
  EXPECT_EQ(monitor.steps.size(), 1U);
}

}  // namespace
}  // namespace espalier::test
