// Baking on every back end: views of a known colour field become a texture that shows the field.
#include "bake/bake.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>

#include "bake/fill.h"
#include "render/raster/triangle_rasteriser.h"
#include "support/chart_ball.h"
#include "support/devices.h"
#include "support/errors.h"

namespace espalier::test {
namespace {

using Field = std::function<std::array<float, 3>(const float*)>;

std::size_t index_of(std::int64_t i) { return static_cast<std::size_t>(i); }

// Shows a mesh under a colour field; pixels that `hide` chooses by position are not covered.
template <class Dev>
class FieldSource final : public ViewSource<Dev> {
 public:
  FieldSource(Queue<Dev>& queue, const Mesh& mesh, Field field, std::function<bool(const float*)> hide = {})
      : queue_(queue), mesh_(mesh), field_(std::move(field)), hide_(std::move(hide)), rasteriser_(queue, mesh) {}

  void render(const Camera& camera, View<Dev, float, 3> colour, View<Dev, float, 2> alpha) override {
    const std::int64_t h = alpha.extent(0), w = alpha.extent(1);
    const auto count = index_of(h * w);
    const Buffer<Dev> ids(count * 4, queue_.ordinal(), "faces"), weights(count * 8, queue_.ordinal(), "weights");
    rasteriser_.render(
        camera,
        {{reinterpret_cast<std::int32_t*>(ids.data()), {h, w}}, {reinterpret_cast<float*>(weights.data()), {h, w, 2}}, {}});
    std::vector<std::int32_t> face(count);
    std::vector<float> barycentric(2 * count), shown(3 * count, 0.0F), opacity(count, 0.0F);
    download_bytes(queue_, ids.data(), face.data(), count * 4);
    download_bytes(queue_, weights.data(), barycentric.data(), count * 8);
    for (std::size_t i = 0; i < count; ++i) {
      if (face[i] == 0) continue;
      const float b[3] = {barycentric[2 * i], barycentric[2 * i + 1], 1.0F - barycentric[2 * i] - barycentric[2 * i + 1]};
      float p[3] = {0, 0, 0};
      for (std::size_t k = 0; k < 3; ++k) {
        const auto v = index_of(mesh_.faces[index_of(face[i] - 1) * 3 + k]);
        for (std::size_t c = 0; c < 3; ++c) p[c] += b[k] * mesh_.vertices[v * 3 + c];
      }
      if (hide_ && hide_(p)) continue;
      const auto value = field_(p);
      std::copy(value.begin(), value.end(), &shown[3 * i]);
      opacity[i] = 1.0F;
    }
    upload_bytes(queue_, shown.data(), colour.data(), shown.size() * 4);
    upload_bytes(queue_, opacity.data(), alpha.data(), opacity.size() * 4);
  }

 private:
  Queue<Dev>& queue_;
  const Mesh& mesh_;
  Field field_;
  std::function<bool(const float*)> hide_;
  TriangleRasteriser<Dev> rasteriser_;
};

std::array<float, 3> waves(const float* p) {
  return {0.5F + 0.4F * std::sin(14.0F * p[0]), 0.5F + 0.4F * std::sin(11.0F * p[1] + 1.0F),
          0.5F + 0.4F * std::sin(17.0F * p[2])};
}

BakeOptions small_bake(BakeMode mode) {
  BakeOptions options;
  options.size = 192;
  options.views = 24;
  options.view_size = 160;
  options.mode = mode;
  return options;
}

template <class Dev>
using Bake = OnDevice<Dev>;
TYPED_TEST_SUITE(Bake, Devices, DeviceNames);

TYPED_TEST(Bake, TextureShowsTheField) {
  Queue<TypeParam> queue;
  const Mesh mesh = chart_ball(24);
  FieldSource<TypeParam> source(queue, mesh, waves);
  const std::vector<OrbitCamera> others = sphere_cameras(12, 2.0F, 40.0F, {0.37F, 0.41F});
  for (const auto& [mode, least] : {std::pair{BakeMode::best, 38.0}, std::pair{BakeMode::fast, 33.0}}) {
    const BakedTexture baked = bake_texture(queue, mesh, source, small_bake(mode), nullptr);
    EXPECT_GT(baked.texels, 192 * 192 * 8 / 10);
    EXPECT_GT(baked.seen, baked.texels * 9 / 10);
    EXPECT_GT(bake_fidelity(queue, mesh, baked.image, source, others, 160, nullptr), least);
    // Outside of the charts the texture goes on as it is at their rims; nothing stays black.
    for (std::size_t i = 0; i < baked.image.pixels.size(); i += 3) {
      ASSERT_GT(baked.image.pixels[i] + baked.image.pixels[i + 1] + baked.image.pixels[i + 2], 40);
    }
  }
}

// A red square before a green one, and splats that spread past the edges of the red one: no red on the green.
TYPED_TEST(Bake, NothingIsPaintedOnWhatLiesBehindAnEdge) {
  Queue<TypeParam> queue;
  Mesh mesh;
  for (const float z : {-0.3F, 0.3F}) {
    const float half = z > 0 ? 0.15F : 0.4F;
    const auto first = static_cast<std::int32_t>(mesh.vertex_count());
    for (int i = 0; i < 4; ++i) {
      const float s = static_cast<float>(i % 2), t = static_cast<float>(i / 2);
      for (const float c : {half * (2 * s - 1), half * (2 * t - 1), z}) mesh.vertices.push_back(c);
      for (const float c : {0.0F, 0.0F, 1.0F}) mesh.normals.push_back(c);
      mesh.uvs.insert(mesh.uvs.end(), {z > 0 ? 0.62F + 0.35F * s : 0.03F + 0.55F * s, 0.03F + 0.55F * t});
    }
    for (const int v : {0, 1, 3, 0, 3, 2}) mesh.faces.push_back(first + v);
  }
  // What is seen of a front square that is 0.012 wider on all sides, two pixels of a view.
  Mesh spread = mesh;
  for (std::size_t v = 4; v < 8; ++v) {
    for (std::size_t c = 0; c < 2; ++c) spread.vertices[3 * v + c] *= 0.162F / 0.15F;
  }
  FieldSource<TypeParam> source(queue, spread, [](const float* p) -> std::array<float, 3> {
    return p[2] > 0 ? std::array{0.9F, 0.1F, 0.1F} : std::array{0.1F, 0.9F, 0.1F};
  });
  for (const BakeMode mode : {BakeMode::best, BakeMode::fast}) {
    BakeOptions options = small_bake(mode);
    options.view_size = 320;
    options.views = 60;
    const Image image = bake_texture(queue, mesh, source, options, nullptr).image;
    int red = 0;
    for (int y = 8; y < 108; ++y) {
      for (int x = 8; x < 108; ++x) red += image.at(x, y)[0] > 0.1 * 255 + 24 ? 1 : 0;
    }
    EXPECT_EQ(red, 0);
    EXPECT_NEAR(image.at(150, 50)[0], 0.9 * 255, 4);
  }
}

// What solving adds: the texture of a field that is finer than a mean of views can show.
TYPED_TEST(Bake, SolvingIsSharperThanGathering) {
  Queue<TypeParam> queue;
  const Mesh mesh = chart_ball(24);
  FieldSource<TypeParam> source(queue, mesh, [](const float* p) -> std::array<float, 3> {
    const float v = std::sin(60.0F * p[0]) * std::sin(60.0F * p[1]) * std::sin(60.0F * p[2]) > 0 ? 0.9F : 0.1F;
    return {v, v, v};
  });
  const std::vector<OrbitCamera> others = sphere_cameras(8, 2.0F, 40.0F, {0.37F, 0.41F});
  const auto fidelity = [&](BakeMode mode) {
    const BakedTexture baked = bake_texture(queue, mesh, source, small_bake(mode), nullptr);
    return bake_fidelity(queue, mesh, baked.image, source, others, 160, nullptr);
  };
  const double best = fidelity(BakeMode::best), fast = fidelity(BakeMode::fast);
  EXPECT_GT(best, fast + 0.3);
  EXPECT_GT(best, 14.5);
}

TYPED_TEST(Bake, UnseenPartsTakeTheColoursAround) {
  Queue<TypeParam> queue;
  const Mesh mesh = chart_ball(24);
  FieldSource<TypeParam> source(
      queue, mesh,
      [](const float* p) -> std::array<float, 3> {
        return {p[2] > 0 ? 0.8F : 0.4F, 0.5F, 0.2F};
      },
      [](const float* p) { return p[2] > 0.36F; });
  for (const BakeMode mode : {BakeMode::best, BakeMode::fast}) {
    const BakedTexture baked = bake_texture(queue, mesh, source, small_bake(mode), nullptr);
    EXPECT_LT(baked.seen, baked.texels);
    // The middle of the chart on top, which no view saw.
    const std::uint8_t* middle = baked.image.at(192 / 2, 192 * 3 / 4);
    EXPECT_NEAR(middle[0], 0.8 * 255, 6);
    EXPECT_NEAR(middle[1], 0.5 * 255, 6);
    EXPECT_NEAR(middle[2], 0.2 * 255, 6);
  }
}

TYPED_TEST(Bake, SameBytesEveryTime) {
  Queue<TypeParam> queue;
  const Mesh mesh = chart_ball(16);
  FieldSource<TypeParam> source(queue, mesh, waves);
  for (const BakeMode mode : {BakeMode::best, BakeMode::fast}) {
    BakeOptions options = small_bake(mode);
    options.views = 10;
    const Image first = bake_texture(queue, mesh, source, options, nullptr).image;
    EXPECT_EQ(first.pixels, bake_texture(queue, mesh, source, options, nullptr).image.pixels);
  }
}

// All of the mesh in a single texel: nothing overflows, nothing is read or written outside.
TYPED_TEST(Bake, DegenerateTextureCoordinates) {
  Queue<TypeParam> queue;
  Mesh mesh = chart_ball(4);
  std::fill(mesh.uvs.begin(), mesh.uvs.end(), 0.5F);
  FieldSource<TypeParam> source(queue, mesh, waves);
  BakeOptions options = small_bake(BakeMode::best);
  options.views = 4;
  EXPECT_EQ(bake_texture(queue, mesh, source, options, nullptr).image.width, 192);
}

class Stop final : public Monitor {
 public:
  explicit Stop(int after) : after_(after) {}
  void progress(int done, int total) const override {
    done_ = done;
    total_ = total;
  }
  [[nodiscard]] bool cancelled() const override { return done_ >= after_; }
  mutable int done_ = 0, total_ = 0;

 private:
  int after_;
};

TYPED_TEST(Bake, TellsProgressAndStops) {
  Queue<TypeParam> queue;
  const Mesh mesh = chart_ball(4);
  FieldSource<TypeParam> source(queue, mesh, waves);
  BakeOptions options = small_bake(BakeMode::best);
  const Stop stop(5);
  expect_error(ErrorCode::cancelled, {}, [&] { (void)bake_texture(queue, mesh, source, options, &stop); });
  EXPECT_EQ(stop.done_, 5);
  EXPECT_EQ(stop.total_, bake_steps(options));
}

TYPED_TEST(Bake, RefusesWhatCannotBeBaked) {
  Queue<TypeParam> queue;
  const Mesh mesh = chart_ball(2);
  FieldSource<TypeParam> source(queue, mesh, waves);
  const auto refused = [&](const Mesh& m, const BakeOptions& options, const char* word) {
    expect_error(ErrorCode::invalid_argument, {word}, [&] { (void)bake_texture(queue, m, source, options, nullptr); });
  };
  Mesh bare = mesh;
  bare.uvs.clear();
  refused(bare, {}, "texture coordinates");
  bare = mesh;
  bare.normals.clear();
  refused(bare, {}, "normals");
  refused(Mesh{}, {}, "no faces");
  BakeOptions options;
  options.size = 1 << 20;
  refused(mesh, options, "texture size");
  options = {};
  options.views = 0;
  refused(mesh, options, "number of views");
}

TEST(BakeFill, OutsideIsTheMeanOfWhatIsNear) {
  std::vector<std::int32_t> face(8 * 8, 0);
  std::vector<float> texture(8 * 8 * 3, 0.0F);
  const auto put = [&](std::size_t x, std::size_t y, float v) {
    face[y * 8 + x] = 1;
    for (std::size_t c = 0; c < 3; ++c) texture[(y * 8 + x) * 3 + c] = v;
  };
  put(0, 0, 0.25F);
  put(7, 7, 0.75F);
  fill_outside(face, 8, texture);
  EXPECT_FLOAT_EQ(texture[0], 0.25F);
  EXPECT_FLOAT_EQ(texture[(1 * 8 + 1) * 3], 0.25F);
  EXPECT_FLOAT_EQ(texture[(6 * 8 + 7) * 3 + 2], 0.75F);
  EXPECT_FLOAT_EQ(texture[7 * 3], 0.5F);
}

}  // namespace
}  // namespace espalier::test
