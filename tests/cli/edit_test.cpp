// Parts of saved assets made anew: what is outside stays, bit for bit.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "program.h"
#include "support/temporary_folder.h"
#include "weights/safetensors.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Words = std::vector<std::string>;
using Voxel = std::array<std::int32_t, 3>;

constexpr int kSide = 64, kRim = 2;

fs::path example(const std::string& name) { return shipped_checkpoint().parent_path().parent_path() / "examples" / name; }

// Rows of `columns` values of a tensor.
template <class T, std::size_t Columns>
std::vector<std::array<T, Columns>> rows_of(const SafetensorsFile& file, const std::string& name) {
  const std::vector<T> values = file.load(name).to_vector<T>(name);
  std::vector<std::array<T, Columns>> rows(values.size() / Columns);
  for (std::size_t r = 0; r < rows.size(); ++r) std::copy_n(&values[r * Columns], Columns, rows[r].begin());
  return rows;
}

// What a saved asset holds, by voxel.
struct Saved {
  struct Details {
    std::array<float, 8> latent{};
    std::vector<float> gaussians;  // all their numbers
    bool operator==(const Details&) const = default;
  };
  std::map<Voxel, Details> voxels;
  std::set<std::array<float, 3>> vertices;  // of the mesh
  std::size_t open_edges = 0;               // of the mesh: with an odd number of faces

  explicit Saved(const fs::path& path) {
    const SafetensorsFile file(path);
    const auto coords = rows_of<std::int32_t, 4>(file, "coords");
    const auto latents = rows_of<float, 8>(file, "feats");
    std::vector<std::vector<float>> splats(coords.size());
    for (const auto& [name, columns] :
         std::map<std::string, std::size_t>{{"xyz", 3}, {"dc", 3}, {"scale", 3}, {"rotation", 4}, {"opacity", 1}}) {
      const std::vector<float> values = file.load("gaussians." + name).to_vector<float>(name);
      const std::size_t each = values.size() / coords.size();
      EXPECT_EQ(each, 8 * columns);
      for (std::size_t r = 0; r < splats.size(); ++r)
        splats[r].insert(splats[r].end(), values.begin() + static_cast<std::ptrdiff_t>(r * each),
                         values.begin() + static_cast<std::ptrdiff_t>((r + 1) * each));
    }
    for (std::size_t r = 0; r < coords.size(); ++r)
      voxels[{coords[r][1], coords[r][2], coords[r][3]}] = {latents[r], std::move(splats[r])};
    for (const auto& v : rows_of<float, 3>(file, "mesh.vertices")) vertices.insert(v);
    std::map<std::pair<std::int32_t, std::int32_t>, int> edges;
    for (const auto& f : rows_of<std::int32_t, 3>(file, "mesh.faces")) {
      for (std::size_t k = 0; k < 3; ++k) ++edges[std::minmax(f[k], f[(k + 1) % 3])];
    }
    open_edges =
        static_cast<std::size_t>(std::count_if(edges.begin(), edges.end(), [](const auto& e) { return e.second % 2; }));
  }
};

// Vertices further below a layer of voxels than one of them.
std::set<std::array<float, 3>> vertices_below(const Saved& saved, int layer) {
  const float border = static_cast<float>(layer - 1) / kSide - 0.5F;
  std::set<std::array<float, 3>> below;
  for (const auto& v : saved.vertices) {
    if (v[2] < border) below.insert(v);
  }
  return below;
}

class Edit : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    root_ = fs::temp_directory_path() / ("espalier-edit-" + std::to_string(::getpid()));
    fs::create_directories(root_);
    const Words common{"--raw-mesh", "--device", "cpu", "--latent-steps", "2", "--quiet"};
    Words generate{"generate", example("06-snowman.png").string(), "--save-asset", asset(), "--save-latent", latent()};
    generate.insert(generate.end(), common.begin(), common.end());
    const Outcome made = espalier(generate);
    ASSERT_EQ(made.code, 0) << made.err;
    Words again{"generate", example("06-snowman.png").string(), "--save-asset", solid(), "--surface", "solid"};
    again.insert(again.end(), common.begin(), common.end());
    const Outcome decoded = espalier(again);
    ASSERT_EQ(decoded.code, 0) << decoded.err;
  }
  static void TearDownTestSuite() { fs::remove_all(root_); }

  [[nodiscard]] static std::string asset() { return (root_ / "asset.safetensors").string(); }  // TRELLIS' surface
  [[nodiscard]] static std::string solid() { return (root_ / "solid.safetensors").string(); }
  [[nodiscard]] static std::string latent() { return (root_ / "latent.safetensors").string(); }
  [[nodiscard]] std::string out(const std::string& name) const { return (folder_ / name).string(); }
  // The command with the top of the object as its region.
  [[nodiscard]] Words editing(const std::string& to, const Words& more = {}, const std::string& from = asset()) const {
    Words all{"edit", from, "--region", kTop, "--image", example("12-mushroom.png").string(), "--save-asset", out(to)};
    all.insert(all.end(), {"--raw-mesh", "--device", "cpu", "--latent-steps", "2", "--quiet"});
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] Saved edited(const std::string& to, const Words& more = {}) const {
    const Outcome outcome = espalier(editing(to, more));
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return Saved(folder_ / to);
  }
  void refused(const Words& arguments, int code, const Words& words) const {
    expect_refusal(espalier(arguments), code, words);
    expect_empty(folder_.path());
  }

  static constexpr const char* kTop = "box:-0.5,-0.5,0.1,0.5,0.5,0.5";
  static constexpr int kFirst = 38;  // the lowest layer of voxels with their centres in it: ceil(0.6 * 64 - 0.5)

  inline static fs::path root_;
  const TemporaryFolder folder_;
};

TEST_F(Edit, WhatIsOutsideStaysBitForBit) {
  const Saved before(asset());
  const Saved after = edited("a.safetensors", {"--resample", "2"});
  std::size_t outside = 0, changed = 0;
  for (const auto& [voxel, details] : before.voxels) {
    const auto found = after.voxels.find(voxel);
    ASSERT_TRUE(voxel[2] >= kFirst || found != after.voxels.end()) << voxel[0] << " " << voxel[1] << " " << voxel[2];
    if (voxel[2] >= kFirst - kRim) {
      changed += found == after.voxels.end() || !(found->second == details) ? 1 : 0;
      continue;
    }
    ++outside;
    ASSERT_TRUE(found->second == details) << voxel[0] << " " << voxel[1] << " " << voxel[2];
  }
  EXPECT_GT(outside, 500U);
  EXPECT_GT(changed, 500U);
  for (const auto& [voxel, details] : after.voxels)
    EXPECT_TRUE(voxel[2] >= kFirst || before.voxels.count(voxel) != 0) << voxel[2];
}

// By both rules of extraction. An edited asset is edited again: what the first edit kept is not what its latents alone give.
TEST_F(Edit, TheMeshOutsideStaysBitForBit) {
  for (const std::string& from : {asset(), solid()}) {
    SCOPED_TRACE(from);
    const Saved before(from);
    const Words json_report{"--json"};
    const Outcome first = espalier(editing("a.safetensors", json_report, from));
    ASSERT_EQ(first.code, 0) << first.err;
    EXPECT_EQ(json::parse(first.out).at("notices"), json::array());
    const Saved after(folder_ / "a.safetensors");
    EXPECT_GT(vertices_below(before, kFirst - kRim).size(), 1000U);
    EXPECT_TRUE(vertices_below(before, kFirst - kRim) == vertices_below(after, kFirst - kRim));
    EXPECT_FALSE(before.vertices == after.vertices);
    EXPECT_TRUE(from == asset() || after.open_edges == 0) << after.open_edges;

    Words second = editing("b.safetensors", {"--json", "--rim", "0", "--seed", "3"}, out("a.safetensors"));
    *std::find(second.begin(), second.end(), kTop) = "box:-0.5,-0.5,0.25,0.5,0.5,0.5";
    const Outcome again = espalier(second);
    ASSERT_EQ(again.code, 0) << again.err;
    EXPECT_EQ(json::parse(again.out).at("notices"), json::array());
    const Saved last(folder_ / "b.safetensors");
    constexpr int kSecond = 48;
    EXPECT_GT(vertices_below(after, kSecond).size(), vertices_below(before, kFirst - kRim).size());
    EXPECT_TRUE(vertices_below(after, kSecond) == vertices_below(last, kSecond));
    EXPECT_FALSE(after.vertices == last.vertices);
    EXPECT_TRUE(from == asset() || last.open_edges == 0) << last.open_edges;
    fs::remove(folder_ / "a.safetensors");
    fs::remove(folder_ / "b.safetensors");
  }
}

// Where the mesh of the asset is not the one that its latents give here, the report says how much differs.
TEST_F(Edit, VerticesThatMoveAreReported) {
  const SafetensorsFile file{fs::path(asset())};
  std::map<std::string, HostTensor> tensors;
  for (const auto& [name, entry] : file.entries()) tensors.emplace(name, file.load(name));
  std::vector<float> vertices = file.load("mesh.vertices").to_vector<float>("vertices");
  std::size_t lowest = 0;
  for (std::size_t i = 0; i < vertices.size(); i += 3) lowest = vertices[i + 2] < vertices[lowest + 2] ? i : lowest;
  vertices[lowest] = std::nextafter(vertices[lowest], 1.0F);
  const auto rows = static_cast<std::int64_t>(vertices.size() / 3);
  tensors.insert_or_assign("mesh.vertices", HostTensor::from(vertices, {rows, 3}));
  const fs::path other = root_ / "other.safetensors";
  save_safetensors(other, tensors, file.metadata());
  const Outcome outcome = espalier(editing("a.safetensors", {"--json"}, other.string()));
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json notices = json::parse(outcome.out).at("notices");
  ASSERT_EQ(notices.size(), 1U) << notices;
  EXPECT_NE(notices[0].get<std::string>().find("outside the region 1 of "), std::string::npos) << notices;
}

TEST_F(Edit, TheSameEditGivesTheSameBytesAndAnotherSeedOthers) {
  const Words resampled{"--resample", "2"};
  (void)edited("a.safetensors", resampled);
  (void)edited("b.safetensors", resampled);
  (void)edited("c.safetensors", {"--resample", "2", "--seed", "7"});
  EXPECT_TRUE(read_text(folder_ / "a.safetensors") == read_text(folder_ / "b.safetensors"));
  EXPECT_FALSE(read_text(folder_ / "a.safetensors") == read_text(folder_ / "c.safetensors"));
}

TEST_F(Edit, AppearanceAloneKeepsTheStructure) {
  const Saved before(asset());
  const Saved after = edited("a.safetensors", {"--appearance-only"});
  EXPECT_EQ(after.voxels.size(), before.voxels.size());
  std::size_t changed = 0;
  for (const auto& [voxel, details] : before.voxels) {
    const auto found = after.voxels.find(voxel);
    ASSERT_NE(found, after.voxels.end());
    const bool same = found->second == details;
    EXPECT_TRUE(same || voxel[2] >= kFirst - kRim);
    changed += same ? 0 : 1;
  }
  EXPECT_GT(changed, 500U);
}

TEST_F(Edit, AnEditedAssetCanBeEditedAgainAndSaysHowItWasMade) {
  (void)edited("a.safetensors");
  Words again = editing("b.safetensors", {"--json", "--seed", "3"}, out("a.safetensors"));
  *std::find(again.begin(), again.end(), kTop) = "sphere:0,0,-0.3,0.2";
  const Outcome outcome = espalier(again);
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const json record = json::parse(outcome.out).at("record");
  EXPECT_EQ(record.at("seed"), "42");
  EXPECT_EQ(record.at("image 1"), "06-snowman.png");
  EXPECT_EQ(record.at("edit 1: region"), std::string(kTop).append(", rim 2, every step 1 time"));
  EXPECT_EQ(record.at("edit 2: region"), "sphere:0,0,-0.3,0.2, rim 2, every step 1 time");
  EXPECT_EQ(record.at("edit 2: seed"), "3");
  EXPECT_EQ(record.at("edit 2: image 1"), "12-mushroom.png");
}

TEST_F(Edit, ARegionIsRefusedInOneLine) {
  const auto refuse = [&](const std::string& region, int code, const Words& words) {
    Words all = editing("a.safetensors");
    *std::find(all.begin(), all.end(), kTop) = region;
    refused(all, code, words);
  };
  refuse("box:0,0,0,1", 1, {"6 numbers are needed", "sphere:x,y,z,r"});
  refuse("ball:0,0,0,1", 1, {"region ball:0,0,0,1 is not known"});
  refuse("box:0.7,0,0,0.9,1,1", 1, {"the centre of no voxel"});
  refuse("box:0.4,0.4,0.4,0.5,0.5,0.5", 1, {"lies outside the asset", "its voxels lie in box:"});
  refuse("voxels:/no/such/file", 1, {"/no/such/file"});
  refuse("", 2, {"--region"});
}

TEST_F(Edit, WhatCannotBeEditedIsRefusedInOneLine) {
  const SafetensorsFile file{fs::path(asset())};
  std::map<std::string, HostTensor> tensors;
  for (const auto& [name, entry] : file.entries()) {
    if (name != "structure") tensors.emplace(name, file.load(name));
  }
  auto metadata = file.metadata();
  const fs::path other = root_ / "other.safetensors";
  save_safetensors(other, tensors, metadata);
  refused(editing("a.safetensors", {}, other.string()), 1, {"does not hold the latent of its structure", "--appearance-only"});
  // Its details can still be changed.
  EXPECT_EQ(espalier(editing("a.safetensors", {"--appearance-only"}, other.string())).code, 0);
  fs::remove(folder_ / "a.safetensors");
  for (auto& [key, value] : metadata) {
    if (key.starts_with("record: sha256 ")) value.assign(64, '0');
  }
  save_safetensors(other, tensors, metadata);
  refused(editing("a.safetensors", {"--appearance-only"}, other.string()), 1, {"made by another checkpoint", "--model"});
  metadata = file.metadata();
  tensors.emplace("structure", HostTensor::from(std::vector<float>(5), {5, 1}));
  save_safetensors(other, tensors, metadata);
  refused(editing("a.safetensors", {}, other.string()), 1, {"those of another checkpoint"});
  // States before edits that are damaged.
  tensors.erase("structure");
  const auto earlier = [&](std::int64_t bytes) {
    for (const char* name : {"coords", "feats"}) tensors.insert_or_assign(std::string("earlier.1.") + name, file.load(name));
    tensors.insert_or_assign("earlier.1.touched",
                             HostTensor::from(std::vector<std::uint8_t>(static_cast<std::size_t>(bytes)), {bytes, 1}));
    save_safetensors(other, tensors, metadata);
  };
  earlier(64 * 64 * 64 / 8 - 1);
  refused(editing("a.safetensors", {"--appearance-only"}, other.string()), 1, {"earlier.1.touched"});
  earlier(64 * 64 * 64 / 8);
  tensors.erase("earlier.1.feats");
  save_safetensors(other, tensors, metadata);
  refused(editing("a.safetensors", {"--appearance-only"}, other.string()), 1, {"earlier.1.feats"});
  for (const char* name : {"coords", "feats"}) tensors.erase(name);
  metadata.erase("resolution");
  save_safetensors(other, tensors, metadata);
  refused(editing("a.safetensors", {}, other.string()), 1, {"has no voxels", "--save-asset"});
  refused(editing("a.safetensors", {}, example("06-snowman.png").string()), 1, {"06-snowman.png"});
  const std::string mesh = (root_ / "mesh.obj").string();
  write_text(mesh, "v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n");
  for (const std::string& input : {latent(), mesh})
    refused(editing("a.safetensors", {}, input), 1, {input, "takes an asset that --save-asset wrote", "espalier vary"});
  refused({"edit", asset(), "--region", kTop, "-o", out("a.glb")}, 2, {"--image", "--prompt"});
  refused({"edit", asset(), "--region", kTop, "--prompt", "a hat", "-o", out("a.glb"), "--device", "cpu", "--model", "sprout"},
          1, {"makes assets from images"});
  refused({"edit", "--region", kTop, "--image", example("12-mushroom.png").string(), "-o", out("a.glb")}, 2,
          {"edit takes one saved asset"});
  refused(editing("a.safetensors", {"--rim", "17"}), 2, {"--rim"});
  refused(editing("a.safetensors", {"-o", out("a.glb"), "--project-image"}), 2, {"--project-image"});
}

}  // namespace
}  // namespace espalier::test
