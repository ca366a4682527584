#include "render/views/preview.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <numbers>

#include "support/errors.h"

namespace espalier {
namespace {

constexpr float kPi = std::numbers::pi_v<float>;
const PreviewOptions kTransparent{.size = 64, .background = {}};

void add_quad(Mesh& mesh, const std::array<std::array<float, 3>, 4>& corners, const std::array<float, 3>& colour) {
  const auto first = static_cast<std::int32_t>(mesh.vertex_count());
  for (const auto& c : corners) {
    mesh.vertices.insert(mesh.vertices.end(), c.begin(), c.end());
    mesh.colours.insert(mesh.colours.end(), colour.begin(), colour.end());
  }
  for (const int k : {0, 1, 2, 0, 2, 3}) mesh.faces.push_back(first + k);
}

// A square of half side h in the plane y = depth, facing +y.
void add_square(Mesh& mesh, float x, float depth, float z, float h, const std::array<float, 3>& colour) {
  add_quad(mesh, {{{x + h, depth, z - h}, {x - h, depth, z - h}, {x - h, depth, z + h}, {x + h, depth, z + h}}}, colour);
}

int strongest(const std::uint8_t* p) { return p[0] > p[1] && p[0] > p[2] ? 0 : p[1] > p[2] ? 1 : 2; }

TEST(MeshPreview, AxesOfTheCamera) {
  // Seen from +y, x runs to the left and z upwards.
  Mesh mesh;
  add_square(mesh, 0.3F, 0.0F, 0.0F, 0.1F, {1, 0, 0});
  add_square(mesh, -0.3F, 0.0F, 0.3F, 0.1F, {0, 1, 0});
  const Image image = render_preview(mesh, {}, kTransparent);
  const float pixels = 32.0F / std::tan(20.0F * kPi / 180.0F) / 2.0F;  // per unit at distance 2
  const auto at = [&](float x, float z) {
    return image.at(static_cast<int>(32 - x * pixels), static_cast<int>(32 - z * pixels));
  };
  EXPECT_EQ(at(0.3F, 0.0F)[3], 255);
  EXPECT_EQ(strongest(at(0.3F, 0.0F)), 0);
  EXPECT_EQ(strongest(at(-0.3F, 0.3F)), 1);
  EXPECT_EQ(at(-0.3F, 0.0F)[3], 0);
  // The squares cover what the projection says, but for samples at their edges.
  double covered = 0.0;
  for (std::size_t i = 3; i < image.pixels.size(); i += 4) covered += image.pixels[i] / 255.0;
  EXPECT_NEAR(covered, 2 * std::pow(0.2 * pixels, 2), 8.0);
}

TEST(MeshPreview, NearerSurfacesHideOthersFromEverySide) {
  Mesh mesh;
  add_square(mesh, 0.0F, 0.2F, 0.0F, 0.2F, {1, 0, 0});
  add_square(mesh, 0.0F, -0.2F, 0.0F, 0.2F, {0, 0, 1});
  EXPECT_EQ(strongest(render_preview(mesh, {}, kTransparent).at(32, 32)), 0);
  EXPECT_EQ(strongest(render_preview(mesh, {.yaw = kPi}, kTransparent).at(32, 32)), 2);
}

TEST(MeshPreview, PitchLooksFromAbove) {
  Mesh mesh;
  add_quad(mesh, {{{-0.2F, -0.2F, 0.2F}, {0.2F, -0.2F, 0.2F}, {0.2F, 0.2F, 0.2F}, {-0.2F, 0.2F, 0.2F}}}, {0, 1, 0});
  EXPECT_EQ(render_preview(mesh, {.pitch = kPi / 2}, kTransparent).at(32, 32)[3], 255);
  EXPECT_EQ(strongest(render_preview(mesh, {.pitch = 1.0F}, kTransparent).at(32, 26)), 1);
}

TEST(MeshPreview, ABackgroundMakesAnOpaqueImage) {
  const Image image = render_preview(Mesh{}, {}, {.size = 8, .background = std::array<std::uint8_t, 3>{9, 8, 7}});
  EXPECT_EQ(image.channels, 3);
  EXPECT_EQ(image.at(3, 3)[0], 9);
  EXPECT_EQ(image.at(7, 7)[2], 7);
}

TEST(MeshPreview, BrokenVerticesAreLeftOut) {
  Mesh mesh;
  add_square(mesh, 0.0F, 0.0F, 0.0F, 0.2F, {1, 1, 1});
  const Image whole = render_preview(mesh, {}, kTransparent);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), 1e30F}) {
    Mesh damaged = mesh;
    add_square(damaged, 0.0F, 0.1F, 0.0F, 0.2F, {1, 0, 0});
    for (std::size_t i = 12; i < 24; i += 3) damaged.vertices[i + 1] = bad;
    EXPECT_EQ(render_preview(damaged, {}, kTransparent).pixels, whole.pixels);
  }
}

TEST(MeshPreview, TheSameTwice) {
  Mesh mesh;
  for (int i = 0; i < 50; ++i) {
    const float t = static_cast<float>(i);
    add_square(mesh, 0.3F * std::sin(t), 0.01F * t - 0.25F, 0.3F * std::cos(t), 0.1F, {0.5F, 0.3F, 0.01F * t});
  }
  EXPECT_EQ(preview_sheet(mesh, kTransparent).pixels, preview_sheet(mesh, kTransparent).pixels);
}

TEST(GaussianPreview, NearerSplatsHideOthers) {
  Gaussians g;
  for (const float y : {-0.2F, 0.2F}) {
    g.xyz.insert(g.xyz.end(), {0, y, 0});
    g.dc.insert(g.dc.end(), {y > 0 ? 1.7F : -1.7F, 0, y > 0 ? -1.7F : 1.7F});
    g.scale.insert(g.scale.end(), {0.1F, 0.1F, 0.1F});
    g.rotation.insert(g.rotation.end(), {1, 0, 0, 0});
    g.opacity.push_back(0.99F);
  }
  EXPECT_EQ(strongest(render_preview(g, {}, kTransparent).at(32, 32)), 0);
  EXPECT_EQ(strongest(render_preview(g, {.yaw = kPi}, kTransparent).at(32, 32)), 2);
}

TEST(GaussianPreview, AColourDoesNotDependOnItsCoverage) {
  const Gaussians g{{0, 0, 0}, {1, 0, -1}, {0.1F, 0.1F, 0.1F}, {1, 0, 0, 0}, {0.6F}};
  const Image image = render_preview(g, {}, kTransparent);
  const int middle = image.at(32, 32)[3], aside = image.at(32, 40)[3];
  EXPECT_GT(middle, aside);
  EXPECT_GT(aside, 20);
  for (int c = 0; c < 3; ++c) EXPECT_NEAR(image.at(32, 40)[c], 255 * (0.5 + 0.28209479 * (1 - c)), 1);
  const Image blue = render_preview(g, {}, {.size = 64, .background = std::array<std::uint8_t, 3>{0, 0, 255}});
  EXPECT_NEAR(blue.at(32, 32)[0], image.at(32, 32)[0] * middle / 255.0, 1.5);
  EXPECT_EQ(blue.at(0, 0)[2], 255);
}

TEST(Preview, SheetsAndSizes) {
  const Image sheet = preview_sheet(Gaussians{}, {.size = 5, .background = {}});
  EXPECT_EQ(sheet.width, 20);
  EXPECT_EQ(sheet.height, 5);
  for (const int size : {0, -3, 100000}) {
    test::expect_error(ErrorCode::invalid_argument, {"preview"},
                       [&] { (void)render_preview(Mesh{}, {}, {.size = size, .background = {}}); });
  }
}

}  // namespace
}  // namespace espalier
