// Views, turntables and contact sheets of assets that were made by hand.
#include <gtest/gtest.h>
#include <webp/demux.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <random>
#include <string>

#include "api/asset.h"
#include "api/painter.h"
#include "base/file.h"
#include "espalier/espalier.h"
#include "image/codec.h"
#include "support/errors.h"
#include "support/mesh_shapes.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::expect_error;
using test::TemporaryFolder;

using Rgb = std::array<int, 3>;

// A box of which each side has a colour of its own: the front (-Y) is red, the right (+X) green, the top (+Z) blue, what lies
// opposite to them dark.
Mesh coloured_box() {
  const Mesh box = test::box(1);
  Mesh mesh;
  for (std::int64_t f = 0; f < box.face_count(); ++f) {
    const test::P3 centre = test::centre_of_face(box, f);
    Rgb colour{};
    if (centre[1] < -0.4) colour = {1, 0, 0};
    if (centre[0] > 0.4) colour = {0, 1, 0};
    if (centre[2] > 0.4) colour = {0, 0, 1};
    for (int k = 0; k < 3; ++k) {
      const auto v = static_cast<std::size_t>(box.faces[static_cast<std::size_t>(3 * f + k)]);
      for (std::size_t i = 0; i < 3; ++i) mesh.vertices.push_back(0.8F * box.vertices[3 * v + i]);
      for (const int c : colour) mesh.colours.push_back(static_cast<float>(c));
      mesh.faces.push_back(static_cast<std::int32_t>(mesh.faces.size()));
    }
  }
  return mesh;
}

// One round Gaussian in the middle of each side of that box, in its colour.
Gaussians coloured_gaussians() {
  Gaussians g;
  const auto add = [&](const std::array<float, 3>& at, const Rgb& colour) {
    for (std::size_t k = 0; k < 3; ++k) {
      g.xyz.push_back(at[k]);
      g.dc.push_back((static_cast<float>(colour[k]) - 0.5F) / 0.28209479F);
      g.scale.push_back(0.08F);
    }
    g.rotation.insert(g.rotation.end(), {1, 0, 0, 0});
    g.opacity.push_back(0.95F);
  };
  add({0, -0.4F, 0}, {1, 0, 0});
  add({0.4F, 0, 0}, {0, 1, 0});
  add({0, 0, 0.4F}, {0, 0, 1});
  add({0, 0.4F, 0}, {0, 0, 0});
  add({-0.4F, 0, 0}, {0, 0, 0});
  add({0, 0, -0.4F}, {0, 0, 0});
  return g;
}

Asset asset_of(const Mesh& mesh) {
  AssetBuilder builder;
  builder.mesh(mesh);
  return builder.build();
}
Asset asset_of(const Gaussians& gaussians) {
  AssetBuilder builder;
  builder.gaussians(gaussians);
  return builder.build();
}

Image view(const Asset& asset, const ViewRequest& request) {
  const TemporaryFolder folder;
  render_view(asset, folder / "view.png", request, "cpu");
  return load_image_file(folder / "view.png");
}

// 0, 1, 2 for red, green, blue; -1 for a dark or an empty pixel.
int strongest_at(const Image& p, int x, int y) {
  const std::uint8_t* at = p.at(x, y);
  if (p.channels == 4 && at[3] < 128) return -1;
  for (int c = 0; c < 3; ++c) {
    if (at[c] > 60 && at[c] > 2 * at[(c + 1) % 3] && at[c] > 2 * at[(c + 2) % 3]) return c;
  }
  return -1;
}

TEST(RenderView, FrontRightAndTopAreWhereTheyAreSaidToBe) {
  for (const Asset& asset : {asset_of(coloured_box()), asset_of(coloured_gaussians())}) {
    const auto middle = [&](const Viewpoint& from) { return strongest_at(view(asset, {.from = from, .size = 64}), 32, 32); };
    EXPECT_EQ(middle({180, 0}), 0);
    EXPECT_EQ(middle({-180, 0}), 0);
    EXPECT_EQ(middle({90, 0}), 1);
    EXPECT_EQ(middle({0, 90}), 2);
    EXPECT_EQ(middle({0, 0}), -1);
    EXPECT_EQ(middle({270, 0}), -1);
    EXPECT_EQ(middle({0, -90}), -1);
  }
  // The default looks at the front from a little above.
  const Image image = view(asset_of(coloured_box()), {.size = 64});
  EXPECT_EQ(strongest_at(image, 32, 36), 0);
  EXPECT_EQ(strongest_at(image, 32, 15), 2);
  EXPECT_EQ(image.channels, 4);
  EXPECT_EQ(image.at(0, 0)[3], 0);
}

TEST(RenderView, BackgroundFieldOfViewAndDistance) {
  const Asset asset = asset_of(coloured_box());
  const Image blue = view(asset, {.size = 32, .background = std::array{0.0, 0.2, 1.0}});
  EXPECT_EQ(blue.channels, 3);
  EXPECT_EQ(Rgb({blue.at(0, 0)[0], blue.at(0, 0)[1], blue.at(0, 0)[2]}), Rgb({0, 51, 255}));
  const auto covered = [&](const ViewRequest& request) {
    const Image p = view(asset, request);
    int n = 0;
    for (std::size_t i = 3; i < p.pixels.size(); i += 4) n += p.pixels[i] > 127 ? 1 : 0;
    return n;
  };
  const int usual = covered({.size = 64});
  // Another field of view alone changes the perspective, not the size.
  EXPECT_NEAR(covered({.fov = 20, .size = 64}), usual, 0.12 * usual);
  EXPECT_LT(covered({.distance = 4.0, .size = 64}), 0.4 * usual);
}

TEST(RenderView, UnlitShowsColoursAsTheyAre) {
  const auto front = [&](bool unlit) {
    const Image p = view(asset_of(coloured_box()), {.from = {180, 0}, .size = 32, .unlit = unlit});
    const std::uint8_t* at = p.at(16, 16);
    return Rgb({at[0], at[1], at[2]});
  };
  EXPECT_EQ(front(true), Rgb({255, 0, 0}));
  EXPECT_LT(front(false)[0], 250);
}

TEST(RenderView, WhatComesInAnotherSizeIsFramed) {
  const Mesh mesh = coloured_box();
  const Image expected = view(asset_of(mesh), {.size = 64, .background = std::array{1.0, 1.0, 1.0}});
  for (const double scale : {1e-3, 250.0, 1e30}) {
    Mesh other = mesh;
    for (float& v : other.vertices) v = static_cast<float>(v / 0.8 * scale);
    other = test::moved(other, {3 * scale, -7 * scale, scale});
    const Image image = view(asset_of(other), {.distance = 2.5, .size = 64, .background = std::array{1.0, 1.0, 1.0}});
    EXPECT_EQ(strongest_at(image, 32, 36), 0) << scale;
    EXPECT_EQ(strongest_at(image, 32, 15), 2) << scale;
  }
  // What fits is left as it is.
  EXPECT_TRUE(framing_of({.mesh = &mesh}).is_identity());
  Gaussians g = coloured_gaussians();
  EXPECT_TRUE(framing_of({.gaussians = &g}).is_identity());
  for (float& v : g.xyz) v = 100.0F * v + 40.0F;
  for (float& s : g.scale) s *= 100.0F;
  EXPECT_EQ(strongest_at(view(asset_of(g), {.from = {180, 0}, .size = 64}), 32, 32), 0);
}

TEST(RenderView, FramingBearsStrayAndBrokenCoordinates) {
  Gaussians g;
  for (int i = 0; i < 1000; ++i) {
    for (int k = 0; k < 3; ++k) {
      g.xyz.push_back(static_cast<float>(i % 10) / 10.0F - 0.45F);
      g.dc.push_back(0);
      g.scale.push_back(0.01F);
    }
    g.rotation.insert(g.rotation.end(), {1, 0, 0, 0});
    g.opacity.push_back(0.5F);
  }
  g.xyz[0] = 1e30F;
  g.xyz[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(framing_of({.gaussians = &g}).is_identity());
  for (float& v : g.xyz) v = std::numeric_limits<float>::infinity();
  EXPECT_TRUE(std::isfinite(framing_of({.gaussians = &g}).scale));
  Mesh point;
  point.vertices = {5, 5, 5, 5, 5, 5, 5, 5, 5};
  point.faces = {0, 1, 2};
  EXPECT_EQ(framing_of({.mesh = &point}).scale, 1.0F);
  EXPECT_EQ(view(asset_of(point), {.size = 16}).width, 16);
  point.vertices[0] = std::numeric_limits<float>::max();
  point.vertices[3] = std::numeric_limits<float>::lowest();
  EXPECT_TRUE(std::isfinite(framing_of({.mesh = &point}).scale));
}

TEST(RenderView, AutomaticShowsTheBestThereIs) {
  const Mesh mesh = coloured_box();
  Mesh plain = mesh;
  plain.colours.clear();
  const ViewRequest look{.size = 32};
  ViewRequest asked = look;
  asked.style = RenderStyle::colour;
  EXPECT_EQ(view(asset_of(mesh), look).pixels, view(asset_of(mesh), asked).pixels);
  asked.style = RenderStyle::clay;
  EXPECT_EQ(view(asset_of(plain), look).pixels, view(asset_of(plain), asked).pixels);
  asked.style = RenderStyle::splats;
  EXPECT_EQ(view(asset_of(coloured_gaussians()), look).pixels, view(asset_of(coloured_gaussians()), asked).pixels);
}

TEST(RenderView, RefusesWithTheReason) {
  const TemporaryFolder folder;
  const Asset mesh = asset_of(coloured_box()), splats = asset_of(coloured_gaussians());
  const auto refuse = [&](const Asset& asset, const ViewRequest& request, const char* word) {
    expect_error(ErrorCode::invalid_argument, {word}, [&] { render_view(asset, folder / "a.png", request, "cpu"); });
  };
  refuse(mesh, {.style = RenderStyle::splats}, "Gaussians");
  refuse(mesh, {.style = RenderStyle::radiance_field}, "radiance field");
  refuse(mesh, {.style = RenderStyle::textured}, "texture");
  refuse(mesh, {.style = RenderStyle::uv_checker}, "texture coordinates");
  refuse(splats, {.style = RenderStyle::clay}, "mesh");
  refuse(Asset(), {}, "neither");
  refuse(mesh, {.style = static_cast<RenderStyle>(77)}, "style");
  refuse(mesh, {.from = {0, 91}}, "pitch");
  refuse(mesh, {.from = {std::nan(""), 0}}, "yaw");
  refuse(mesh, {.fov = 0}, "fov");
  refuse(mesh, {.distance = 0.0}, "distance");
  refuse(mesh, {.size = 15}, "size");
  refuse(mesh, {.size = 100000}, "size");
  refuse(mesh, {.background = std::array{0.0, 0.0, 1.5}}, "background");
  expect_error(ErrorCode::invalid_argument, {".png"}, [&] { render_view(mesh, folder / "a.jpg", {}, "cpu"); });
  expect_error(ErrorCode::invalid_argument, {".mp4", ".webp"}, [&] { render_turntable(mesh, folder / "a.gif", {}, "cpu"); });
  expect_error(ErrorCode::invalid_argument, {"seconds"},
               [&] { render_turntable(mesh, folder / "a.webp", {.seconds = 1e9}, "cpu"); });
  expect_error(ErrorCode::invalid_argument, {"too many"},
               [&] { render_contact_sheet(mesh, folder / "a.png", {.views = 64, .look = {.size = 4096}}, "cpu"); });
  expect_error(ErrorCode::invalid_argument, {"device"}, [&] { render_view(mesh, folder / "a.png", {}, "toaster"); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

struct Animation {
  std::uint32_t frames = 0, width = 0;
  std::vector<Image> images;
  int milliseconds = 0;
};
Animation read_animation(const std::filesystem::path& path) {
  const auto bytes = read_file(path, 1U << 24U);
  const WebPData data = {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
  WebPAnimDecoder* decoder = WebPAnimDecoderNew(&data, nullptr);
  Animation animation;
  if (decoder == nullptr) return animation;
  WebPAnimInfo info;
  (void)WebPAnimDecoderGetInfo(decoder, &info);
  animation.frames = info.frame_count;
  animation.width = info.canvas_width;
  std::uint8_t* rgba = nullptr;
  while (WebPAnimDecoderGetNext(decoder, &rgba, &animation.milliseconds) != 0) {
    Image p(static_cast<int>(info.canvas_width), static_cast<int>(info.canvas_height), 4);
    std::copy(rgba, rgba + p.pixels.size(), p.pixels.begin());
    animation.images.push_back(std::move(p));
  }
  WebPAnimDecoderDelete(decoder);
  return animation;
}

TEST(Turntable, GoesOnceAround) {
  const TemporaryFolder folder;
  const Asset asset = asset_of(coloured_box());
  std::vector<double> fractions;
  const Observer observer{.progress = [&](const Progress& p) {
    EXPECT_EQ(p.stage, Stage::render_turntable);
    fractions.push_back(p.fraction);
  }};
  const TurntableRequest request{.look = {.from = {180, 10}, .size = 48}, .seconds = 1, .frames_per_second = 8};
  render_turntable(asset, folder / "turn.webp", request, "cpu", observer);
  const Animation animation = read_animation(folder / "turn.webp");
  EXPECT_EQ(animation.frames, 8U);
  EXPECT_EQ(animation.width, 48U);
  EXPECT_EQ(animation.milliseconds, 1000);
  ASSERT_EQ(animation.images.size(), 8U);
  // The camera goes from the front to the left, and on to the back and the right.
  const std::array<int, 8> expected = {0, -2, -1, -2, -1, -2, 1, -2};
  for (std::size_t i = 0; i < 8; i += 2) EXPECT_EQ(strongest_at(animation.images[i], 24, 28), expected[i]) << i;
  EXPECT_EQ(animation.images[0].at(1, 1)[3], 0);
  ASSERT_GE(fractions.size(), 9U);
  EXPECT_TRUE(std::is_sorted(fractions.begin(), fractions.end()));
  EXPECT_DOUBLE_EQ(fractions.back(), 1.0);

  const auto first = read_file(folder / "turn.webp", 1U << 24U);
  render_turntable(asset, folder / "again.webp", request, "cpu");
  EXPECT_EQ(first, read_file(folder / "again.webp", 1U << 24U));
}

TEST(Turntable, StopsWhenAskedTo) {
  const TemporaryFolder folder;
  const Asset asset = asset_of(coloured_box());
  for (const char* name : {"turn.webp", "turn.mp4"}) {
    if (!can_write_mp4() && std::string(name) == "turn.mp4") continue;
    int frames = 0;
    const Observer observer{.progress = [&](const Progress& p) { frames = p.step; }, .cancelled = [&] { return frames >= 3; }};
    expect_error(ErrorCode::cancelled, {},
                 [&] { render_turntable(asset, folder / name, {.look = {.size = 32}}, "cpu", observer); });
    EXPECT_EQ(frames, 3);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

// Values that no program should write, and some do.
float odd_value(std::mt19937& random) {
  constexpr float kMax = std::numeric_limits<float>::max();
  constexpr std::array<float, 10> kOdd = {0.0F,
                                          -0.0F,
                                          1e-38F,
                                          -1e-20F,
                                          1e20F,
                                          kMax,
                                          -kMax,
                                          std::numeric_limits<float>::infinity(),
                                          std::numeric_limits<float>::quiet_NaN(),
                                          0.5F};
  return random() % 4 == 0 ? kOdd[random() % kOdd.size()] : static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
}
std::vector<float> odd_values(std::mt19937& random, std::size_t count) {
  std::vector<float> values(count);
  for (float& v : values) v = odd_value(random);
  return values;
}

TEST(RenderView, NothingInAnAssetBreaksIt) {
  std::mt19937 random(5);
  for (int round = 0; round < 60; ++round) {
    SCOPED_TRACE(round);
    AssetBuilder builder;
    Mesh mesh;
    const std::size_t vertices = 1 + random() % 30;
    mesh.vertices = odd_values(random, 3 * vertices);
    const std::size_t corners = 3 * (random() % 40);
    for (std::size_t i = 0; i < corners; ++i) mesh.faces.push_back(static_cast<std::int32_t>(random() % vertices));
    if (random() % 2 == 0) mesh.colours = odd_values(random, 3 * vertices);
    if (random() % 2 == 0) mesh.normals = odd_values(random, 3 * vertices);
    mesh.uvs = odd_values(random, 2 * vertices);
    const bool faces = !mesh.faces.empty();
    if (faces) {
      FinishedMesh finished;
      finished.mesh = mesh;
      finished.texture = Image(1 + static_cast<int>(random() % 5), 1 + static_cast<int>(random() % 5), 3);
      builder.finished(std::move(finished));
    }
    builder.mesh(std::move(mesh));
    Gaussians g;
    const std::size_t n = 1 + random() % 50;
    g.xyz = odd_values(random, 3 * n);
    g.dc = odd_values(random, 3 * n);
    g.scale = odd_values(random, 3 * n);
    g.rotation = odd_values(random, 4 * n);
    g.opacity = odd_values(random, n);
    if (random() % 2 == 0) g.sh = odd_values(random, 9 * n);
    builder.gaussians(std::move(g));
    const Asset asset = builder.build();
    const ViewRequest look{.from = {static_cast<double>(random() % 360), static_cast<double>(random() % 181) - 90.0},
                           .fov = 1.0 + static_cast<double>(random() % 119),
                           .size = 16};
    for (const RenderStyle style :
         {RenderStyle::automatic, RenderStyle::textured, RenderStyle::clay, RenderStyle::colour, RenderStyle::normals,
          RenderStyle::wireframe, RenderStyle::uv_checker, RenderStyle::splats}) {
      if (!faces && style != RenderStyle::automatic && style != RenderStyle::splats) continue;
      ViewRequest request = look;
      request.style = style;
      EXPECT_EQ(view(asset, request).width, 16);
    }
    (void)asset.gaussian_summary();
  }
}

// One image that takes long is given up in its middle.
TEST(RenderView, StopsInsideAnImage) {
  AssetBuilder builder;
  builder.mesh(coloured_box());
  builder.gaussians(coloured_gaussians());
  RadianceField field;
  field.resolution = 2;
  field.rank = field.dim = 1;
  field.position = {0.25F, 0.25F, 0.25F};
  field.trivec = {1, 1, 1};
  field.density = {5};
  field.features_dc = {1, 0, 0};
  builder.radiance_field(field);
  const Asset asset = builder.build();
  const TemporaryFolder folder;
  for (const RenderStyle style : {RenderStyle::clay, RenderStyle::splats, RenderStyle::radiance_field}) {
    // The last look at the flag comes before the last part of the image.
    int looks = 0;
    const ViewRequest request{.style = style, .size = 1024};
    const Observer counting{.cancelled = [&] {
      ++looks;
      return false;
    }};
    render_view(asset, folder / "whole.png", request, "cpu", counting);
    const int all = looks;
    EXPECT_GE(all, 4) << static_cast<int>(style);
    looks = 0;
    const Observer stopping{.cancelled = [&] { return ++looks >= all; }};
    expect_error(ErrorCode::cancelled, {}, [&] { render_view(asset, folder / "part.png", request, "cpu", stopping); });
    EXPECT_FALSE(std::filesystem::exists(folder / "part.png"));
  }
}

TEST(Turntable, FfprobeReadsTheMp4) {
  if (!can_write_mp4()) GTEST_SKIP() << "SKIPPED: ffmpeg is not installed";
  const TemporaryFolder folder;
  render_turntable(asset_of(coloured_gaussians()), folder / "turn.mp4",
                   {.look = {.size = 64}, .seconds = 0.5, .frames_per_second = 12}, "cpu");
  const std::string command =
      "ffprobe -v error -count_frames -show_entries stream=codec_name,width,height,nb_read_frames,r_frame_rate,pix_fmt "
      "-of csv=p=0 '" +
      (folder / "turn.mp4").string() + "' 2>&1";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  ASSERT_NE(pipe, nullptr);
  std::array<char, 256> line{};
  const bool read = std::fgets(line.data(), line.size(), pipe) != nullptr;
  if (::pclose(pipe) != 0 || !read) GTEST_SKIP() << "SKIPPED: ffprobe is not installed";
  EXPECT_EQ(std::string(line.data()), "h264,64,64,yuv420p,12/1,6\n");
}

TEST(ContactSheet, ShowsWhatTheAssetHas) {
  const TemporaryFolder folder;
  Mesh mesh = coloured_box();
  const auto height = [&](const Asset& asset, SheetRequest request = {}) {
    request.views = 2;
    request.look.size = 24;
    render_contact_sheet(asset, folder / "sheet.png", request, "cpu");
    return load_image_file(folder / "sheet.png").height;
  };
  const int coloured = height(asset_of(mesh));  // colour, clay, normals, wireframe
  const int one = height(asset_of(coloured_gaussians()));
  mesh.colours.clear();
  const int shapes = height(asset_of(mesh));
  const int row = coloured - shapes;
  EXPECT_GT(row, 24);
  EXPECT_EQ(shapes, one + 2 * row);
  mesh.uvs.assign(mesh.vertices.size() / 3 * 2, 0.5F);
  EXPECT_EQ(height(asset_of(mesh)), shapes + row);
  EXPECT_EQ(height(asset_of(mesh), {.look = {.style = RenderStyle::normals}}), one);
  AssetBuilder builder;
  builder.mesh(mesh);
  builder.gaussians(coloured_gaussians());
  EXPECT_EQ(height(builder.build()), shapes + 2 * row);
}

TEST(RenderViews, StandSideBySide) {
  const TemporaryFolder folder;
  const Asset asset = asset_of(coloured_box());
  render_views(asset, folder / "views.png", std::array<Viewpoint, 3>{{{180, 0}, {90, 0}, {0, 90}}}, {.size = 40}, "cpu");
  const Image p = load_image_file(folder / "views.png");
  EXPECT_EQ(p.width, 120);
  EXPECT_EQ(p.height, 40);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(strongest_at(p, 40 * i + 20, 20), i);
  expect_error(ErrorCode::invalid_argument, {"no view"}, [&] { render_views(asset, folder / "none.png", {}, {}, "cpu"); });
}

}  // namespace
}  // namespace espalier
