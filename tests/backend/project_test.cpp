// Images blended into textures, on every back end: a mesh with a coarse texture and images of it with the fine one.
#include "bake/project.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "image/preprocess.h"
#include "render/views/mesh_image.h"
#include "support/chart_ball.h"
#include "support/devices.h"
#include "support/errors.h"

namespace espalier::test {
namespace {

constexpr float kRadians = std::numbers::pi_v<float> / 180.0F;
constexpr int kTexels = 256, kPixels = 480;

// No two views of it have the same outline: a ball with a nose, a flat side and a stretched top.
Mesh lump() {
  Mesh mesh = chart_ball(20, 0.3F);
  for (std::size_t v = 0; v < mesh.vertices.size(); v += 3) {
    float* p = &mesh.vertices[v];
    const float nose = std::exp(-60.0F * ((p[0] - 0.3F) * (p[0] - 0.3F) + (p[1] - 0.05F) * (p[1] - 0.05F)));
    p[0] += 0.15F * nose;
    p[1] = std::max(p[1], -0.15F);
    p[2] *= p[2] > 0 ? 1.5F : 0.9F;
    p[0] += 0.15F * p[2] * p[2];
  }
  return mesh;
}

// Colours by place in the texture: broad patches, and squares in them where `fine`.
Image pattern(bool fine) {
  Image texture(kTexels, kTexels, 3);
  for (int y = 0; y < kTexels; ++y) {
    for (int x = 0; x < kTexels; ++x) {
      const auto u = static_cast<float>(x), v = static_cast<float>(y);
      const float broad[3] = {std::sin(0.045F * u), std::sin(0.06F * v + 1.0F), std::sin(0.03F * (u + v))};
      const float square = !fine ? 0.0F : (x / 9 + y / 9) % 2 == 0 ? 0.06F : -0.06F;
      for (std::size_t c = 0; c < 3; ++c)
        texture.at(x, y)[c] = static_cast<std::uint8_t>(255.0F * (0.45F + 0.22F * broad[c] + square));
    }
  }
  return texture;
}

// The object as a user would photograph it: somewhere in a larger image; cut out as for the encoder.
Image photograph(const Mesh& mesh, const OrbitCamera& orbit) {
  const Image texture = pattern(true);
  Camera camera = camera_of(orbit);
  camera.cx = 0.47F;
  camera.cy = 0.54F;
  const Image whole = mesh_image(mesh, camera, {.style = MeshLook::Style::textured, .lit = false},
                                 {.width = kPixels, .height = kPixels}, &texture);
  return prepare_image(whole, 64).cutout;
}

double psnr(const Mesh& mesh, const Image& texture, const Camera& camera, const Image& image) {
  const Image shown = mesh_image(mesh, camera, {.style = MeshLook::Style::textured, .lit = false},
                                 {.width = image.width, .height = image.height}, &texture);
  double total = 0.0;
  int count = 0;
  for (std::size_t i = 0; i < image.pixels.size(); i += 4) {
    if (image.pixels[i + 3] < 255 || shown.pixels[i + 3] < 255) continue;
    for (std::size_t c = 0; c < 3; ++c) total += std::pow((image.pixels[i + c] - shown.pixels[i + c]) / 255.0, 2.0);
    count += 3;
  }
  return -10.0 * std::log10(total / count);
}

template <class Dev>
using Project = OnDevice<Dev>;
TYPED_TEST_SUITE(Project, Devices, DeviceNames);

TYPED_TEST(Project, FindsTheCameraAndSharpensTheView) {
  Queue<TypeParam> queue;
  const Mesh mesh = lump();
  for (const OrbitCamera& orbit : {OrbitCamera{.yaw = 0.7F, .pitch = 0.4F, .radius = 2.2F, .fov_degrees = 40.0F},
                                   OrbitCamera{.yaw = 3.9F, .pitch = -0.1F, .radius = 1.6F, .fov_degrees = 55.0F}}) {
    SCOPED_TRACE(orbit.yaw);
    const Image image = photograph(mesh, orbit);
    const Image coarse = pattern(false);
    Image texture = coarse;
    const ProjectedImages projected = project_images(queue, mesh, {image}, {}, texture, nullptr);
    ASSERT_EQ(projected.images.size(), 1U);
    const ProjectedImage& result = projected.images.front();
    EXPECT_TRUE(result.used);
    EXPECT_GT(result.found.agreement.overlap, 0.97);
    EXPECT_LT(std::abs(std::remainder(result.found.pose.yaw - orbit.yaw, 2.0F * std::numbers::pi_v<float>)), 4.0F * kRadians);
    EXPECT_LT(std::abs(result.found.pose.pitch - orbit.pitch), 4.0F * kRadians);
    EXPECT_GT(result.texels, projected.texels / 10);
    EXPECT_LT(result.texels, projected.texels * 6 / 10) << "one image cannot see more than about half";
    EXPECT_GT(psnr(mesh, texture, result.found.camera, image), psnr(mesh, coarse, result.found.camera, image) + 1.5);
  }
}

// Half as bright and with a shade across: what is broad stays as it is baked.
TYPED_TEST(Project, LightOfTheImageStaysOut) {
  Queue<TypeParam> queue;
  const Mesh mesh = lump();
  Image image = photograph(mesh, {.yaw = 0.7F, .pitch = 0.4F});
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      for (std::size_t c = 0; c < 3; ++c)
        image.at(x, y)[c] = static_cast<std::uint8_t>(image.at(x, y)[c] * (image.width + x) / (3 * image.width));
    }
  }
  const Image coarse = pattern(false);
  Image texture = coarse;
  const ProjectedImages projected =
      project_images(queue, mesh, {image}, {.least_overlap = 0.8, .most_colour_error = 0.3}, texture, nullptr);
  ASSERT_TRUE(projected.images.front().used);
  double change = 0.0, magnitude = 0.0;
  for (std::size_t i = 0; i < texture.pixels.size(); ++i) {
    change += texture.pixels[i] - coarse.pixels[i];
    magnitude += std::abs(texture.pixels[i] - coarse.pixels[i]);
  }
  EXPECT_GT(magnitude / static_cast<double>(texture.pixels.size()), 0.3);
  EXPECT_LT(std::abs(change / static_cast<double>(texture.pixels.size())), 1.5);
}

TYPED_TEST(Project, AnotherObjectIsLeftOut) {
  Queue<TypeParam> queue;
  const Mesh mesh = lump();
  Image bars(96, 96, 4);
  for (int y = 8; y < 88; ++y) {
    for (int x = 8; x < 88; ++x) {
      if (x / 8 % 3 != 1 && y / 8 % 5 != 2) continue;
      const std::uint8_t colour[4] = {200, 40, 90, 255};
      std::copy(colour, colour + 4, bars.at(x, y));
    }
  }
  const Image coarse = pattern(false);
  Image texture = coarse;
  const ProjectedImages projected = project_images(queue, mesh, {bars}, {}, texture, nullptr);
  EXPECT_FALSE(projected.images.front().used);
  EXPECT_EQ(projected.images.front().texels, 0);
  EXPECT_EQ(texture.pixels, coarse.pixels);
}

class Stop final : public Monitor {
 public:
  explicit Stop(int after) : after_(after) {}
  void progress(int done, int /*total*/) const override {
    EXPECT_GE(done, done_);
    done_ = done;
  }
  [[nodiscard]] bool cancelled() const override { return done_ >= after_; }

 private:
  int after_;
  mutable int done_ = 0;
};

TYPED_TEST(Project, SameBytesEveryTimeAndCanBeCancelled) {
  Queue<TypeParam> queue;
  const Mesh mesh = lump();
  const std::vector<Image> images{photograph(mesh, {.yaw = 0.7F, .pitch = 0.4F}),
                                  photograph(mesh, {.yaw = 2.9F, .pitch = 0.1F})};
  Image first = pattern(false), second = first;
  const Stop never(1000);
  const ProjectedImages projected = project_images(queue, mesh, images, {}, first, &never);
  EXPECT_TRUE(projected.images.at(0).used && projected.images.at(1).used);
  (void)project_images(queue, mesh, images, {}, second, nullptr);
  EXPECT_EQ(first.pixels, second.pixels);
  const Stop early(20);
  expect_error(ErrorCode::cancelled, {}, [&] { (void)project_images(queue, mesh, images, {}, second, &early); });
}

TYPED_TEST(Project, RefusesWhatIsNoCutout) {
  Queue<TypeParam> queue;
  const Mesh mesh = chart_ball(2);
  Image texture = pattern(false);
  const auto refused = [&](const Image& image, const char* word) {
    expect_error(ErrorCode::invalid_argument, {word},
                 [&] { (void)project_images(queue, mesh, {image}, {}, texture, nullptr); });
  };
  refused(Image(96, 96, 4), "transparent everywhere");
  refused(Image(96, 95, 4), "square");
  refused(Image(96, 96, 3), "RGBA");
  refused(Image(16, 16, 4), "64 pixels");
}

TEST(ImageCamera, FramesTheBoxOfTheOutline) {
  const Mesh mesh = chart_ball(6, 0.2F);
  const OutlineBox box{0.2F, 0.3F, 0.7F, 0.8F};
  const Camera camera = framed_camera(mesh, {.yaw = 1.0F, .pitch = 0.5F, .closeness = 0.5F}, box);
  const Image shown = mesh_image(mesh, camera, {.style = MeshLook::Style::clay}, {.width = 200, .height = 200});
  const OutlineBox seen = outline_box(shown);
  EXPECT_NEAR(seen.left, box.left, 0.02);
  EXPECT_NEAR(seen.right, box.right, 0.02);
  EXPECT_NEAR(seen.top, box.top, 0.02);
  EXPECT_NEAR(seen.bottom, box.bottom, 0.02);
}

}  // namespace
}  // namespace espalier::test
