// Views, turntables and contact sheets of the command, and Gaussians from one format to another.
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "ball.h"
#include "image/codec.h"
#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

bool has_program(const std::string& name) { return shell("command -v " + name).code == 0; }

class Render : public ::testing::Test {
 protected:
  Render() { write_ball(folder_ / "asset.safetensors"); }
  [[nodiscard]] std::string out(const std::string& name) const { return (folder_ / name).string(); }
  void run(const Words& arguments) const {
    const Outcome done = espalier(arguments);
    EXPECT_EQ(done.code, 0) << done.err;
  }
  // render FILE -o view.png OPTIONS
  [[nodiscard]] Image view(const std::string& file, const Words& options = {}) const {
    Words all{"render", out(file), "-o", out("view.png"), "--device", "cpu", "--quiet", "--size", "96"};
    all.insert(all.end(), options.begin(), options.end());
    run(all);
    return load_image_file(out("view.png"));
  }
  [[nodiscard]] nlohmann::json check(const std::string& name) const {
    const Outcome done = espalier({"check", out(name), "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    return done.code == 0 ? nlohmann::json::parse(done.out).at(0) : nlohmann::json();
  }

  const TemporaryFolder folder_;
};

// Share of the pixels that show something.
double covered(const Image& p) {
  EXPECT_EQ(p.channels, 4);
  double sum = 0.0;
  for (std::size_t i = 3; i < p.pixels.size(); i += 4) sum += p.pixels[i] / 255.0;
  return sum / static_cast<double>(p.pixel_count());
}

// Mean difference of pixels that both cover.
double difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.pixels.size(), b.pixels.size());
  double sum = 0.0;
  int n = 0;
  for (std::size_t i = 0; i < std::min(a.pixels.size(), b.pixels.size()); i += 4) {
    if (a.pixels[i + 3] < 250 || b.pixels[i + 3] < 250) continue;
    for (std::size_t c = 0; c < 3; ++c) sum += std::abs(a.pixels[i + c] - b.pixels[i + c]);
    n += 3;
  }
  return n > 0 ? sum / n : 255.0;
}

// The ball has a radius of 0.4: from 2.0 at 40 degrees it covers this share.
double ball_share() {
  const double half = 2.0 * std::tan(20.0 / 180.0 * 3.14159265358979);
  const double seen = 0.4 * 2.0 / std::sqrt(4.0 - 0.16);
  return 3.14159265358979 * seen * seen / (4.0 * half * half);
}

TEST_F(Render, AnAssetInEveryStyleItHas) {
  for (const char* style : {"auto", "colour", "clay", "normals", "wireframe"}) {
    SCOPED_TRACE(style);
    EXPECT_NEAR(covered(view("asset.safetensors", {"--style", style})), ball_share(), 0.02);
  }
  // These reach a little and a few cells beyond the surface.
  const double splats = covered(view("asset.safetensors", {"--style", "splats"}));
  const double field = covered(view("asset.safetensors", {"--style", "radiance-field"}));
  EXPECT_GT(splats, ball_share());
  EXPECT_GT(field, splats);
  EXPECT_LT(field, 2.0 * ball_share());
  for (const char* style : {"textured", "uv-checker"}) {
    expect_refusal(espalier({"render", out("asset.safetensors"), "-o", out("no.png"), "--style", style}), 1, {style, "needs"});
  }
  EXPECT_FALSE(fs::exists(out("no.png")));
  EXPECT_NEAR(covered(view("asset.safetensors", {"--fov", "20"})), ball_share(), 0.03);
  EXPECT_LT(covered(view("asset.safetensors", {"--distance", "4"})), 0.3 * ball_share());
}

TEST_F(Render, ViewsBackgroundAndSheet) {
  EXPECT_EQ(view("asset.safetensors", {"--view", "180,0", "--view", "0,90", "--view", "-90,-45.5"}).width, 3 * 96);
  const Image orange = view("asset.safetensors", {"--background", "#ff8000"});
  EXPECT_EQ(orange.channels, 3);
  EXPECT_EQ(std::memcmp(orange.pixels.data(), "\xff\x80\x00", 3), 0);
  const Outcome done = espalier({"render", out("asset.safetensors"), "--sheet", out("sheet.png"), "--size", "48", "--json"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto files = nlohmann::json::parse(done.out).at("files");
  EXPECT_EQ(files.at(0).at("content"), "contact sheet");
  EXPECT_EQ(files.at(0).at("bytes"), fs::file_size(out("sheet.png")));
  const Image sheet = load_image_file(out("sheet.png"));
  EXPECT_GT(sheet.width, 4 * 48);
  EXPECT_GT(sheet.height, 6 * 48);  // splats, radiance field, colour, clay, normals, wireframe
}

TEST_F(Render, MeshFilesOfEveryFormat) {
  run({"export",
       out("asset.safetensors"),
       "--device",
       "cpu",
       "--quiet",
       "--texture-size",
       "512",
       "--bake-views",
       "12",
       "--faces",
       "2000",
       "-o",
       out("a.glb"),
       "-o",
       out("a.gltf"),
       "-o",
       out("a.obj"),
       "-o",
       out("a.stl"),
       "-o",
       out("a.mesh.ply"),
       "--sheet",
       out("sheet.png")});
  EXPECT_GT(load_image_file(out("sheet.png")).height, 6 * 384);  // and textured, uv-checker
  const Image glb = view("a.glb");
  EXPECT_NEAR(covered(glb), ball_share(), 0.02);
  EXPECT_LT(difference(glb, view("a.glb", {"--style", "textured"})), 1e-9);
  EXPECT_LT(difference(glb, view("a.gltf")), 1e-9);
  EXPECT_LT(difference(glb, view("a.obj")), 1.0);
  // The texture shows what the vertices had for colours.
  EXPECT_LT(difference(glb, view("asset.safetensors", {"--style", "colour"})), 6.0);
  EXPECT_GT(difference(glb, view("a.glb", {"--style", "uv-checker"})), 20.0);
  // An .stl counts millimetres and stands on the ground; it is moved and scaled for the image, and has no colour.
  const Image stl = view("a.stl");
  EXPECT_NEAR(covered(stl), ball_share() / 0.64, 0.06);
  EXPECT_LT(difference(view("a.mesh.ply", {"--style", "clay"}), stl), 12.0);
}

TEST_F(Render, GaussiansFromFormatToFormat) {
  run({"export", out("asset.safetensors"), "--quiet", "-o", out("a.ply")});
  run({"export", out("a.ply"), "--quiet", "-o", out("a.spz"), "-o", out("a.splat"), "-o", out("b.ply"), "--sheet",
       out("sheet.png"), "--save-asset", out("b.safetensors")});
  run({"export", out("a.splat"), "--quiet", "-o", out("c.ply"), "--preview", out("c.png")});
  run({"export", out("a.spz"), "--quiet", "-o", out("d.splat")});
  EXPECT_EQ(load_image_file(out("c.png")).width, 4 * 512);
  const Image expected = view("asset.safetensors", {"--style", "splats"});
  for (const char* name : {"a.ply", "a.spz", "a.splat", "b.ply", "b.safetensors", "c.ply", "d.splat"}) {
    SCOPED_TRACE(name);
    EXPECT_LT(difference(expected, view(name)), 3.0);
    const auto report = check(name);
    EXPECT_EQ(report.at("gaussians"), kBallFaces / 2 + 2);
    EXPECT_EQ(report.at("harmonics_degree"), 0);
    EXPECT_NEAR(report.at("mean_opacity"), 0.98, 0.01);
    EXPECT_NEAR(report.at("median_scale"), 0.012, 0.001);
    EXPECT_NEAR(report.at("high").at(2), 0.41, 0.01);
  }
  const auto both = check("asset.safetensors");
  EXPECT_EQ(both.at("faces"), kBallFaces);
  EXPECT_EQ(both.at("splats").at("gaussians"), kBallFaces / 2 + 2);
  const Outcome text = espalier({"check", out("a.spz"), out("asset.safetensors")});
  EXPECT_EQ(text.code, 0);
  EXPECT_NE(text.out.find("degree of harmonics"), std::string::npos);
  EXPECT_NE(text.out.find("watertight"), std::string::npos);
}

TEST_F(Render, TurntablesAreReadByOtherPrograms) {
  run({"render", out("asset.safetensors"), "-o", out("t.webp"), "--seconds", "0.5", "--fps", "12", "--size", "64", "--quiet"});
  const std::string webp = read_text(out("t.webp"));
  EXPECT_EQ(webp.substr(0, 4), "RIFF");
  EXPECT_NE(webp.find("ANMF"), std::string::npos);
  if (!has_program("ffmpeg") || !has_program("ffprobe")) GTEST_SKIP() << "SKIPPED: ffmpeg is not installed";
  run({"render", out("asset.safetensors"), "-o", out("t.mp4"), "--seconds", "0.5", "--fps", "12", "--size", "64", "--quiet",
       "--style", "normals", "--background", "white"});
  const Outcome probe = shell(
      "ffprobe -v error -count_frames -show_entries stream=codec_name,width,height,nb_read_frames,r_frame_rate -of csv=p=0 '" +
      out("t.mp4") + "'");
  EXPECT_EQ(probe.out, "h264,64,64,12/1,6\n") << probe.err;
  // One Gaussian, so that the four seconds which export draws are quick.
  const float row[] = {0, 0, 0, 0.1F, 0.2F, 0.1F};
  std::string splat(reinterpret_cast<const char*>(row), sizeof row);
  splat += "\xff\x80\x20\xf0\xff\x80\x80\x80";
  write_text(folder_ / "one.splat", splat);
  run({"export", out("one.splat"), "--turntable", out("u.mp4"), "--quiet", "--device", "cpu"});
  const Outcome length = shell("ffprobe -v error -show_entries stream=width,nb_frames -of csv=p=0 '" + out("u.mp4") + "'");
  EXPECT_EQ(length.out, "512,120\n") << length.err;
}

TEST_F(Render, WithoutFfmpegTheErrorNamesTheWayOut) {
  for (const Words& words : {Words{"render", out("asset.safetensors"), "-o", out("t.mp4")},
                             Words{"export", out("asset.safetensors"), "--turntable", out("t.mp4")},
                             Words{"generate", data_path("images/bar.in.png").string(), "--turntable", out("t.mp4")}}) {
    expect_refusal(espalier(words, {"PATH=/nowhere"}), 1, {"t.mp4", "ffmpeg", "install", ".webp"});
  }
  EXPECT_FALSE(fs::exists(out("t.mp4")));
}

TEST_F(Render, StopsAndLeavesNothing) {
  const fs::path empty = folder_ / "empty";
  fs::create_directory(empty);
  for (const char* name : {"t.webp", "t.mp4"}) {
    if (std::string(name) == "t.mp4" && !has_program("ffmpeg")) continue;
    SCOPED_TRACE(name);
    Program program({"render", out("asset.safetensors"), "-o", (empty / name).string(), "--seconds", "60", "--fps", "60",
                     "--device", "cpu"});
    ASSERT_TRUE(program.says("rendering the turntable"));
    program.send(SIGINT);
    EXPECT_EQ(program.wait().code, 130);
    expect_empty(empty);
  }
}

TEST_F(Render, RefusesWhatItCannotShow) {
  const fs::path empty = folder_ / "empty";
  fs::create_directory(empty);
  const std::string target = (empty / "x.png").string();
  expect_refusal(espalier({"render", out("nothing.glb"), "-o", target}), 1, {"nothing.glb"});
  const std::string damage[] = {"",
                                "ply",
                                "ply\nformat ascii 1.0\nelement vertex 1\nproperty float f_dc_0\nend_header\n1\n",
                                "glTF",
                                std::string(31, 'x'),
                                "\x1f\x8b"};
  for (const char* name : {"a.glb", "a.ply", "a.spz", "a.splat", "a.stl", "a.safetensors", "a.png"}) {
    for (const std::string& bytes : damage) {
      write_text(folder_ / name, bytes);
      SCOPED_TRACE(name + (": " + bytes));
      expect_refusal(espalier({"render", out(name), "-o", target}), 1, {name});
      expect_refusal(espalier({"check", out(name)}), 1, {name});
      expect_refusal(espalier({"export", out(name), "-o", (empty / "x.spz").string()}), 1, {name});
    }
  }
  run({"export", out("asset.safetensors"), "--quiet", "-o", out("a.ply"), "-o", out("a.stl")});
  expect_refusal(espalier({"export", out("a.ply"), "-o", (empty / "x.stl").string()}), 1, {"a.ply", "no mesh", ".spz"});
  expect_refusal(espalier({"export", out("a.ply"), "-o", (empty / "x.mesh.ply").string()}), 1, {"a.ply", "no mesh", ".spz"});
  expect_refusal(espalier({"export", out("a.stl"), "-o", (empty / "x.spz").string()}), 1, {"a.stl", "no Gaussians"});
  expect_refusal(espalier({"export", out("a.stl"), "-o", (empty / "x.glb").string(), "--bake", "fast"}), 1,
                 {"a.stl", "as it is"});
  save_safetensors(folder_ / "latent.safetensors",
                   {{"coords", HostTensor::from(std::vector<std::int32_t>{0, 0, 0, 0}, {1, 4})}},
                   {{"format", "espalier-latent-1"}});
  expect_refusal(espalier({"render", out("latent.safetensors"), "-o", target}), 1, {"latent", "--save-asset"});
  expect_empty(empty);
}

}  // namespace
}  // namespace espalier::test
