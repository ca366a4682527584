// Files of other programs, read as their makers meant them: tests/data/field.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "image/codec.h"
#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;

std::string field(const std::string& name) { return data_path("field/" + name).string(); }

struct Shown {
  Image image;
  std::string notices;
};

// The front of a file, without light.
Shown front(const std::string& file) {
  const TemporaryFolder folder;
  const std::string png = (folder / "o.png").string();
  const Outcome done =
      espalier({"render", file, "-o", png, "--view", "180,0", "--size", "64", "--unlit", "--device", "cpu", "--quiet"});
  EXPECT_EQ(done.code, 0) << done.err;
  return {done.code == 0 ? load_image_file(png) : Image(64, 64, 4), done.err};
}

nlohmann::json check(const std::string& file) {
  const Outcome done = espalier({"check", file, "--json"});
  EXPECT_EQ(done.code, 0) << done.err;
  return done.code == 0 ? nlohmann::json::parse(done.out).at(0) : nlohmann::json();
}

using Rgb = std::array<int, 3>;
constexpr Rgb R = {220, 30, 30}, G = {30, 200, 30}, B = {30, 30, 220}, Y = {220, 200, 30}, kNothing = {-1, -1, -1};

void expect_pixel(const Image& p, int x, int y, const Rgb& wanted, int tolerance = 3) {
  const std::uint8_t* at = p.at(x, y);
  if (wanted == kNothing) {
    EXPECT_EQ(at[3], 0) << x << ", " << y;
    return;
  }
  EXPECT_EQ(at[3], 255) << x << ", " << y;
  for (int c = 0; c < 3; ++c)
    EXPECT_NEAR(at[c], wanted[static_cast<std::size_t>(c)], tolerance)
        << x << ", " << y << ": " << int{at[0]} << " " << int{at[1]} << " " << int{at[2]};
}

void expect_quarters(const std::string& file, const std::array<Rgb, 4>& wanted, int tolerance = 3) {
  SCOPED_TRACE(file);
  const Shown shown = front(file);
  expect_pixel(shown.image, 22, 22, wanted[0], tolerance);
  expect_pixel(shown.image, 41, 22, wanted[1], tolerance);
  expect_pixel(shown.image, 22, 41, wanted[2], tolerance);
  expect_pixel(shown.image, 41, 41, wanted[3], tolerance);
}
void expect_four(const std::string& name, const std::array<Rgb, 4>& wanted) { expect_quarters(field(name), wanted); }

TEST(Field, Gltf) {
  expect_four("glb/plain.glb", {R, G, B, Y});
  expect_four("glb/gltfpack_plain.glb", {R, G, B, Y});
  expect_four("glb/texture_transform_offset.glb", {G, R, Y, B});
  expect_four("glb/texture_transform_scale.glb", {Y, B, G, R});
  expect_four("glb/uv_plus_one.glb", {R, G, B, Y});
  expect_four("glb/wrap_mirror.glb", {Y, B, G, R});
  expect_four("glb/factor_times_texture.glb", {{{220, 9, 30}, {30, 95, 30}, {30, 9, 220}, {220, 95, 30}}});
  expect_four("glb/alpha_mask.glb", {kNothing, G, B, Y});
  expect_four("glb/bom.gltf", {R, G, B, Y});
}

TEST(Field, GltfThatNeedsATextureTransform) {
  EXPECT_EQ(check(field("glb/blender_mapping_node.glb")).at("faces"), 2);
  // Twice in each direction: every quarter shows all four colours. The square covers columns and rows 10 to 54.
  const Image p = front(field("glb/blender_mapping_node.glb")).image;
  for (const int x : {0, 22}) {
    for (const int y : {0, 22}) {
      expect_pixel(p, 15 + x, 15 + y, R);
      expect_pixel(p, 26 + x, 15 + y, G);
      expect_pixel(p, 15 + x, 26 + y, B);
      expect_pixel(p, 26 + x, 26 + y, Y);
    }
  }
}

TEST(Field, GltfWithTwoTextures) {
  const Image p = front(field("glb/two_textures.glb")).image;
  // One wide beside the other, 2.2 in all, so the left one is 20 pixels wide and the right one begins at 38.
  bool four[4] = {}, orange = false;
  for (int y = 0; y < p.height; ++y) {
    for (int x = 0; x < p.width; ++x) {
      const std::uint8_t* at = p.at(x, y);
      const auto is = [&](const Rgb& c) {
        return at[3] == 255 && std::abs(at[0] - c[0]) < 4 && std::abs(at[1] - c[1]) < 4 && std::abs(at[2] - c[2]) < 4;
      };
      if (x < 32) {
        const Rgb colours[] = {R, G, B, Y};
        for (int i = 0; i < 4; ++i) four[i] = four[i] || is(colours[i]);
      } else {
        orange = orange || is({250, 120, 10});
      }
    }
  }
  EXPECT_TRUE(four[0] && four[1] && four[2] && four[3] && orange);
}

TEST(Field, GltfWithASkinRests) {
  const auto report = check(field("glb/skin.glb"));
  EXPECT_NEAR(report.at("low").at(0).get<double>(), -0.5, 1e-5);
  EXPECT_NEAR(report.at("high").at(0).get<double>(), 0.5, 1e-5);
  EXPECT_NEAR(report.at("low").at(2).get<double>(), 2.5, 1e-5);
  EXPECT_NEAR(report.at("high").at(2).get<double>(), 3.5, 1e-5);
}

TEST(Field, Obj) {
  for (const char* name : {"obj/mtl space.obj", "obj/backslash.obj", "obj/bom.obj", "obj/uv_negative.obj"})
    expect_four(name, {R, G, B, Y});
  const Shown alone = front(field("obj/mtl_missing.obj"));
  EXPECT_NE(alone.notices.find("gone.mtl"), std::string::npos) << alone.notices;
  EXPECT_EQ(alone.image.at(32, 32)[3], 255);

  const auto mark = check(field("obj/bom_vertex.obj"));
  EXPECT_EQ(mark.at("faces"), 4);
  EXPECT_EQ(mark.at("vertices"), 4);
  EXPECT_EQ(mark.at("watertight"), true);
  EXPECT_NEAR(mark.at("volume").get<double>(), 1.0 / 6.0, 1e-4);
  const auto concave = check(field("obj/concave.obj"));
  EXPECT_EQ(concave.at("faces"), 3);
  EXPECT_NEAR(concave.at("area").get<double>(), 2.4, 1e-5);

  const Image two = front(field("obj/two_kd.obj")).image;
  expect_pixel(two, 22, 22, {0, 0, 255});
  expect_pixel(two, 41, 41, {255, 0, 0});
  const Image colours = front(field("obj/vertex_rgba.obj")).image;
  expect_pixel(colours, 22, 22, {0xb7, 0x6e, 0x48});
  expect_pixel(colours, 41, 22, {0x48, 0x02, 0xb6});
  expect_pixel(colours, 22, 41, {0xb7, 0x02, 0x48});
  expect_pixel(colours, 41, 41, {0x48, 0x6e, 0x48});
}

TEST(Field, Ply) {
  expect_four("ply/wedge_uv.ply", {R, G, B, Y});
  const Image diffuse = front(field("ply/diffuse_colours.ply")).image;
  expect_pixel(diffuse, 32, 18, {69, 0, 186}, 4);
  expect_pixel(diffuse, 32, 46, {191, 0, 64}, 4);
}

TEST(Field, Stl) {
  for (const char* name : {"stl/capitals.stl", "stl/first_word_capital.stl", "stl/bom.stl", "stl/solid_trailing.stl"}) {
    SCOPED_TRACE(name);
    const auto report = check(field(name));
    EXPECT_EQ(report.at("faces"), 4);
    EXPECT_EQ(report.at("vertices"), 4);
    EXPECT_NEAR(report.at("volume").get<double>(), 166.6667, 1e-3);
  }
}

TEST(Field, Gaussians) {
  const TemporaryFolder folder;
  const struct {
    const char* name;
    int degree, count;
  } cases[] = {{"splats/face0.ply", 0, 40},    {"splats/comment_element_face.ply", 0, 40}, {"splats/tabs_property.ply", 0, 40},
               {"splats/no_extension", 3, 40}, {"splats/plain_deg3.ply", 3, 40},           {"splats/nan_x_row0.ply", 0, 39},
               {"splats/version4.spz", 3, 40}, {"splats/playcanvas.compressed.ply", 3, 40}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const auto report = check(field(c.name));
    EXPECT_EQ(report.at("gaussians"), c.count);
    EXPECT_EQ(report.at("harmonics_degree"), c.degree);
    const Outcome written = espalier({"export", field(c.name), "-o", (folder / "o.ply").string(), "--quiet"});
    EXPECT_EQ(written.code, 0) << written.err;
    EXPECT_EQ(check((folder / "o.ply").string()).at("gaussians"), c.count);
    const Shown shown = front(field(c.name));
    EXPECT_EQ(shown.image.width, 64);
  }
  EXPECT_NE(check(field("splats/nan_x_row0.ply")).at("notices").dump().find("Gaussian 0"), std::string::npos);
}

// The packed files hold the same Gaussians as the plain one.
TEST(Field, PackedGaussiansAreThePlainOnes) {
  const auto plain = check(field("splats/plain_deg3.ply"));
  for (const char* name : {"splats/playcanvas.compressed.ply"}) {
    SCOPED_TRACE(name);
    const auto packed = check(field(name));
    EXPECT_NEAR(packed.at("mean_opacity").get<double>(), plain.at("mean_opacity").get<double>(), 0.005);
    EXPECT_NEAR(packed.at("median_scale").get<double>(), plain.at("median_scale").get<double>(), 0.001);
    for (const char* side : {"low", "high"}) {
      for (int k = 0; k < 3; ++k) EXPECT_NEAR(packed.at(side).at(k).get<double>(), plain.at(side).at(k).get<double>(), 0.002);
    }
  }
}

TEST(Field, PointerOfGitLfs) { expect_refusal(espalier({"check", field("lfs_pointer.safetensors")}), 1, {"Git LFS"}); }

// From one format to the others, and back by our own readers: size, colours, counts.
TEST(Field, MeshesRoundTrip) {
  const TemporaryFolder folder;
  const auto out = [&](const std::string& name) { return (folder / name).string(); };
  const struct {
    const char* name;
    int faces;
    const char* not_in_obj = nullptr;  // what an OBJ cannot hold of it
  } cases[] = {{"glb/plain.glb", 2},
               {"glb/two_textures.glb", 4},
               {"glb/factor_times_texture.glb", 2},
               {"glb/uv_plus_one.glb", 2},
               {"glb/wrap_mirror.glb", 2, "a.obj: textures that mirror"},
               {"glb/alpha_mask.glb", 2, "a.obj: holes by a mask"},
               {"glb/gltfpack_plain.glb", 2},
               {"obj/two_kd.obj", 2},
               {"obj/mtl space.obj", 2},
               {"ply/wedge_uv.ply", 2},
               {"obj/vertex_rgba.obj", 2}};
  for (const auto& c : cases) {
    SCOPED_TRACE(c.name);
    const Outcome done =
        espalier({"export", field(c.name), "--quiet", "-o", out("a.glb"), "-o", out("a.gltf"), "-o", out("a.obj"), "-o",
                  out("a.obj.zip"), "-o", out("a.gltf.zip"), "-o", out("a.3mf"), "-o", out("a.mesh.ply"), "-o", out("a.stl")});
    ASSERT_EQ(done.code, 0) << done.err;
    EXPECT_NE(done.err.find(c.not_in_obj != nullptr ? c.not_in_obj : ""), std::string::npos) << done.err;
    const Image original = front(field(c.name)).image;
    for (const char* name : {"a.glb", "a.gltf", "a.gltf.zip", "a.obj", "a.obj.zip"}) {
      SCOPED_TRACE(name);
      if (c.not_in_obj != nullptr && std::string(name).find("obj") != std::string::npos) continue;
      const Image again = front(out(name)).image;
      int differ = 0;
      for (std::size_t i = 0; i < original.pixels.size(); ++i)
        differ += std::abs(original.pixels[i] - again.pixels[i]) > 3 ? 1 : 0;
      // Textures of OBJ repeat, so the half of a texel at the border of one may take from the other side.
      constexpr int kOutline = 4 * 64 * 3;
      EXPECT_LE(differ, std::string(name).find("obj") != std::string::npos ? kOutline : 0);
    }
    const auto before = check(field(c.name));
    for (const char* name : {"a.glb", "a.gltf", "a.obj", "a.mesh.ply", "a.3mf", "a.stl", "a.obj.zip", "a.gltf.zip"}) {
      SCOPED_TRACE(name);
      const auto after = check(out(name));
      EXPECT_EQ(after.at("faces"), c.faces);
      const bool sized = std::string(name) == "a.3mf" || std::string(name) == "a.stl";
      for (std::size_t k = 0; k < 3 && !sized; ++k) {
        EXPECT_NEAR(after.at("low").at(k).get<double>(), before.at("low").at(k).get<double>(), 1e-5);
        EXPECT_NEAR(after.at("high").at(k).get<double>(), before.at("high").at(k).get<double>(), 1e-5);
      }
    }
  }
}

TEST(Field, TexturesStayAsTheyCameUnlessAskedFor) {
  const TemporaryFolder folder;
  const auto out = [&](const std::string& name) { return (folder / name).string(); };
  const auto bytes = [&](const std::string& name) { return read_text(folder / name); };
  for (const char* name : {"glb/plain.glb", "glb/two_textures.glb"}) {
    SCOPED_TRACE(name);
    ASSERT_EQ(espalier({"export", field(name), "--quiet", "-o", out("a.glb")}).code, 0);
    EXPECT_NE(bytes("a.glb").find("image/png"), std::string::npos);
    EXPECT_EQ(bytes("a.glb").find("image/jpeg"), std::string::npos);
    ASSERT_EQ(espalier({"export", field(name), "--quiet", "-o", out("b.glb"), "--texture-format", "jpeg"}).code, 0);
    EXPECT_NE(bytes("b.glb").find("image/jpeg"), std::string::npos);
  }
}

TEST(Field, MeshesWithMaterialsOfTheirOwnAreNotCompressed) {
  const TemporaryFolder folder;
  const std::string target = (folder / "a.glb").string();
  const std::string two = field("glb/two_textures.glb");
  expect_refusal(espalier({"export", two, "-o", target, "--compress", "draco"}), 1, {"materials of its own", "compression"});
  expect_refusal(espalier({"export", two, "-o", target, "--lods", "2"}), 1, {"materials of its own", "levels of detail"});
  expect_refusal(espalier({"export", two, "-o", target, "--max-bytes", "1m"}), 1, {"materials of its own", "limit of bytes"});
  EXPECT_FALSE(fs::exists(target));
  const Outcome one = espalier({"export", field("obj/mtl space.obj"), "--quiet", "-o", target, "--compress", "meshopt"});
  ASSERT_EQ(one.code, 0) << one.err;
  EXPECT_EQ(check(target).at("faces"), 2);
}

// On a texture of their own they show what they showed.
TEST(Field, FinishedMeshesKeepTheirLook) {
  const TemporaryFolder folder;
  const auto out = [&](const std::string& name) { return (folder / name).string(); };
  const auto finished = [&](const std::string& name, std::vector<std::string> more) {
    std::vector<std::string> words{"export", field(name), "--simplify", "0",       "--no-clean", "--texture-size",
                                   "512",    "--device",  "cpu",        "--quiet", "-o",         out("a.glb")};
    words.insert(words.end(), more.begin(), more.end());
    const Outcome done = espalier(words);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.err;
  };
  const struct {
    const char* name;
    std::array<Rgb, 4> quarters;
  } cases[] = {{"glb/plain.glb", {R, G, B, Y}},
               {"glb/texture_transform_offset.glb", {G, R, Y, B}},
               {"glb/wrap_mirror.glb", {Y, B, G, R}},
               {"glb/factor_times_texture.glb", {{{220, 9, 30}, {30, 95, 30}, {30, 9, 220}, {220, 95, 30}}}},
               {"glb/alpha_mask.glb", {kNothing, G, B, Y}}};
  for (const auto& c : cases) {
    (void)finished(c.name, {"--texture-format", "png"});
    expect_quarters(out("a.glb"), c.quarters, 4);
    const auto before = check(field(c.name)), after = check(out("a.glb"));
    EXPECT_EQ(after.at("faces"), before.at("faces"));
    for (std::size_t k = 0; k < 3; ++k)
      EXPECT_NEAR(after.at("high").at(k).get<double>(), before.at("high").at(k).get<double>(), 1e-4) << c.name;
  }
  // Several materials become one, so that what needs one texture is possible.
  (void)finished("glb/two_textures.glb", {"--compress", "meshopt", "--maps", "normal,ao"});
  EXPECT_NE(read_text(out("a.glb")).find("normalTexture"), std::string::npos);
  EXPECT_NE(read_text(out("a.glb")).find("occlusionTexture"), std::string::npos);
  const Image two = front(field("glb/two_textures.glb")).image, one = front(out("a.glb")).image;
  int differ = 0;
  for (std::size_t i = 0; i < two.pixels.size(); ++i) differ += std::abs(two.pixels[i] - one.pixels[i]) > 12 ? 1 : 0;
  EXPECT_LE(differ, 4 * 64 * 3) << "but for outlines";
}

TEST(Field, WhatSaysNothingOfAMeshOfAnotherProgramIsRefused) {
  const TemporaryFolder folder;
  const std::string target = (folder / "a.glb").string(), plain = field("glb/plain.glb");
  expect_refusal(espalier({"export", plain, "-o", target, "--no-texture"}), 1, {"--no-texture", "written as it is", "--faces"});
  expect_refusal(espalier({"export", plain, "-o", target, "--faces", "100", "--bake", "fast"}), 1, {"--bake", "its own look"});
  expect_refusal(espalier({"export", plain, "-o", target, "--maps", "none,ao"}), 2, {"--maps"});
  EXPECT_FALSE(fs::exists(target));
}

TEST(Field, GaussiansRoundTrip) {
  const TemporaryFolder folder;
  const auto out = [&](const std::string& name) { return (folder / name).string(); };
  const auto before = check(field("splats/plain_deg3.ply"));
  const char* names[] = {"a.ply", "a.spz", "a.splat", "a.compressed.ply", "a.splats.glb", "a.glb"};
  for (const char* name : names) {
    SCOPED_TRACE(name);
    const Outcome done = espalier({"export", field("splats/plain_deg3.ply"), "--quiet", "-o", out(name)});
    ASSERT_EQ(done.code, 0) << done.err;
    const bool splat = std::string(name) == "a.splat";
    EXPECT_EQ(done.err.find("harmonics above degree 0") != std::string::npos, splat) << done.err;
    const auto after = check(out(name));
    EXPECT_EQ(after.at("gaussians"), 40);
    EXPECT_EQ(after.at("harmonics_degree"), splat ? 0 : 3);
    EXPECT_NEAR(after.at("mean_opacity").get<double>(), before.at("mean_opacity").get<double>(), 0.005);
    for (const char* side : {"low", "high"}) {
      for (std::size_t k = 0; k < 3; ++k)
        EXPECT_NEAR(after.at(side).at(k).get<double>(), before.at(side).at(k).get<double>(), 0.005);
    }
  }
  // The default is version 4, which begins with plain letters; the older ones are packed by gzip.
  EXPECT_EQ(read_text(out("a.spz")).substr(0, 4), "NGSP");
  ASSERT_EQ(espalier({"export", field("splats/plain_deg3.ply"), "--quiet", "--spz-version", "3", "-o", out("b.spz")}).code, 0);
  EXPECT_EQ(read_text(out("b.spz")).substr(0, 2), "\x1f\x8b");
}

TEST(Field, StrictlyNothingIsLeftOut) {
  const TemporaryFolder folder;
  const std::string png = (folder / "o.png").string();
  expect_refusal(espalier({"render", field("obj/mtl_missing.obj"), "-o", png, "--strict"}), 1, {"gone.mtl"});
  expect_refusal(espalier({"check", field("splats/nan_x_row0.ply"), "--strict"}), 1, {"Gaussian 0"});
  expect_refusal(espalier({"export", field("splats/nan_x_row0.ply"), "-o", (folder / "o.ply").string(), "--strict"}), 1,
                 {"Gaussian 0"});
  expect_empty(folder.path());
  EXPECT_EQ(espalier({"check", field("obj/mtl_missing.obj"), "--strict"}).code, 0);  // needs no material
}

}  // namespace
}  // namespace espalier::test
