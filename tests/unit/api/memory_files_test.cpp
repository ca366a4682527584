// Assets in memory and in files of save_asset; images in memory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>

#include "api/asset.h"
#include "image/codec.h"
#include "support/errors.h"
#include "weights/safetensors.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

Mesh tetrahedron(float size) {
  Mesh mesh;
  mesh.vertices = {0, 0, 0, size, 0, 0, 0, size, 0, 0, 0, size};
  mesh.faces = {0, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3};
  mesh.colours = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1};
  return mesh;
}

// A decoded mesh and, `finished`, a smaller one with a texture of 16 x 8 pixels.
Asset an_asset(bool finished) {
  AssetBuilder builder;
  builder.mesh(tetrahedron(0.5F));
  if (finished) {
    FinishedMesh made;
    made.mesh = tetrahedron(0.25F);
    made.mesh.uvs = {0, 0, 1, 0, 0, 1, 1, 1};
    made.mesh.normals = {0, 0, 1, 0, 0, 1, 0, 1, 0, 1, 0, 0};
    made.texture = Image(16, 8, 3);
    for (std::size_t i = 0; i < made.texture.pixels.size(); ++i) made.texture.pixels[i] = static_cast<std::uint8_t>(3 * i);
    made.report.hidden_faces = 7;
    made.report.charts = 4;
    made.report.mean_stretch = 1.25;
    made.report.texels_seen = 0.5;
    made.report.images.push_back({0.9, 0.1, 10.0, 20.0, 2.0, 0.3, true});
    builder.finished(std::move(made));
  }
  builder.record("seed", "42");
  return builder.build();
}

class MemoryFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("espalier-memory-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  [[nodiscard]] std::vector<std::byte> bytes_of(const std::string& name) const {
    std::ifstream file(folder_ / name, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
  }
  fs::path folder_;
};

TEST_F(MemoryFiles, EncodingGivesTheFilesThatSavingWrites) {
  const Asset asset = an_asset(true);
  for (const char* format : {"glb", "gltf", "gltf.zip", "obj", "obj.zip", "stl", "3mf", "usdz", "fbx", "mesh.ply", "ply"}) {
    asset.save(folder_ / (std::string("chair.") + format));
    const std::vector<NamedBytes> files = asset.encode(format, {.name = "chair"});
    ASSERT_FALSE(files.empty()) << format;
    EXPECT_EQ(files.back().name, std::string("chair.") + format);
    for (const NamedBytes& file : files) EXPECT_EQ(file.bytes, bytes_of(file.name)) << file.name;
  }
  asset.save_preview(folder_ / "p.png");
  EXPECT_EQ(asset.encode("preview").at(0).bytes, bytes_of("p.png"));
  EXPECT_EQ(asset.encode("preview").at(0).name, "asset.png");
  asset.save_asset(folder_ / "a.safetensors");
  EXPECT_EQ(asset.encode("asset").at(0).bytes, bytes_of("a.safetensors"));
}

TEST_F(MemoryFiles, EncodingRefusesWhatSavingDoes) {
  const Asset asset = an_asset(false);
  EXPECT_THROW((void)asset.encode("doc"), Error);
  EXPECT_THROW((void)asset.encode(""), Error);
  EXPECT_THROW((void)asset.encode("spz"), Error) << "there are no Gaussians";
  EXPECT_THROW((void)asset.encode("latent"), Error);
  EXPECT_THROW((void)asset.encode("glb", {.name = "../chair"}), Error);
  EXPECT_THROW((void)asset.encode("asset", {.name = "a/b"}), Error);
  EXPECT_THROW((void)Asset().encode("glb"), Error);
  EXPECT_THROW((void)Asset().encode("asset"), Error);
}

TEST_F(MemoryFiles, ASavedAssetKeepsWhatWasFinished) {
  const Asset asset = an_asset(true);
  asset.save_asset(folder_ / "a.safetensors");
  const Asset again = load_asset(folder_ / "a.safetensors");
  const auto same = [](auto a, auto b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); };
  EXPECT_TRUE(same(again.vertices(), asset.vertices()));
  EXPECT_TRUE(same(again.mesh().positions, asset.mesh().positions));
  EXPECT_TRUE(same(again.mesh().uvs, asset.mesh().uvs));
  EXPECT_TRUE(same(again.mesh().normals, asset.mesh().normals));
  EXPECT_TRUE(same(again.mesh().faces, asset.mesh().faces));
  EXPECT_EQ(again.texture().width, 16);
  EXPECT_EQ(again.texture().height, 8);
  EXPECT_TRUE(same(again.texture().pixels, asset.texture().pixels));
  const FinishReport report = again.finish_report().value();
  EXPECT_EQ(report.hidden_faces, 7);
  EXPECT_EQ(report.charts, 4);
  EXPECT_EQ(report.mean_stretch, 1.25);
  ASSERT_EQ(report.images.size(), 1U);
  EXPECT_EQ(report.images[0].yaw, 10.0);
  EXPECT_TRUE(report.images[0].used);
  EXPECT_EQ(report.after.faces, 4);
  EXPECT_NEAR(report.after.area, report.before.area / 4.0, 1e-9) << "of the meshes themselves";
}

TEST_F(MemoryFiles, AsDecodedForgetsWhatWasFinished) {
  const Asset asset = an_asset(true);
  const Asset decoded = asset.as_decoded();
  EXPECT_FALSE(decoded.finish_report().has_value());
  EXPECT_EQ(decoded.mesh().positions[3], 0.5F);
  EXPECT_TRUE(decoded.texture().pixels.empty());
  EXPECT_TRUE(asset.finish_report().has_value()) << "the asset itself stays as it is";
}

TEST_F(MemoryFiles, FilesWithoutAFinishedMeshLoadAsBefore) {
  an_asset(false).save_asset(folder_ / "old.safetensors");
  const Asset asset = load_asset(folder_ / "old.safetensors");
  EXPECT_FALSE(asset.finish_report().has_value());
  EXPECT_EQ(asset.mesh().positions.data(), asset.vertices().data());
  EXPECT_TRUE(asset.texture().pixels.empty());
}

TEST_F(MemoryFiles, DamagedFinishedMeshesAreRefused) {
  const fs::path path = folder_ / "a.safetensors";
  an_asset(true).save_asset(path);
  std::map<std::string, HostTensor> good;
  std::map<std::string, std::string> metadata;
  {
    const SafetensorsFile file(path);
    for (const auto& [name, entry] : file.entries()) good.emplace(name, file.load(name));
    metadata = file.metadata();
  }
  const auto refused = [&](const std::string& name, std::optional<HostTensor> value) {
    auto tensors = good;
    tensors.erase(name);
    if (value) tensors.emplace(name, std::move(*value));
    save_safetensors(path, tensors, metadata);
    try {
      (void)load_asset(path);
    } catch (const Error& error) {
      return error.message().find("a.safetensors") != std::string_view::npos;
    }
    return false;
  };
  EXPECT_TRUE(refused("finished.faces", std::nullopt));
  EXPECT_TRUE(refused("finished.faces", HostTensor::from(std::vector<std::int32_t>{0, 1, 4}, {1, 3})));
  EXPECT_TRUE(refused("finished.uvs", HostTensor::from(std::vector<float>{0, 0}, {1, 2})));
  EXPECT_TRUE(refused("finished.uvs", std::nullopt)) << "a texture without coordinates";
  EXPECT_TRUE(refused("finished.texture", HostTensor::from(std::vector<std::uint8_t>{1, 2, 3}, {3, 1})));
  const double infinite = std::numeric_limits<double>::infinity();
  EXPECT_TRUE(refused("finished.report", HostTensor::from(std::vector<double>{infinite, 0, 0, 0, 0, 0, 0}, {1, 7})));
  EXPECT_TRUE(refused("finished.report", HostTensor::from(std::vector<double>{-1, 0, 0, 0, 0, 0, 0}, {1, 7})));
  EXPECT_TRUE(refused("finished.report", HostTensor::from(std::vector<double>{1}, {1, 1})));
  EXPECT_TRUE(refused("finished.images", HostTensor::from(std::vector<double>(7 * 65), {65, 7})));
}

TEST(InputImages, MemoryGivesWhatTheFileDoes) {
  Image image(80, 64, 4);
  for (int y = 16; y < 48; ++y) {
    for (int x = 20; x < 60; ++x) std::memset(image.at(x, y), 200, 4);
  }
  for (std::size_t i = 3; i < image.pixels.size(); i += 4) image.pixels[i] = image.pixels[i] == 0 ? 0 : 255;
  const auto* raw = reinterpret_cast<const std::byte*>(image.pixels.data());
  const InputImage encoded = InputImage::encoded(encode_png(image), "encoded");
  const InputImage pixels = InputImage::pixels({raw, raw + image.pixels.size()}, 80, 64, 4, "pixels");
  const Pipeline::Foreground a = Pipeline::preprocess(encoded, Background::automatic);
  EXPECT_EQ(a.png, Pipeline::preprocess(pixels, Background::automatic).png);
  EXPECT_EQ(a.notices.at(0), "alpha channel");
}

TEST(InputImages, WorkOnThemStopsWhenNobodyWantsIt) {
  Image drawn(300, 300, 3);
  for (int y = 90; y < 210; ++y) {
    for (int x = 90; x < 210; ++x) std::memset(drawn.at(x, y), 200, 3);
  }
  const InputImage image = InputImage::encoded(encode_png(drawn), "mine");
  int looks = 0, most = std::numeric_limits<int>::max();
  const Observer observer{.cancelled = [&] { return ++looks > most; }};
  const auto preprocess = [&] { (void)Pipeline::preprocess(image, Pipeline::ForegroundRequest{}, observer); };
  const auto check = [&] { Pipeline::check_image(image, observer); };
  for (const std::function<void()>& call : {std::function<void()>(preprocess), std::function<void()>(check)}) {
    most = std::numeric_limits<int>::max();
    looks = 0;
    call();
    const int all = looks;
    EXPECT_GE(all, 5);
    for (most = 0; most < all; ++most) {
      looks = 0;
      test::expect_error(ErrorCode::cancelled, {}, call);
    }
  }
}

TEST(InputImages, WhatCannotBeReadIsCalledByItsName) {
  const auto message = [](const InputImage& image) {
    try {
      Pipeline::check_image(image);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message(InputImage::encoded(std::vector<std::byte>(40), "mine")).rfind("mine: ", 0), 0U);
  EXPECT_EQ(message(InputImage::encoded({}, "mine")).rfind("mine: ", 0), 0U);
  const std::vector<std::byte> twelve(12);
  EXPECT_TRUE(message(InputImage::pixels(twelve, 2, 2, 3, "mine")).empty());
  const std::vector<std::array<int, 3>> wrong{
      {2, 2, 4}, {3, 2, 3}, {0, 2, 3}, {-2, -2, 3}, {12, 1, 1}, {1 << 30, 1 << 30, 4}, {16384, 16384, 3}};
  for (const auto& [width, height, channels] : wrong) {
    EXPECT_EQ(message(InputImage::pixels(twelve, width, height, channels, "mine")).rfind("mine: ", 0), 0U);
  }
  EXPECT_NE(message("no such file.png").find("no such file.png"), std::string::npos);
}

}  // namespace
}  // namespace espalier
