#include "render/views/mesh_image.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "render/views/contact_sheet.h"
#include "render/views/texture_sampler.h"
#include "support/errors.h"
#include "unit/render/raster_fixture.h"

namespace espalier::test {
namespace {

using Style = MeshLook::Style;
constexpr float kPi = std::numbers::pi_v<float>;
const ImageOptions kSmall{.width = 48, .height = 40, .background = {}};

// A square of half side 0.3 in the plane y = 0 facing +y, in the middle of what camera_of({}) sees: u to the right, v down.
Mesh facing_square() {
  Mesh mesh;
  mesh.vertices = {0.3F, 0, 0.3F, -0.3F, 0, 0.3F, -0.3F, 0, -0.3F, 0.3F, 0, -0.3F};
  mesh.uvs = {0, 0, 1, 0, 1, 1, 0, 1};
  mesh.faces = {0, 3, 2, 0, 2, 1};
  return mesh;
}

Image plain(int width, int height, const std::array<std::uint8_t, 3>& colour) {
  Image image(width, height, 3);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = colour[i % 3];
  return image;
}

TEST(MeshImage, UnlitTexturesShowTheirTexels) {
  // Four quadrants: red, green, blue, white.
  Image texture(64, 64, 3);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const bool right = x >= 32, low = y >= 32;
      std::uint8_t* p = texture.at(x, y);
      p[0] = !right && !low ? 255 : 0;
      p[1] = right && !low ? 200 : 0;
      p[2] = !right && low ? 100 : 0;
      if (right && low) p[0] = p[1] = p[2] = 255;
    }
  }
  const Image image = mesh_image(facing_square(), camera_of({}), {.style = Style::textured, .lit = false},
                                 {.width = 80, .height = 80}, &texture);
  const auto at = [&](int x, int y) {
    const std::uint8_t* p = image.at(x, y);
    return std::array<int, 4>{p[0], p[1], p[2], p[3]};
  };
  EXPECT_EQ(at(35, 35), (std::array<int, 4>{255, 0, 0, 255}));
  EXPECT_EQ(at(45, 35), (std::array<int, 4>{0, 200, 0, 255}));
  EXPECT_EQ(at(35, 45), (std::array<int, 4>{0, 0, 100, 255}));
  EXPECT_EQ(at(45, 45), (std::array<int, 4>{255, 255, 255, 255}));
  EXPECT_EQ(at(2, 2)[3], 0);
}

TEST(MeshImage, FineTexturesFadeToTheirMean) {
  Image texture(512, 512, 3);
  for (int y = 0; y < 512; ++y) {
    for (int x = 0; x < 512; ++x) std::fill_n(texture.at(x, y), 3, static_cast<std::uint8_t>((x + y) % 2 * 255));
  }
  const Image image = mesh_image(facing_square(), camera_of({}), {.style = Style::textured, .lit = false},
                                 {.width = 40, .height = 40, .background = {}, .samples = 1}, &texture);
  for (int y = 15; y < 25; ++y) {
    for (int x = 15; x < 25; ++x) EXPECT_NEAR(image.at(x, y)[0], 128, 2) << x << ", " << y;
  }
}

TEST(MeshImage, NormalsPointToTheViewerOnBothSides) {
  for (const float yaw : {0.0F, kPi}) {
    for (const bool reversed : {false, true}) {
      Mesh mesh = facing_square();
      if (reversed) std::swap(mesh.faces[1], mesh.faces[2]), std::swap(mesh.faces[4], mesh.faces[5]);
      const Image image = mesh_image(mesh, camera_of({.yaw = yaw}), {.style = Style::normals}, kSmall);
      const std::uint8_t* p = image.at(24, 20);
      EXPECT_NEAR(p[0], 128, 1);
      EXPECT_NEAR(p[1], 128, 1);
      EXPECT_NEAR(p[2], 255, 1);
    }
  }
  // From above the same square leans back: green.
  const Image above = mesh_image(facing_square(), camera_of({.pitch = -1.0F}), {.style = Style::normals}, kSmall);
  EXPECT_GT(above.at(24, 20)[1], 200);
}

TEST(MeshImage, NormalsOfTheMeshCountWhicheverWayFacesAreWound) {
  Mesh sphere = rough_sphere(24, 48, 0.4F, 0.0F, 1);
  sphere.normals = sphere.vertices;
  const Image image = mesh_image(sphere, camera_of({.yaw = 0.7F}), {.style = Style::clay}, kSmall);
  for (std::size_t i = 0; i < sphere.faces.size(); i += 3) std::swap(sphere.faces[i], sphere.faces[i + 1]);
  const Image turned = mesh_image(sphere, camera_of({.yaw = 0.7F}), {.style = Style::clay}, kSmall);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) EXPECT_NEAR(image.pixels[i], turned.pixels[i], 2);
}

TEST(MeshImage, WireframeHasDarkLinesOfTheirWidth) {
  const auto dark = [&](float width) {
    const Image image = mesh_image(facing_square(), camera_of({}), {.style = Style::wireframe, .line_width = width},
                                   {.width = 200, .height = 200, .background = std::array<std::uint8_t, 3>{255, 255, 255}});
    double sum = 0;
    const double surface = image.at(100, 75)[0];
    for (int y = 70; y < 130; ++y) {
      for (int x = 70; x < 130; ++x) sum += std::max(0.0, (surface - image.at(x, y)[0]) / surface);
    }
    return sum;
  };
  // One diagonal of 60 rows, in the middle of the square.
  const double one = dark(1.0F), three = dark(3.0F);
  EXPECT_NEAR(one, 60 * std::numbers::sqrt2, 30.0);
  EXPECT_NEAR(three / one, 3.0, 0.6);
}

TEST(MeshImage, CheckersAreEvenSquares) {
  const Image image = mesh_image(facing_square(), camera_of({}), {.style = Style::uv_checker},
                                 {.width = 800, .height = 800, .background = {}, .samples = 1});
  int changes = 0;
  for (int x = 300; x < 500; ++x) {
    changes += std::abs(image.at(x, 400)[0] - image.at(x - 1, 400)[0]) > 20 ? 1 : 0;
  }
  const float cell = 0.6F / 32 * 800 * camera_of({}).fx / 2;
  EXPECT_NEAR(changes, 200 / cell, 1.5);
}

TEST(MeshImage, BackgroundsAndSizes) {
  const Mesh mesh = rough_sphere(10, 20, 0.4F, 0.1F, 2);
  const Image clear = mesh_image(mesh, camera_of({}), {.style = Style::clay}, kSmall);
  EXPECT_EQ(clear.channels, 4);
  EXPECT_EQ(clear.width, 48);
  EXPECT_EQ(clear.height, 40);
  ImageOptions on_blue = kSmall;
  on_blue.background = {0, 0, 255};
  const Image blue = mesh_image(mesh, camera_of({}), {.style = Style::clay}, on_blue);
  ASSERT_EQ(blue.channels, 3);
  for (int y = 0; y < 40; ++y) {
    for (int x = 0; x < 48; ++x) {
      const std::uint8_t *a = clear.at(x, y), *b = blue.at(x, y);
      for (int c = 0; c < 3; ++c) EXPECT_NEAR(b[c], (a[c] * a[3] + (c == 2 ? 255 : 0) * (255 - a[3])) / 255.0, 1.5);
    }
  }
}

// Large images are drawn in strips.
TEST(MeshImage, StripsLeaveNoSeams) {
  Mesh mesh = facing_square();
  for (float& v : mesh.vertices) v *= 4;
  mesh.colours.assign(12, 0.25F);
  const ImageOptions large{.width = 2100, .height = 120, .background = {}, .samples = 6};
  const Image image = mesh_image(mesh, camera_of({.pitch = 0.2F}), {.lit = false}, large);
  for (std::size_t i = 0; i < image.pixels.size(); ++i) ASSERT_EQ(image.pixels[i], i % 4 == 3 ? 255 : 64) << i;
}

TEST(MeshImage, BrokenMeshes) {
  const Camera camera = camera_of({});
  for (const auto style : {Style::colour, Style::clay, Style::normals, Style::wireframe}) {
    for (const std::uint8_t v : mesh_image(Mesh{}, camera, {.style = style}, kSmall).pixels) ASSERT_EQ(v, 0);
    Mesh mesh = facing_square();
    const Image whole = mesh_image(mesh, camera, {.style = style}, kSmall);
    mesh.vertices.insert(mesh.vertices.end(), {0.1F, std::nanf(""), 0});
    mesh.uvs.insert(mesh.uvs.end(), {0, 0});
    mesh.faces.insert(mesh.faces.end(), {4, 4, 4});
    EXPECT_EQ(mesh_image(mesh, camera, {.style = style}, kSmall).pixels, whole.pixels);
  }
  Mesh zero = facing_square();
  zero.normals.assign(12, 0.0F);
  EXPECT_EQ(mesh_image(zero, camera, {.style = Style::clay}, kSmall).at(24, 20)[3], 255);
}

TEST(MeshImage, RefusesWhatItCannotDraw) {
  const Mesh mesh = facing_square();
  const Camera camera = camera_of({});
  expect_error(ErrorCode::invalid_argument, {"no texture"},
               [&] { (void)mesh_image(mesh, camera, {.style = Style::textured}, kSmall); });
  Mesh bare = mesh;
  bare.uvs.clear();
  expect_error(ErrorCode::invalid_argument, {"texture coordinates", "uv-checker"},
               [&] { (void)mesh_image(bare, camera, {.style = Style::uv_checker}, kSmall); });
  for (const ImageOptions& options : {ImageOptions{.width = 0}, ImageOptions{.height = 8193}, ImageOptions{.samples = 9},
                                      ImageOptions{.width = 8192, .samples = 4}}) {
    expect_error(ErrorCode::invalid_argument, {"8192"}, [&] { (void)mesh_image(mesh, camera, {}, options); });
  }
  Mesh uneven = mesh;
  uneven.colours.resize(9);
  EXPECT_THROW((void)mesh_image(uneven, camera, {}, kSmall), Error);
}

TEST(MeshImage, NamesOfStyles) {
  for (const auto style : {Style::colour, Style::textured, Style::clay, Style::normals, Style::wireframe, Style::uv_checker}) {
    EXPECT_EQ(mesh_style_of(name_of(style)), style);
  }
  expect_error(ErrorCode::invalid_argument, {"'steel'", "clay, normals"}, [] { (void)mesh_style_of("steel"); });
}

TEST(TextureSampler, TexelsAndLevels) {
  Image image(4, 2, 3);
  for (int x = 0; x < 4; ++x) {
    for (int y = 0; y < 2; ++y) image.at(x, y)[0] = static_cast<std::uint8_t>(40 * x + 20 * y);
  }
  const TextureSampler sampler(image);
  EXPECT_FLOAT_EQ(sampler.at(0.125F, 0.25F, 0)[0] * 255, 0.0F);
  EXPECT_FLOAT_EQ(sampler.at(0.375F, 0.75F, 0)[0] * 255, 60.0F);
  EXPECT_FLOAT_EQ(sampler.at(0.25F, 0.25F, 1)[0] * 255, 20.0F);
  EXPECT_FLOAT_EQ(sampler.at(-3, -3, 0)[0] * 255, 0.0F);
  EXPECT_FLOAT_EQ(sampler.at(3, 3, 0)[0] * 255, 140.0F);
  EXPECT_FLOAT_EQ(sampler.at(0.9F, 0.1F, 1e9F)[0] * 255, 70.0F);
  EXPECT_FLOAT_EQ(sampler.at(0.25F, 0.5F, 2)[0] * 255, 30.0F);
  EXPECT_THROW(TextureSampler(Image{}), Error);
}

TEST(ContactSheet, RowsUnderTheirNames) {
  const std::vector<SheetRow> rows = {{"ab", {plain(30, 20, {200, 0, 0}), plain(10, 25, {0, 200, 0})}},
                                      {"", {plain(50, 5, {0, 0, 200})}}};
  const Image sheet = contact_sheet(rows, {255, 255, 255});
  int red = 0, green = 0, blue = 0, ink = 0;
  for (std::size_t i = 0; i < sheet.pixels.size(); i += 3) {
    const std::array<int, 3> p = {sheet.pixels[i], sheet.pixels[i + 1], sheet.pixels[i + 2]};
    red += p == std::array{200, 0, 0} ? 1 : 0;
    green += p == std::array{0, 200, 0} ? 1 : 0;
    blue += p == std::array{0, 0, 200} ? 1 : 0;
    ink += p == std::array{40, 40, 40} ? 1 : 0;
  }
  EXPECT_EQ(red, 600);
  EXPECT_EQ(green, 250);
  EXPECT_EQ(blue, 250);
  EXPECT_GT(ink, 40);
  expect_error(ErrorCode::invalid_argument, {"contact sheet"}, [] { (void)contact_sheet({}, {}); });
}

TEST(ContactSheet, TextIsCutAtTheBorders) {
  Image image = plain(40, 12, {0, 0, 0});
  draw_text(image, -7, -3, "Espalier \x7f\xc3", 2, {255, 255, 255});
  draw_text(image, 30, 8, "xyz", 3, {255, 255, 255});
  EXPECT_GT(std::count(image.pixels.begin(), image.pixels.end(), 255), 60);
}

}  // namespace
}  // namespace espalier::test
