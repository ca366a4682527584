// The look of a mesh on the texture of another one: what is shown at a place of the surface stays.
#include "bake/transfer.h"

#include <gtest/gtest.h>

#include "geometry/simplify/simplify.h"
#include "image/colour.h"
#include "looks.h"
#include "support/chart_ball.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"

namespace espalier {
namespace {

using test::for_places;
using test::look_of;
using test::painted;
using test::shown_at;

constexpr std::array<std::uint8_t, 4> kRed{220, 30, 30, 255}, kBlue{30, 30, 220, 255}, kGreen{30, 200, 30, 255};

void expect_near(const std::array<double, 4>& shown, const std::array<std::uint8_t, 4>& wanted, double tolerance) {
  for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(shown[k], wanted[k], tolerance);
}

// A square in the plane z, with texture coordinates of `repeats` images; counter-clockwise from above.
Mesh square(float z, float repeats = 1.0F) {
  Mesh mesh;
  mesh.vertices = {-0.5F, -0.5F, z, 0.5F, -0.5F, z, 0.5F, 0.5F, z, -0.5F, 0.5F, z};
  mesh.uvs = {0, repeats, repeats, repeats, repeats, 0, 0, 0};
  mesh.normals = {0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1};
  mesh.faces = {0, 1, 2, 0, 2, 3};
  return mesh;
}

// Cells of two colours in space, and how far a place is from the next one of the other colour at least.
constexpr double kCell = 0.15;
const std::array<std::uint8_t, 4>& checker(const std::array<double, 3>& p) {
  int cells = 0;
  for (const double x : p) cells += static_cast<int>(std::floor(x / kCell));
  return cells % 2 == 0 ? kRed : kBlue;
}
double to_edge(const std::array<double, 3>& p) {
  double least = kCell;
  for (const double x : p) least = std::min(least, std::abs(x - kCell * std::round(x / kCell)));
  return least;
}

TEST(Transfer, ACheckerOnASimplifiedBallKeepsItsColours) {
  const Mesh ball = test::chart_ball(24);
  const Texels texels = texels_of(ball, 384);
  Image image(384, 384, 3);
  for (std::size_t i = 0; i < texels.face.size(); ++i) {
    if (texels.face[i] == 0) continue;
    const auto& colour = checker(value_at<3>(ball, ball.vertices, texels.face[i] - 1, texels.weights(i)));
    std::copy_n(colour.begin(), 3, &image.pixels[3 * i]);
  }
  const Appearance look = look_of(ball, {.texture = {0, Wrap::clamp, Wrap::clamp}}, {image});
  const Mesh made = test::unwrapped(simplified(test::sphere(24, 0.45), 2000), 512);
  const TransferredLook carried = transferred_look(ball, look, made, {.size = 512, .reach = 0.02});
  EXPECT_EQ(carried.carried, carried.texels);
  EXPECT_EQ(carried.texture.channels, 3);
  EXPECT_EQ(carried.emission.width, 0);
  int compared = 0;
  for_places(made, 400, [&](std::int64_t face, const std::array<double, 3>& weights) {
    const auto p = value_at<3>(made, made.vertices, face, weights);
    if (to_edge(p) < 0.02) return;
    ++compared;
    expect_near(shown_at(made, carried.texture, face, weights), checker(p), 3);
  });
  EXPECT_GE(compared, 100);
}

TEST(Transfer, WrapModesAndFiltersAreThoseOfTheFile) {
  // The left half of the image is red, the right one blue; the square shows three of it.
  const Image image = painted(64, 64, 3, [](int x, int) { return x < 32 ? kRed : kBlue; });
  const Mesh from = square(0, 3), to = square(0);
  const auto shown = [&](Wrap wrap, double u) {
    const Appearance look = look_of(from, {.texture = {0, wrap, wrap}}, {image});
    const TransferredLook carried = transferred_look(from, look, to, {.size = 256});
    const std::uint8_t* const p = carried.texture.at(static_cast<int>(u * 256), 128);
    return std::array<double, 4>{double(p[0]), double(p[1]), double(p[2])};
  };
  for (const double u : {0.05, 0.4, 0.7}) expect_near(shown(Wrap::repeat, u), kRed, 2);
  for (const double u : {0.25, 0.6, 0.95}) expect_near(shown(Wrap::repeat, u), kBlue, 2);
  expect_near(shown(Wrap::mirror, 0.05), kRed, 2);
  expect_near(shown(Wrap::mirror, 0.4), kBlue, 2);
  expect_near(shown(Wrap::mirror, 0.6), kRed, 2);
  expect_near(shown(Wrap::clamp, 0.05), kRed, 2);
  for (const double u : {0.4, 0.6, 0.95}) expect_near(shown(Wrap::clamp, u), kBlue, 2);
}

TEST(Transfer, SmallerTexturesAreMeansInLinearLight) {
  // Stripes of one texel, black and white: half the light.
  const Image image = painted(256, 256, 3, [](int x, int) {
    const std::uint8_t v = x % 2 == 0 ? 0 : 255;
    return std::array<std::uint8_t, 4>{v, v, v, 255};
  });
  const Mesh from = square(0), to = square(0);
  const Appearance look = look_of(from, {.texture = {0, Wrap::clamp, Wrap::clamp}}, {image});
  const TransferredLook carried = transferred_look(from, look, to, {.size = 64});
  const double half = 255 * double{srgb_of_linear(0.5F)};
  for (int x = 8; x < 56; x += 5) EXPECT_NEAR(carried.texture.at(x, 30)[1], half, 12) << x;
}

TEST(Transfer, BothSidesOfAThinWallKeepTheirs) {
  // Two sheets back to back, 0.004 apart; the new surface lies 0.003 off, nearer to the wrong sheet.
  const Mesh upper = square(0.004F);
  Mesh from = test::joined(test::turned_inside_out(square(0)), upper);
  from.uvs.insert(from.uvs.end(), upper.uvs.begin(), upper.uvs.end());
  Appearance look;
  look.materials = {{.factor = {1, 0, 0, 1}}, {.factor = {0, 0, 1, 1}}};
  look.of_face = {0, 0, 1, 1};
  const Mesh above = square(0.001F);
  EXPECT_GT(transferred_look(from, look, above, {.size = 64}).texture.at(30, 30)[2], 250);
  Mesh below = square(0.003F);
  below.faces = test::turned_inside_out(below).faces;
  for (std::size_t k = 2; k < below.normals.size(); k += 3) below.normals[k] = -1;
  EXPECT_GT(transferred_look(from, look, below, {.size = 64}).texture.at(30, 30)[0], 250);
}

TEST(Transfer, MaterialsFactorsAndColoursOfVerticesAreMerged) {
  Mesh from = square(0);
  from.colours = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
  for (std::size_t k = 0; k < 3; ++k) from.colours[6 + k] = from.colours[9 + k] = 0.0F;  // black at the top
  Appearance look = look_of(from, {.factor = {1, 0.5F, 0.25F, 1}, .texture = {0, Wrap::clamp, Wrap::clamp}},
                            {painted(4, 4, 3, [](int, int) { return kGreen; })});
  const TransferredLook carried = transferred_look(from, look, square(0), {.size = 128});
  // Half-way up, half the light of the vertices.
  const std::uint8_t* const p = carried.texture.at(64, 64);
  for (std::size_t k = 0; k < 3; ++k) {
    const float light = 0.5F * look.materials[0].factor.at(k) * linear_of_srgb(static_cast<float>(kGreen.at(k)) / 255);
    EXPECT_NEAR(p[k], 255 * srgb_of_linear(light), 3) << k;
  }
}

TEST(Transfer, HolesOfAMaskAndLightAreCarried) {
  const Mesh from = square(0), to = square(0);
  Material leaf{.texture = {0, Wrap::clamp, Wrap::clamp}, .alpha = AlphaMode::mask, .alpha_cutoff = 0.3F};
  leaf.emission = {4, 0, 0};
  const Image image = painted(64, 64, 4, [](int x, int) {
    return x < 32 ? std::array<std::uint8_t, 4>{30, 200, 30, 100} : std::array<std::uint8_t, 4>{30, 200, 30, 50};
  });
  const TransferredLook carried = transferred_look(from, look_of(from, leaf, {image}), to, {.size = 64});
  EXPECT_EQ(carried.alpha, AlphaMode::mask);
  ASSERT_EQ(carried.texture.channels, 4);
  EXPECT_EQ(carried.texture.at(10, 30)[3], 255) << "above the cutoff";
  EXPECT_EQ(carried.texture.at(50, 30)[3], 0);
  EXPECT_NEAR(carried.texture.at(50, 30)[1], 200, 2) << "colours go on below what is hidden";
  ASSERT_EQ(carried.emission.width, 64);
  EXPECT_NEAR(carried.emission_strength, 4, 1e-5);
  EXPECT_EQ(carried.emission.at(20, 20)[0], 255);
  EXPECT_EQ(carried.emission.at(20, 20)[1], 0);
}

TEST(Transfer, WhatIsOutOfReachIsFilledAndCounted) {
  const Mesh from = square(0);
  const Appearance look = look_of(from, {.factor = {1, 0, 0, 1}});
  Mesh to = square(0);
  to.vertices[8] = to.vertices[11] = 0.6F;  // the upper edge rises
  const TransferredLook carried = transferred_look(from, look, to, {.size = 64, .reach = 0.1});
  EXPECT_GT(carried.texels, carried.carried);
  EXPECT_GT(carried.carried, 0);
  for (const int y : {2, 20, 60})
    expect_near(
        {double(carried.texture.at(30, y)[0]), double(carried.texture.at(30, y)[1]), double(carried.texture.at(30, y)[2])},
        {255, 0, 0, 255}, 2);
}

TEST(Transfer, RefusesAnAppearanceOfAnotherMesh) {
  const Mesh mesh = square(0);
  Appearance look = look_of(mesh, {});
  look.of_face.pop_back();
  test::expect_error(ErrorCode::invalid_argument, {"appearance"},
                     [&] { (void)transferred_look(mesh, look, mesh, {.size = 64}); });
  look = look_of(mesh, {.texture = {3}});
  test::expect_error(ErrorCode::invalid_argument, {"appearance"},
                     [&] { (void)transferred_look(mesh, look, mesh, {.size = 64}); });
  Mesh bare = mesh;
  bare.uvs.clear();
  test::expect_error(ErrorCode::invalid_argument, {"texture coordinates"},
                     [&] { (void)transferred_look(mesh, look_of(mesh, {}), bare, {.size = 64}); });
}

}  // namespace
}  // namespace espalier
