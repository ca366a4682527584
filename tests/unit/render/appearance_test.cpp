// Images of meshes that follow materials: alpha, sides, factors, emission, wrapping.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "image/colour.h"
#include "render/views/mesh_image.h"
#include "render/views/texture_sampler.h"

namespace espalier::test {
namespace {

using Style = MeshLook::Style;
const MeshLook kUnlit{.style = Style::textured, .lit = false};

// Squares of half side 0.3 in planes y = depth facing +y, which camera_of({}) looks at; the largest y is nearest. Each has the
// material of its number.
struct Scene {
  Mesh mesh;
  Appearance look;

  void add(float depth, const Material& material, bool reversed = false) {
    const auto base = static_cast<std::int32_t>(mesh.vertices.size() / 3);
    for (const auto& [x, z] : {std::pair{0.3F, 0.3F}, std::pair{-0.3F, 0.3F}, std::pair{-0.3F, -0.3F}, std::pair{0.3F, -0.3F}})
      mesh.vertices.insert(mesh.vertices.end(), {x, depth, z});
    mesh.uvs.insert(mesh.uvs.end(), {0, 0, 1, 0, 1, 1, 0, 1});
    for (const std::int32_t i : {0, 3, 2, 0, 2, 1}) mesh.faces.push_back(base + i);
    if (reversed) {
      for (std::size_t f = mesh.faces.size() - 6; f < mesh.faces.size(); f += 3)
        std::swap(mesh.faces[f + 1], mesh.faces[f + 2]);
    }
    look.materials.push_back(material);
    look.of_face.resize(mesh.faces.size() / 3, static_cast<std::int32_t>(look.materials.size() - 1));
  }
  [[nodiscard]] std::array<int, 4> middle(const MeshLook& how = kUnlit, int x = 20, int y = 20) const {
    Queue<Cpu> queue;
    MeshPainter painter(queue, mesh, look);
    MeshLook what = how;
    if (what.style == Style::textured && !look.textured()) what.style = Style::colour;
    const Image image = painter.draw(camera_of({}), what, {.width = 41, .height = 41});
    const std::uint8_t* p = image.at(x, y);
    return {p[0], p[1], p[2], p[3]};
  }
};

Material coloured(float r, float g, float b, float alpha = 1.0F, AlphaMode mode = AlphaMode::opaque) {
  Material m;
  m.factor = {r, g, b, alpha};
  m.alpha = mode;
  return m;
}

int byte(double linear) { return static_cast<int>(std::lround(255.0 * srgb_of_linear(static_cast<float>(linear)))); }

// Half of red over half of green over blue, whatever the order of the faces.
TEST(Appearance, LayersThatOneSeesThrough) {
  for (const bool turned : {false, true}) {
    Scene scene;
    scene.look.materials.clear();
    const Material red = coloured(1, 0, 0, 0.5F, AlphaMode::blend), green = coloured(0, 1, 0, 0.5F, AlphaMode::blend);
    scene.add(turned ? -0.1F : 0.1F, turned ? coloured(0, 0, 1) : red);
    scene.add(0.0F, green);
    scene.add(turned ? 0.1F : -0.1F, turned ? red : coloured(0, 0, 1));
    const auto p = scene.middle();
    EXPECT_NEAR(p[0], byte(0.5), 1);
    EXPECT_NEAR(p[1], byte(0.25), 1);
    EXPECT_NEAR(p[2], byte(0.25), 1);
    EXPECT_EQ(p[3], 255);
  }
}

// Along the edge that two triangles share, too: each sample is taken once.
TEST(Appearance, OneLayerOverNothing) {
  Scene scene;
  scene.add(0.0F, coloured(1, 1, 1, 0.5F, AlphaMode::blend));
  for (int i = 14; i < 27; ++i) {
    const auto p = scene.middle(kUnlit, i, i);
    EXPECT_NEAR(p[3], 128, 1) << i;
    EXPECT_EQ(p[0], 255) << i;
  }
}

TEST(Appearance, MasksHideWhatIsBelowTheCutoff) {
  Scene scene;
  Image leaf(2, 1, 4);
  leaf.pixels = {255, 0, 0, 200, 255, 0, 0, 90};
  scene.look.images.push_back(leaf);
  Material m = coloured(1, 1, 1, 1, AlphaMode::mask);
  m.texture.image = 0;
  m.alpha_cutoff = 0.5F;
  scene.add(0.1F, m);
  scene.add(0.0F, coloured(0, 1, 0));
  EXPECT_EQ(scene.middle(kUnlit, 15, 20), (std::array<int, 4>{255, 0, 0, 255}));
  EXPECT_EQ(scene.middle(kUnlit, 25, 20), (std::array<int, 4>{0, 255, 0, 255}));
}

TEST(Appearance, OneSidedFacesAreNotSeenFromBehind) {
  Material one = coloured(1, 0, 0);
  one.double_sided = false;
  Scene scene;
  scene.add(0.1F, one, true);
  scene.add(0.0F, coloured(0, 1, 0), true);
  EXPECT_EQ(scene.middle(), (std::array<int, 4>{0, 255, 0, 255}));
  // Shapes are shown whole.
  EXPECT_EQ(scene.middle({.style = Style::clay})[3], 255);
  Scene front;
  front.add(0.1F, one);
  EXPECT_EQ(front.middle(), (std::array<int, 4>{255, 0, 0, 255}));
}

TEST(Appearance, FactorTimesTextureTimesColourPlusEmission) {
  Scene scene;
  Image texture(1, 1, 3);
  texture.pixels = {200, 100, 50};
  scene.look.images.push_back(texture);
  Material m = coloured(0.5F, 1, 1);
  m.texture.image = 0;
  m.emission = {0, 0, 0.25F};
  scene.add(0.0F, m);
  scene.mesh.colours.assign(12, 0.5F);
  const auto linear = [](int v) { return double{linear_of_srgb(static_cast<float>(v) / 255.0F)}; };
  const double half = linear_of_srgb(0.5F);
  auto p = scene.middle();
  EXPECT_NEAR(p[0], byte(0.5 * linear(200) * half), 1);
  EXPECT_NEAR(p[1], byte(linear(100) * half), 1);
  EXPECT_NEAR(p[2], byte(linear(50) * half + 0.25), 1);
  scene.look.materials[0].vertex_colours = false;
  p = scene.middle();
  EXPECT_NEAR(p[1], 100, 1);
  // Without light, under light.
  scene.look.materials[0].unlit = true;
  EXPECT_NEAR(scene.middle({.style = Style::textured})[1], 100, 1);
}

TEST(Appearance, TexturesGoOnAsTheirSamplersSay) {
  Image texture(4, 1, 3);
  for (int i = 0; i < 4; ++i) std::fill_n(texture.at(i, 0), 3, static_cast<std::uint8_t>(40 * i));
  const TextureSampler sampler(texture);
  const auto at = [&](float u, Wrap wrap, bool nearest = false) {
    return std::lround(255.0F * sampler.sample(u, 0.5F, 0.0F, {wrap, wrap, nearest}).colour[0]);
  };
  EXPECT_EQ(at(1.125F, Wrap::repeat), 0);
  EXPECT_EQ(at(-0.125F, Wrap::repeat), 120);
  EXPECT_EQ(at(1.0F, Wrap::repeat), 60);  // between the last and the first
  EXPECT_EQ(at(1.125F, Wrap::mirror), 120);
  EXPECT_EQ(at(2.125F, Wrap::mirror), 0);
  EXPECT_EQ(at(-0.375F, Wrap::mirror), 40);
  EXPECT_EQ(at(7.0F, Wrap::clamp), 120);
  EXPECT_EQ(at(-1e30F, Wrap::clamp), 0);
  EXPECT_EQ(at(0.49F, Wrap::repeat, true), 40);
  EXPECT_EQ(at(1e30F, Wrap::repeat), at(0.0F, Wrap::repeat));
}

}  // namespace
}  // namespace espalier::test
