// Finished assets: what export makes of a saved asset, and what check says of the files.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numbers>
#include <sstream>

#include "ball.h"
#include "image/codec.h"
#include "program.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class Export : public ::testing::Test {
 protected:
  Export() { write_ball(folder_ / "asset.safetensors"); }
  [[nodiscard]] std::string out(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::string bytes(const std::string& name) const { return read_text(folder_ / name); }
  [[nodiscard]] nlohmann::json export_asset(const Words& arguments) const {
    Words all{"export", out("asset.safetensors"), "--device", "cpu", "--quiet", "--json"};
    const auto given = [&](const char* word) { return std::find(arguments.begin(), arguments.end(), word) != arguments.end(); };
    if (!given("--raw-mesh") && !given("--no-texture")) all.insert(all.end(), {"--texture-size", "512", "--bake-views", "12"});
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome done = espalier(all);
    EXPECT_EQ(done.code, 0) << done.err;
    return done.code == 0 ? nlohmann::json::parse(done.out) : nlohmann::json();
  }
  [[nodiscard]] nlohmann::json check(const std::string& name) const {
    const Outcome done = espalier({"check", out(name), "--json"});
    EXPECT_EQ(done.code, 0) << done.err;
    return done.code == 0 ? nlohmann::json::parse(done.out).at(0) : nlohmann::json();
  }

  const TemporaryFolder folder_;
};

TEST_F(Export, TexturedMeshWithinTheBudgetInEveryFormat) {
  const auto report =
      export_asset({"--faces",   "2000",           "-o", out("a.glb"), "-o", out("a.gltf"), "-o", out("a.obj"),
                    "-o",        out("a.obj.zip"), "-o", out("a.3mf"), "-o", out("a.stl"),  "-o", out("a.mesh.ply"),
                    "-o",        out("a.usdz"),    "-o", out("a.fbx"), "-o", out("a.spz"),  "-o", out("a.splat"),
                    "--preview", out("look.png")});
  const auto& finish = report.at("finish");
  EXPECT_LE(finish.at("after").at("faces"), 2000);
  EXPECT_GE(finish.at("after").at("faces"), 1990);
  EXPECT_GT(finish.at("before").at("faces"), 2000);
  EXPECT_GT(finish.at("charts"), 0);
  EXPECT_GT(finish.at("texture_use"), 0.4);
  EXPECT_GT(finish.at("texels_seen"), 0.5);
  for (const char* name : {"a.glb", "a.gltf", "a.obj", "a.stl", "a.mesh.ply"}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(check(name).at("faces"), finish.at("after").at("faces"));
  }
  EXPECT_EQ(bytes("a.glb").substr(0, 4), "glTF");
  EXPECT_NE(bytes("a.glb").find("TEXCOORD_0"), std::string::npos);
  EXPECT_NE(bytes("a.mesh.ply").find("property uchar red"), std::string::npos) << "it has no texture";
  EXPECT_EQ(bytes("a.obj.zip").substr(0, 2), "PK");
  EXPECT_EQ(bytes("a.3mf").substr(0, 2), "PK");
  EXPECT_EQ(bytes("a.usdz").substr(0, 2), "PK");
  EXPECT_NE(bytes("a.usdz").find("asset inputs:file = @textures/a.png@"), std::string::npos);
  EXPECT_EQ(bytes("a.fbx").substr(0, 11), "Kaydara FBX");
  EXPECT_GT(fs::file_size(out("a.spz")), 1000U);
  EXPECT_EQ(fs::file_size(out("a.splat")) % 32, 0U);
  EXPECT_GT(load_image_file(out("look.png")).width, 512);
}

TEST_F(Export, SameBytesEveryTime) {
  fs::create_directory(out("again"));  // a file's name is that of its contents, too
  (void)export_asset({"--faces", "1500", "--bake", "fast", "-o", out("b.glb")});
  (void)export_asset({"--faces", "1500", "--bake", "fast", "-o", out("again/b.glb")});
  EXPECT_TRUE(bytes("b.glb") == bytes("again/b.glb"));
}

TEST_F(Export, TextureFormatsAndMaterials) {
  (void)export_asset({"--faces", "1000", "--texture-format", "jpeg", "--unlit", "-o", out("d.glb")});
  EXPECT_NE(bytes("d.glb").find("image/jpeg"), std::string::npos);
  EXPECT_NE(bytes("d.glb").find("KHR_materials_unlit"), std::string::npos);
  (void)export_asset({"--faces", "1000", "--no-texture", "-o", out("e.glb")});
  EXPECT_EQ(bytes("e.glb").find("TEXCOORD_0"), std::string::npos);
  EXPECT_NE(bytes("e.glb").find("COLOR_0"), std::string::npos);
}

// Of a GLB.
nlohmann::json document_of(const std::string& glb) {
  std::uint32_t size = 0;
  std::memcpy(&size, glb.data() + 12, sizeof(size));
  return nlohmann::json::parse(glb.substr(20, size));
}

TEST_F(Export, CompressesAndBoundsFiles) {
  (void)export_asset({"--faces", "2000", "--bake", "fast", "--save-asset", out("f.safetensors"), "-o", out("f.glb")});
  const auto again = [&](const Words& arguments) {
    Words all{"export", out("asset.safetensors"), "--device", "cpu",     "--json", "--texture-size",
              "512",    "--bake-views",           "12",       "--faces", "2000",   "--bake",
              "fast"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return espalier(all);
  };
  const auto plain = document_of(bytes("f.glb"));
  EXPECT_EQ(plain.at("extensionsRequired"), nlohmann::json({"KHR_mesh_quantization"}));
  EXPECT_EQ(plain.at("images").at(0).at("mimeType"), "image/jpeg");
  const Outcome done = again({"--compress", "draco", "-o", out("g.glb"), "-o", out("g.obj"), "--no-quantise"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto draco = document_of(bytes("g.glb"));
  EXPECT_EQ(draco.at("extensionsRequired"), nlohmann::json({"EXT_texture_webp", "KHR_draco_mesh_compression"}));
  EXPECT_LT(bytes("g.glb").size(), bytes("f.glb").size() / 2);
  EXPECT_TRUE(fs::exists(out("g.png")));  // no WebP for an OBJ

  const std::size_t most = bytes("f.glb").size() * 2 / 5;
  const Outcome bound = again({"--max-bytes", std::to_string(most), "--lods", "2", "-o", out("h.glb"), "-o", out("h.stl")});
  ASSERT_EQ(bound.code, 0) << bound.err;
  EXPECT_LE(bytes("h.glb").size(), most);
  EXPECT_GT(bytes("h.glb").size(), most / 2);
  EXPECT_LE(bytes("h.stl").size(), most);
  EXPECT_EQ(document_of(bytes("h.glb")).at("meshes").size(), 2U);
  for (const char* words : {"h.glb: ", " faces", "texture "}) EXPECT_NE(bound.err.find(words), std::string::npos) << bound.err;
  expect_refusal(again({"--max-bytes", "1k", "--quiet", "-o", out("i.glb")}), 1, {"1024 bytes", "smallest"});
  EXPECT_FALSE(fs::exists(out("i.glb")));
}

TEST_F(Export, WatertightWithWallsAndABase) {
  const auto report = export_asset({"--faces", "1500", "--no-texture", "--watertight", "--min-wall", "2mm", "--flat-base",
                                    "5mm", "--size", "10cm", "-o", out("p.stl")});
  const auto& after = report.at("finish").at("after");
  EXPECT_EQ(after.at("watertight"), true);
  EXPECT_EQ(after.at("crossing_faces"), 0);
  EXPECT_LE(after.at("faces"), 1500);
  EXPECT_EQ(check("p.stl").at("watertight"), true);
  EXPECT_NE(report.at("notices").dump().find("made anew"), std::string::npos);
  // The millimetres are those of the file that is written.
  const auto printed = check("p.stl");
  double largest = 0;
  for (std::size_t k = 0; k < 3; ++k)
    largest = std::max(largest, printed.at("high").at(k).get<double>() - printed.at("low").at(k).get<double>());
  EXPECT_NEAR(largest, 100, 0.1);
  EXPECT_NE(report.at("record").at("finishing").get<std::string>().find("5 mm cut off the bottom at a size of 100 mm"),
            std::string::npos);
  expect_refusal(espalier({"export", out("asset.safetensors"), "--min-wall", "2mm", "-o", out("q.stl")}), 2,
                 {"--min-wall", "without --watertight"});
}

TEST_F(Export, BakesTheRadianceField) {
  (void)export_asset(
      {"--faces", "1000", "--bake-from", "radiance-field", "-o", out("g.obj"), "--save-asset", out("g.safetensors")});
  const SafetensorsFile before(out("asset.safetensors")), after(out("g.safetensors"));
  for (const char* part : {"position", "trivec", "density", "features_dc"}) {
    const std::string name = std::string("radiance_field.") + part;
    EXPECT_TRUE(before.load(name).to_vector<float>(name) == after.load(name).to_vector<float>(name)) << name;
  }
  const Image texture = load_image_file(out("g.png"));
  std::int64_t near = 0;
  for (int y = 0; y < texture.height; ++y) {
    for (int x = 0; x < texture.width; ++x) {
      float most = 0.0F;
      for (std::size_t c = 0; c < 3; ++c)
        most = std::max(most, std::abs(static_cast<float>(texture.at(x, y)[c]) / 255.0F - kFieldColour[c]));
      near += most < 0.02F ? 1 : 0;
    }
  }
  EXPECT_GT(near, texture.width * texture.height * 98 / 100);
}

TEST_F(Export, NothingIsBakedFromARadianceFieldThatIsNotThere) {
  const SafetensorsFile file(out("asset.safetensors"));
  std::map<std::string, HostTensor> tensors;
  for (const char* name : {"mesh.vertices", "mesh.faces"}) tensors.emplace(name, file.load(name));
  save_safetensors(out("bare.safetensors"), tensors, {{"format", "espalier-asset-1"}});
  expect_refusal(espalier({"export", out("bare.safetensors"), "-o", out("x.glb"), "--bake-from", "radiance-field"}), 1,
                 {"radiance field", "radiance-field"});
  EXPECT_FALSE(fs::exists(out("x.glb")));
}

TEST_F(Export, ImageGoesIntoTheTexture) {
  (void)export_asset({"--faces", "800", "-o", out("plain.obj")});
  const auto report =
      export_asset({"--faces", "800", "--project-image", "-o", out("i.obj"), "--save-asset", out("i.safetensors")});
  const auto& match = report.at("finish").at("images").at(0);
  EXPECT_EQ(match.at("used"), true);
  EXPECT_GT(match.at("overlap"), 0.9);
  EXPECT_GT(match.at("texels"), 0.05);
  EXPECT_TRUE(report.at("notices").empty());
  EXPECT_FALSE(bytes("i.png") == bytes("plain.png"));
  const SafetensorsFile kept(out("i.safetensors"));
  EXPECT_GT(kept.load("image.1").size(), 100);
}

TEST_F(Export, ImageOfSomethingElseStaysOut) {
  const SafetensorsFile file(out("asset.safetensors"));
  std::map<std::string, HostTensor> tensors;
  for (const auto& [name, entry] : file.entries()) {
    if (name.rfind("radiance_field", 0) != 0) tensors.emplace(name, file.load(name));
  }
  // A crescent.
  const HostTensor bytes_of_png = tensors.at("image.1");
  const auto* data = reinterpret_cast<const std::byte*>(bytes_of_png.data());
  Image image = decode_image({data, bytes_of_png.bytes()}, "image");
  for (int y = 0; y < 96; ++y) {
    for (int x = 0; x < 96; ++x) {
      if (std::hypot(x - 60.0, y - 40.0) < 34.0) image.at(x, y)[3] = 0;
    }
  }
  const std::vector<std::byte> png = encode_png(image);
  const auto* first = reinterpret_cast<const std::uint8_t*>(png.data());
  tensors.insert_or_assign("image.1", HostTensor::from(std::vector<std::uint8_t>(first, first + png.size()),
                                                       {static_cast<std::int64_t>(png.size()), 1}));
  save_safetensors(out("other.safetensors"), tensors, file.metadata());
  const Outcome done = espalier({"export", out("other.safetensors"), "-o", out("j.glb"), "--faces", "800", "--project-image",
                                 "--device", "cpu", "--json", "--bake-views", "12", "--texture-size", "512"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto report = nlohmann::json::parse(done.out);
  EXPECT_EQ(report.at("finish").at("images").at(0).at("used"), false);
  EXPECT_NE(done.err.find("does not match the object well enough"), std::string::npos) << done.err;

  tensors.erase("image.1");
  save_safetensors(out("bare.safetensors"), tensors, file.metadata());
  expect_refusal(espalier({"export", out("bare.safetensors"), "-o", out("x.glb"), "--project-image"}), 1, {"no image"});
  tensors.emplace("image.1", HostTensor::from(std::vector<std::uint8_t>(64, 7), {64, 1}));
  save_safetensors(out("damaged.safetensors"), tensors, file.metadata());
  expect_refusal(espalier({"export", out("damaged.safetensors"), "-o", out("x.glb")}), 1, {"damaged.safetensors", "image.1"});
  // As earlier versions wrote it.
  tensors.emplace("picture.1", tensors.extract("image.1").mapped());
  save_safetensors(out("earlier.safetensors"), tensors, file.metadata());
  expect_refusal(espalier({"export", out("earlier.safetensors"), "-o", out("x.glb")}), 1, {"earlier.safetensors", "picture.1"});
}

TEST_F(Export, EveryStageTellsItsMemory) {
  const auto report = export_asset({"--faces", "1000", "-o", out("h.glb")});
  if (report.at("process_bytes") == 0) GTEST_SKIP() << "this system tells no peak of the memory";
  std::vector<std::string> names;
  for (const auto& stage : report.at("stages")) {
    names.push_back(stage.at("stage"));
    EXPECT_GT(stage.at("process_bytes"), std::uint64_t{1} << 20U) << names.back();
    EXPECT_LE(stage.at("process_bytes"), report.at("process_bytes")) << names.back();
    EXPECT_LE(stage.at("peak_bytes"), stage.at("process_bytes")) << names.back();
  }
  EXPECT_EQ(names, (Words{"clean-mesh", "unwrap-mesh", "bake-texture", "write-files"}));
  // Baking holds 512 x 512 texels and 1024 x 1024 pixels of views.
  EXPECT_GT(report.at("stages").at(2).at("peak_bytes"), std::uint64_t{20} << 20U);
}

TEST_F(Export, ReportsAndChecksCountTheSameVertices) {
  const auto report = export_asset({"--faces", "1500", "-o", out("v.glb"), "-o", out("v.obj"), "-o", out("v.stl")});
  const auto& after = report.at("finish").at("after");
  for (const char* name : {"v.glb", "v.obj", "v.stl"}) EXPECT_EQ(check(name).at("positions"), after.at("positions")) << name;
  EXPECT_EQ(check("v.glb").at("vertices"), after.at("vertices")) << "seams are stored twice";
  EXPECT_GT(after.at("vertices"), after.at("positions"));
  const Outcome text =
      espalier({"export", out("asset.safetensors"), "--device", "cpu", "--faces", "1500", "--no-texture", "-o", out("w.glb")});
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_EQ(text.out.rfind("cpu (", 0), 0U) << "the device by its name, not as it was asked for: " << text.out;
}

TEST_F(Export, OnlyWhatIsFinishedSaysHow) {
  (void)export_asset({"--faces", "1000", "-o", out("r.glb"), "-o", out("r.ply"), "--save-asset", out("r.safetensors")});
  EXPECT_NE(bytes("r.glb").find("\"finishing\""), std::string::npos);
  EXPECT_EQ(bytes("r.ply").substr(0, 4000).find("finishing"), std::string::npos) << "nothing finishes Gaussians";
  ASSERT_EQ(espalier({"export", out("r.safetensors"), "--raw-mesh", "-o", out("s.glb"), "--quiet"}).code, 0);
  EXPECT_EQ(bytes("s.glb").find("\"finishing\""), std::string::npos);
  EXPECT_NE(bytes("s.glb").find("\"seed\":\"7\""), std::string::npos) << "the rest of the record is there";
}

TEST_F(Export, ATextureThatNothingChangesKeepsItsBytes) {
  (void)export_asset({"--faces", "1000", "-o", out("own.glb")});
  const auto first = document_of(bytes("own.glb"));
  ASSERT_EQ(first.at("images").at(0).at("mimeType"), "image/jpeg");
  const auto image_of = [&](const std::string& name) {
    const auto document = document_of(bytes(name));
    const auto& view = document.at("bufferViews").at(document.at("images").at(0).at("bufferView").get<std::size_t>());
    std::uint32_t json = 0;
    std::memcpy(&json, bytes(name).data() + 12, sizeof(json));
    return bytes(name).substr(28 + json + view.value("byteOffset", 0U), view.at("byteLength").get<std::size_t>());
  };
  const auto convert = [&](const Words& arguments) {
    Words all{"export", out("own.glb"), "--quiet"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Outcome done = espalier(all);
    ASSERT_EQ(done.code, 0) << done.err;
  };
  convert({"--compress", "draco", "-o", out("packed.glb"), "-o", out("own.obj")});
  EXPECT_TRUE(image_of("packed.glb") == image_of("own.glb"));
  EXPECT_TRUE(bytes("own.jpg") == image_of("own.glb"));
  convert({"--texture-format", "png", "-o", out("png.glb")});
  EXPECT_EQ(document_of(bytes("png.glb")).at("images").at(0).at("mimeType"), "image/png");
}

TEST_F(Export, WhatIsWrittenOnlyIsSaidSo) {
  (void)export_asset({"--faces", "500", "-o", out("k.fbx"), "-o", out("k.usdz"), "-o", out("k.glb")});
  for (const char* name : {"k.fbx", "k.usdz"}) {
    expect_refusal(espalier({"check", out(name)}), 1, {name, "written, not read", "GLB"});
    expect_refusal(espalier({"render", out(name), "-o", out("k.png")}), 1, {name, "written, not read"});
  }
  write_text(out("cut.glb"), bytes("k.glb").substr(0, 2000));
  expect_refusal(espalier({"check", out("cut.glb")}), 1, {"cut.glb", "ends early", "byte 2000", "download it again"});
}

TEST_F(Export, OneDamagedFileDoesNotStopTheOthers) {
  (void)export_asset({"--faces", "500", "-o", out("k.glb")});
  write_text(out("cut.glb"), bytes("k.glb").substr(0, 2000));
  const Outcome text = espalier({"check", out("cut.glb"), out("nothing.glb"), out("k.glb")});
  EXPECT_EQ(text.code, 1);
  EXPECT_NE(text.out.find("watertight"), std::string::npos) << text.out;
  for (const char* words : {"2 of 3 files", "failed: ", "cut.glb", "nothing.glb"})
    EXPECT_NE(text.err.find(words), std::string::npos) << words << "\n" << text.err;
  const Outcome json = espalier({"check", out("cut.glb"), out("k.glb"), "--json"});
  EXPECT_EQ(json.code, 1);
  const auto rows = nlohmann::json::parse(json.out);
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_NE(rows[0].at("error").get<std::string>().find("ends early"), std::string::npos);
  EXPECT_GT(rows[1].at("faces"), 0);
}

// A ball of triangles around the origin, as a text STL.
void write_round_ball(const std::string& path, double radius) {
  constexpr int kAround = 80, kDown = 40;
  const auto at = [&](int down, int around) {
    const double theta = std::numbers::pi * down / kDown, phi = 2 * std::numbers::pi * (around % kAround) / kAround;
    const double ring = down % kDown == 0 ? 0.0 : std::sin(theta);  // the poles are one point each
    return std::array{radius * ring * std::cos(phi), radius * ring * std::sin(phi), radius * std::cos(theta)};
  };
  std::ostringstream text;
  text << "solid ball\n";
  const auto facet = [&](const auto&... corners) {
    text << "facet normal 0 0 0\nouter loop\n";
    ((text << "vertex " << corners[0] << ' ' << corners[1] << ' ' << corners[2] << '\n'), ...);
    text << "endloop\nendfacet\n";
  };
  for (int down = 0; down < kDown; ++down) {
    for (int around = 0; around < kAround; ++around) {
      if (down > 0) facet(at(down, around), at(down + 1, around), at(down, around + 1));
      if (down + 1 < kDown) facet(at(down, around + 1), at(down + 1, around), at(down + 1, around + 1));
    }
  }
  text << "endsolid ball\n";
  write_text(path, text.str());
}

TEST_F(Export, ChecksForPrint) {
  (void)export_asset({"--faces", "1500", "--no-texture", "--watertight", "-o", out("good.stl")});
  EXPECT_EQ(espalier({"check", out("good.stl"), "--print", "--min-wall", "2mm"}).code, 0);
  expect_refusal(espalier({"check", out("good.stl"), "--print", "--min-wall", "200mm", "--json"}), 1, {"good.stl"});
  write_round_ball(out("ball.stl"), 50.0);
  const auto ball = check("ball.stl");
  EXPECT_NEAR(ball.at("thin_wall").get<double>(), 100, 1) << "straight through a ball of 100 mm";
  EXPECT_NEAR(ball.at("overhang_share").get<double>(), 0.146, 0.005) << "the cap of a ball below 45 degrees: (1 - cos 45) / 2";
  const std::string whole = bytes("good.stl");
  std::string open = whole.substr(0, whole.size() - 50);  // without a facet
  std::uint32_t facets = 0;
  std::memcpy(&facets, whole.data() + 80, sizeof(facets));
  --facets;
  std::memcpy(open.data() + 80, &facets, sizeof(facets));
  write_text(out("open.stl"), open);
  const Outcome bad = espalier({"check", out("open.stl"), "--print"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_NE(bad.err.find("3 open edges"), std::string::npos) << bad.err;
  EXPECT_EQ(espalier({"check", out("open.stl")}).code, 0) << "a report alone is no judgement";
  expect_refusal(espalier({"check", out("open.stl"), "--min-wall", "1mm"}), 2, {"--min-wall", "without --print"});
}

TEST_F(Export, RawMeshIsTheDecodedOne) {
  (void)export_asset({"--raw-mesh", "-o", out("f.glb"), "--save-asset", out("again.safetensors")});
  const auto report = check("f.glb");
  EXPECT_EQ(report.at("faces"), kBallFaces);
  EXPECT_EQ(report.at("watertight"), true);
  EXPECT_EQ(report.at("consistent_winding"), true);
  EXPECT_NEAR(report.at("volume").get<double>(), 4.0 / 3.0 * 3.14159265 * 0.064, 0.01);
  EXPECT_EQ(bytes("again.safetensors"), bytes("asset.safetensors"));
  EXPECT_NE(bytes("f.glb").find("\"seed\":\"7\""), std::string::npos);
}

TEST_F(Export, RefusesWhatItCannotDo) {
  const fs::path empty = folder_ / "empty";
  fs::create_directory(empty);
  const std::string target = (empty / "x.glb").string();
  expect_refusal(espalier({"export", "-o", target}), 2, {"one asset"});
  expect_refusal(espalier({"export", out("asset.safetensors")}), 2, {"no output"});
  expect_refusal(espalier({"export", out("nothing.safetensors"), "-o", target}), 1, {"nothing.safetensors"});
  write_text(folder_ / "other.glb", "glTF");
  expect_refusal(espalier({"export", out("other.glb"), "-o", target}), 1, {"other.glb"});
  expect_refusal(espalier({"export", out("asset.safetensors"), "-o", target, "--texture-size", "100000"}), 2,
                 {"--texture-size"});
  expect_refusal(espalier({"check", out("other.glb")}), 1, {"other.glb"});
  expect_refusal(espalier({"check"}), 2, {"no file"});
  expect_empty(empty);
}

// Files that are cut short or changed end in one line, whatever they hold.
TEST_F(Export, DamagedAssets) {
  const std::string whole = bytes("asset.safetensors");
  const std::string bad = out("bad.safetensors"), target = out("x.glb");
  for (const std::size_t length : {std::size_t{0}, std::size_t{7}, std::size_t{64}, whole.size() / 2, whole.size() - 1}) {
    write_text(bad, whole.substr(0, length));
    expect_refusal(espalier({"export", bad, "-o", target}), 1, {"bad.safetensors"});
  }
  std::string other = whole;
  const std::size_t at = other.find("mesh.faces");
  ASSERT_NE(at, std::string::npos);
  other.replace(at, 10, "mesh.faxes");
  write_text(bad, other);
  expect_refusal(espalier({"export", bad, "-o", target}), 1, {"bad.safetensors", "mesh.faces"});
  EXPECT_FALSE(fs::exists(target));
}

}  // namespace
}  // namespace espalier::test
