// Several images on one command line.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "image/codec.h"
#include "program.h"
#include "support/data.h"
#include "support/temporary_folder.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class OneEach : public ::testing::Test {
 protected:
  [[nodiscard]] std::string out(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] Words sampling(const Words& images, const Words& arguments) const {
    Words all{"generate"};
    all.insert(all.end(), images.begin(), images.end());
    const Words quick{"--device",          "cpu", "--structure-steps",    "1", "--latent-steps", "1",
                      "--latent-guidance", "0",   "--structure-guidance", "0", "--raw-mesh",     "--quiet"};
    all.insert(all.end(), quick.begin(), quick.end());
    all.insert(all.end(), arguments.begin(), arguments.end());
    return all;
  }

  const TemporaryFolder folder_;
  const std::string dragon_ = data_path("images/typical_humanoid_dragonborn.in.webp").string();
  const std::string blob_ = data_path("images/blob_a.in.png").string();
};

TEST_F(OneEach, EveryImageBecomesAnAssetOfItsOwn) {
  const Outcome made = espalier(sampling({dragon_, blob_}, {"--out-dir", out("new/folder"), "--json"}));
  ASSERT_EQ(made.code, 0) << made.err;
  const auto reports = nlohmann::json::parse(made.out);
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[0].at("image"), dragon_);
  EXPECT_EQ(reports[1].at("record").at("image 1"), "blob_a.in.png");
  EXPECT_FALSE(reports[1].at("record").contains("image 2"));
  const std::string first = read_text(folder_ / "new/folder/typical_humanoid_dragonborn.in.glb");
  const std::string second = read_text(folder_ / "new/folder/blob_a.in.glb");
  EXPECT_NE(first, second);
  EXPECT_NE(second.find("\"name\":\"blob_a_in\""), std::string::npos);
}

TEST_F(OneEach, ThePlaceOfTheNameIsFilled) {
  const Outcome made = espalier(sampling({blob_}, {"-o", out("x-{name}.mesh.ply"), "-o", out("{name}.glb")}));
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(fs::exists(folder_ / "x-blob_a.in.mesh.ply"));
  EXPECT_TRUE(fs::exists(folder_ / "blob_a.in.glb"));
}

TEST_F(OneEach, ThePlaceOfTheSeedIsFilled) {
  const Outcome made = espalier(sampling({blob_}, {"--seed", "5", "-o", out("{name}-{seed}.mesh.ply")}));
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_TRUE(fs::exists(folder_ / "blob_a.in-5.mesh.ply"));
}

TEST_F(OneEach, AnEndingAloneIsNoName) {
  expect_refusal(espalier(sampling({blob_}, {"-o", out(".glb")})), 2, {".glb is an ending without a name", "asset.glb"});
  expect_empty(folder_.path());
}

TEST_F(OneEach, NothingIsMergedOrOverwrittenSilently) {
  expect_refusal(espalier(sampling({dragon_, blob_}, {"-o", out("a.glb")})), 2, {"2 images", "a.glb", "{name}", "--views"});
  const fs::path twin = folder_ / "twin";
  fs::create_directory(twin);
  fs::copy_file(blob_, twin / "blob_a.in.png");
  const TemporaryFolder other;
  expect_refusal(espalier(sampling({blob_, (twin / "blob_a.in.png").string()}, {"-o", (other / "{name}.glb").string()})), 2,
                 {"blob_a.in.glb", "twin"});
  expect_empty(other.path());
}

TEST_F(OneEach, OneThatFailsDoesNotStopTheOthers) {
  // Without a transparent pixel alpha is refused, which shows only when the image is prepared.
  const Image opaque(64, 64, 3);
  const auto bytes = encode_png(opaque);
  write_text(folder_ / "opaque.png", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const Outcome made = espalier(sampling({out("opaque.png"), dragon_}, {"--background", "alpha", "--out-dir", out("o")}));
  EXPECT_EQ(made.code, 1);
  EXPECT_NE(made.err.find("1 of 2 images"), std::string::npos) << made.err;
  EXPECT_TRUE(fs::exists(folder_ / "o/typical_humanoid_dragonborn.in.glb"));
}

TEST_F(OneEach, ADamagedFileDoesNotStopTheOthers) {
  write_text(folder_ / "cut.png", read_text(dragon_).substr(0, 300));
  const Outcome made = espalier(sampling({out("cut.png"), out("nothing.png"), dragon_}, {"--out-dir", out("o"), "--json"}));
  EXPECT_EQ(made.code, 1);
  EXPECT_TRUE(fs::exists(folder_ / "o/typical_humanoid_dragonborn.in.glb"));
  for (const char* words : {"2 of 3 images became no asset", "failed: 1 of 3: ", "cut.png", "failed: 2 of 3: ", "nothing.png"})
    EXPECT_NE(made.err.find(words), std::string::npos) << words << "\n" << made.err;
  const auto reports = nlohmann::json::parse(made.out);
  ASSERT_EQ(reports.size(), 3U);
  EXPECT_TRUE(reports[0].contains("error"));
  EXPECT_EQ(reports[1].at("image"), out("nothing.png"));
  EXPECT_FALSE(reports[2].contains("error"));
}

TEST_F(OneEach, TogetherTheyAreWhatEachIsAlone) {
  const Image opaque(64, 64, 3);
  const auto bytes = encode_png(opaque);
  write_text(folder_ / "opaque.png", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  const Words images{blob_, out("opaque.png"), dragon_};
  const Words common{"--background", "alpha", "--decode", "gaussians", "-o"};
  const auto with = [&](const Words& more) {
    Words all = common;
    all.insert(all.end(), more.begin(), more.end());
    return espalier(sampling(images, all));
  };
  const Outcome alone = with({out("alone-{name}.ply")});
  const Outcome together = with({out("{name}.ply"), "--max-batch", "3", "--json"});
  EXPECT_EQ(alone.code, 1);
  EXPECT_EQ(together.code, 1);
  EXPECT_NE(together.err.find("1 of 3 images"), std::string::npos) << together.err;
  for (const char* name : {"blob_a.in.ply", "typical_humanoid_dragonborn.in.ply"})
    EXPECT_TRUE(read_text(folder_ / name) == read_text(folder_ / (std::string("alone-") + name))) << name;
  const auto reports = nlohmann::json::parse(together.out);
  ASSERT_EQ(reports.size(), 3U);
  EXPECT_EQ(reports[0].at("image"), blob_);
  EXPECT_TRUE(reports[1].contains("error"));
  EXPECT_EQ(reports[2].at("image"), dragon_);
  for (const auto& stage : reports[2].at("stages")) {
    const bool sampled = stage.at("stage") == "sample-structure" || stage.at("stage") == "sample-latent";
    EXPECT_EQ(stage.at("assets"), sampled ? 2 : 1) << stage;
  }
}

TEST_F(OneEach, ViewsThatDoNotLookAlikeAreDoubted) {
  const Outcome doubted = espalier(sampling({dragon_, blob_}, {"--views", "-o", out("a.glb")}));
  ASSERT_EQ(doubted.code, 0) << doubted.err;
  EXPECT_NE(doubted.err.find("do not look like views of one object"), std::string::npos) << doubted.err;
  const Outcome alike = espalier(sampling({dragon_, dragon_}, {"--views", "-o", out("b.glb")}));
  ASSERT_EQ(alike.code, 0) << alike.err;
  EXPECT_EQ(alike.err.find("views of one object"), std::string::npos) << alike.err;
}

}  // namespace
}  // namespace espalier::test
