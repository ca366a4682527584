// Where assets stand in their files, and what is called how inside.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "api/asset_placement.h"
#include "base/error.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;

// A box of 0.2 x 0.4 x 0.8 whose middle is not the origin, as if it had been sampled.
constexpr std::array<float, 3> kLow{-0.3F, 0.0F, -0.5F}, kHigh{-0.1F, 0.4F, 0.3F};

Mesh slab() {
  Mesh mesh;
  for (unsigned corner = 0; corner < 8; ++corner) {
    for (unsigned k = 0; k < 3; ++k) mesh.vertices.push_back((corner >> k & 1U) != 0 ? kHigh[k] : kLow[k]);
  }
  mesh.faces = {0, 2, 1, 1, 2, 3, 4, 5, 6, 5, 7, 6, 0, 1, 4, 1, 5, 4, 2, 6, 3, 3, 6, 7, 0, 4, 2, 2, 4, 6, 1, 3, 5, 3, 7, 5};
  return mesh;
}

Gaussians corners() {
  Gaussians g;
  const Mesh mesh = slab();
  g.xyz = mesh.vertices;
  g.dc.assign(24, 0.5F);
  g.scale.assign(24, 0.01F);
  for (int i = 0; i < 8; ++i) g.rotation.insert(g.rotation.end(), {1.0F, 0.0F, 0.0F, 0.0F});
  g.opacity.assign(8, 0.5F);
  return g;
}

Asset an_asset(bool finished, bool sampled = true) {
  AssetBuilder builder;
  if (sampled) {
    Voxels voxels;
    voxels.coords = {0, 1, 2, 3};
    voxels.resolution = 64;
    builder.latent(voxels, std::vector<float>(8, 0.0F));
  }
  builder.mesh(slab());
  builder.gaussians(corners());
  if (finished) {
    FinishedMesh made;
    made.mesh = slab();
    builder.finished(std::move(made));
  }
  builder.record("seed", "7");
  return builder.build();
}

struct Box {
  std::array<double, 3> low{}, high{};
};
Box box_of(const MeshArrays& mesh) {
  Box box;
  box.low.fill(std::numeric_limits<double>::max());
  box.high.fill(std::numeric_limits<double>::lowest());
  for (std::size_t i = 0; i < mesh.positions.size(); ++i) {
    box.low[i % 3] = std::min(box.low[i % 3], double{mesh.positions[i]});
    box.high[i % 3] = std::max(box.high[i % 3], double{mesh.positions[i]});
  }
  return box;
}

class Placements : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) / ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  // The box of what a file of this format holds, in our own axes.
  [[nodiscard]] Box written(const Asset& asset, const std::string& format, const SaveOptions& options) const {
    const fs::path path = folder_ / ("box." + format);
    asset.save(path, options);
    if (format == "ply" || format == "spz" || format == "splat") {
      const Asset read = load_gaussians(path);
      MeshArrays points{};
      points.positions = read.gaussians().positions;
      return box_of(points);
    }
    return box_of(load_mesh(path).mesh());
  }
  fs::path folder_;
};

void expect_box(const Box& box, const std::array<double, 3>& low, const std::array<double, 3>& high, const std::string& what,
                double tolerance = 1e-4) {
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_NEAR(box.low[k], low[k], tolerance) << what << " axis " << k;
    EXPECT_NEAR(box.high[k], high[k], tolerance) << what << " axis " << k;
  }
}

TEST_F(Placements, EveryFormatHasTheSameOriginAndHeight) {
  const Asset asset = an_asset(true);
  for (const char* format : {"glb", "gltf", "obj", "mesh.ply", "ply", "spz", "splat"}) {
    expect_box(written(asset, format, {}), {-0.1, -0.2, 0}, {0.1, 0.2, 0.8}, format);
    expect_box(written(asset, format, {.origin = Origin::centre}), {-0.1, -0.2, -0.4}, {0.1, 0.2, 0.4}, format);
    expect_box(written(asset, format, {.origin = Origin::source}), {-0.3, 0, -0.5}, {-0.1, 0.4, 0.3}, format);
    expect_box(written(asset, format, {.height = 1.6}), {-0.2, -0.4, 0}, {0.2, 0.4, 1.6}, format);
    expect_box(written(asset, format, {.origin = Origin::source, .height = 1.6}), {-0.6, 0, -1.0}, {-0.2, 0.8, 0.6}, format);
  }
  expect_box(written(asset, "stl", {}), {-12.5, -25, 0}, {12.5, 25, 100}, "stl", 1e-3);
  expect_box(written(asset, "stl", {.height = 1.6}), {-200, -400, 0}, {200, 400, 1600}, "stl", 1e-2);
  expect_box(written(asset, "stl", {.origin = Origin::centre}), {-12.5, -25, -50}, {12.5, 25, 50}, "stl", 1e-3);
}

TEST_F(Placements, AUsdzStandsAsTheOthersDo) {
  const std::vector<std::byte> bytes = an_asset(true).encode("usdz", {.height = 1.6, .title = "Blue mug"}).back().bytes;
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::string begin = "float3[] extent = [";
  const std::size_t at = text.find(begin);
  ASSERT_NE(at, std::string::npos);
  std::array<double, 6> extent{};
  ASSERT_EQ(std::sscanf(text.c_str() + at + begin.size(), "(%lf, %lf, %lf), (%lf, %lf, %lf)]", &extent[0], &extent[1],
                        &extent[2], &extent[3], &extent[4], &extent[5]),
            6);
  constexpr std::array kWanted = {-0.2, 0.0, -0.4, 0.2, 1.6, 0.4};  // Y up
  for (std::size_t k = 0; k < 6; ++k) EXPECT_NEAR(extent[k], kWanted[k], 1e-6) << k;
  EXPECT_NE(text.find("defaultPrim = \"Blue_mug\""), std::string::npos);
  EXPECT_NE(text.find("placement: origin"), std::string::npos);
}

TEST_F(Placements, WhatIsNotFinishedOrNotOursKeepsItsFrame) {
  for (const Asset& asset : {an_asset(false), an_asset(true, false)}) {
    for (const char* format : {"glb", "ply"}) expect_box(written(asset, format, {}), {-0.3, 0, -0.5}, {-0.1, 0.4, 0.3}, format);
    expect_box(written(asset, "stl", {}), {-12.5, -25, 0}, {12.5, 25, 100}, "stl", 1e-3);
  }
}

TEST_F(Placements, TheUpAxisIsChosenWhereTheFormatLeavesIt) {
  const Asset asset = an_asset(true);
  // Read as if it were the format's own axis, a file with another one lies on its side.
  expect_box(written(asset, "obj", {.up = UpAxis::z}), {-0.1, -0.8, -0.2}, {0.1, 0, 0.2},
             "obj with z up read as y up, turned back");
  expect_box(written(asset, "mesh.ply", {.up = UpAxis::y}), {-0.1, 0, -0.2}, {0.1, 0.8, 0.2}, "mesh.ply");
  expect_box(written(asset, "ply", {.up = UpAxis::y}), {-0.1, -0.2, -0.8}, {0.1, 0.2, 0}, "ply, a half turn from -y");
  for (const char* format : {"obj", "stl", "mesh.ply"}) {
    const UpAxis own = std::string(format) == "obj" ? UpAxis::y : UpAxis::z;
    EXPECT_EQ(asset.encode(format, {.up = own}).back().bytes, asset.encode(format).back().bytes) << format;
  }
  for (const char* format : {"glb", "gltf.zip", "spz", "usdz", "fbx"})
    EXPECT_THROW((void)asset.encode(format, {.up = UpAxis::z}), Error) << format;
  EXPECT_THROW((void)asset.encode("3mf", {.up = UpAxis::y}), Error);
  EXPECT_NO_THROW((void)asset.encode("glb", {.up = UpAxis::y}));
}

TEST_F(Placements, AHeightOfNothingIsRefused) {
  const Asset asset = an_asset(true);
  for (const double height : {0.0, -1.0, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()})
    EXPECT_THROW((void)asset.encode("glb", {.height = height}), Error) << height;
}

nlohmann::json document_of(const std::vector<std::byte>& glb) {
  std::uint32_t size = 0;
  std::memcpy(&size, glb.data() + 12, sizeof size);
  return nlohmann::json::parse(std::string(reinterpret_cast<const char*>(glb.data()) + 20, size));
}

TEST_F(Placements, TheRecordSaysWhereTheAssetStands) {
  const auto of = [](const SaveOptions& options) {
    return document_of(an_asset(true).encode("glb", options).front().bytes).at("asset").at("extras");
  };
  const auto placement = of({.height = 1.6}).at("placement").get<std::string>();
  std::array<double, 4> numbers{};
  ASSERT_EQ(std::sscanf(placement.c_str(), "origin %lf %lf %lf, scale %lf", &numbers[0], &numbers[1], &numbers[2], &numbers[3]),
            4)
      << placement;
  constexpr std::array kWanted{-0.2, 0.2, -0.5, 2.0};
  for (std::size_t i = 0; i < kWanted.size(); ++i) EXPECT_NEAR(numbers.at(i), kWanted.at(i), 1e-6) << placement;
  EXPECT_FALSE(of({.origin = Origin::source}).contains("placement"));
  EXPECT_EQ(of({}).at("seed"), "7");
}

TEST_F(Placements, WhatIsInsideIsCalledAsTheFileOrTheTitle) {
  const Asset asset = an_asset(true);
  const auto names = [&](const SaveOptions& options) {
    const auto document = document_of(asset.encode("glb", options).front().bytes);
    for (const char* kind : {"nodes", "meshes", "materials"})
      EXPECT_EQ(document.at(kind)[0].at("name"), document.at("nodes")[0].at("name"));
    return document.at("nodes")[0].at("name").get<std::string>();
  };
  EXPECT_EQ(names({.name = "chair"}), "chair");
  EXPECT_EQ(names({.name = "chair", .title = "a red: chair"}), "a red_ chair");
  const auto obj = asset.encode("obj", {.title = "a red chair"}).front().bytes;
  const std::string text(reinterpret_cast<const char*>(obj.data()), obj.size());
  EXPECT_NE(text.find("\no a_red_chair\n"), std::string::npos);
}

TEST(Titles, AreWhatOtherProgramsTake) {
  EXPECT_EQ(title_for_programs("my chair"), "my chair");
  EXPECT_EQ(title_for_programs("a/b\\c:d.e[0]\"f\""), "a_b_c_d_e_0__f_");
  EXPECT_EQ(title_for_programs("  \x01\x7F x\xE2\x80\xAE y "), "x y");
  EXPECT_EQ(title_for_programs("Stra\xC3\x9F"
                               "e"),
            "Stra\xC3\x9F"
            "e");
  EXPECT_EQ(title_for_programs("\xFF\xC0\xAFx"), "___x");
  for (const char* nothing : {"", "   ", "...", "\xE2\x80\x8B"}) EXPECT_EQ(title_for_programs(nothing), "asset") << nothing;
  const std::string cut = title_for_programs(std::string(59, 'x') + "\xC3\x9F");
  EXPECT_EQ(cut, std::string(59, 'x'));  // no half of a letter
}

}  // namespace
}  // namespace espalier
