// Several seeds in one run, and structures that are kept.
#include <gtest/gtest.h>

#include <filesystem>

#include "program.h"
#include "support/temporary_folder.h"
#include "weights/safetensors.h"

namespace espalier::test {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

class Series : public ::testing::Test {
 protected:
  [[nodiscard]] std::string out(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] Words making(const Words& more) const {
    Words all{"generate", image_, "--device", "cpu", "--latent-steps", "2", "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  void make(const Words& more) const {
    const Outcome outcome = espalier(making(more));
    ASSERT_EQ(outcome.code, 0) << outcome.err;
  }
  void refused(const Words& more, int code, const Words& words) const { expect_refusal(espalier(making(more)), code, words); }
  [[nodiscard]] bool same(const char* a, const char* b) const { return read_text(folder_ / a) == read_text(folder_ / b); }

  const std::string image_ = (shipped_checkpoint().parent_path().parent_path() / "examples/06-snowman.png").string();
  const std::string other_ = (fs::path(image_).parent_path() / "07-plane.png").string();
  const TemporaryFolder folder_;
};

TEST_F(Series, EverySeedGivesWhatItGivesAlone) {
  make({"--seeds", "7,3", "-o", out("a.ply"), "-o", out("{seed}.splats.glb"), "--save-asset", out("a.safetensors"), "--sheet",
        out("sheet.png"), "--decode", "gaussians"});
  for (const char* name : {"a-7.ply", "a-3.ply", "7.splats.glb", "3.splats.glb", "a-7.safetensors", "a-3.safetensors"})
    EXPECT_TRUE(fs::exists(folder_ / name)) << name;
  EXPECT_FALSE(fs::exists(folder_ / "a.ply"));
  EXPECT_GT(fs::file_size(folder_ / "sheet.png"), 10'000U);
  make({"--seed", "3", "-o", out("alone.ply")});
  EXPECT_TRUE(same("a-3.ply", "alone.ply"));
  make({"--seeds", "7,3", "-o", out("{seed}-together.ply"), "--max-batch", "2"});
  EXPECT_TRUE(same("a-7.ply", "7-together.ply"));
  EXPECT_TRUE(same("a-3.ply", "3-together.ply"));
  EXPECT_FALSE(same("a-3.ply", "a-7.ply"));
  // On the voxels of the first, with the seed of the second.
  make({"--seed", "3", "--keep-structure", out("a-7.safetensors"), "-o", out("b.ply"), "--save-asset", out("b.safetensors")});
  const SafetensorsFile first(folder_ / "a-7.safetensors"), kept(folder_ / "b.safetensors");
  for (const char* name : {"coords", "structure"}) {
    const HostTensor a = first.load(name), b = kept.load(name);
    ASSERT_EQ(a.extents(), b.extents()) << name;
  }
  EXPECT_EQ(first.load("coords").to_vector<std::int32_t>("coords"), kept.load("coords").to_vector<std::int32_t>("coords"));
  EXPECT_EQ(first.load("structure").to_vector<float>("z"), kept.load("structure").to_vector<float>("z"));
  EXPECT_NE(first.load("feats").to_vector<float>("feats"), kept.load("feats").to_vector<float>("feats"));
  // What a batch cannot do is said.
  const Outcome each = espalier({"generate", image_, other_, "--device", "cpu", "--latent-steps", "1", "--keep-structure",
                                 out("a-7.safetensors"), "--max-batch", "2", "-o", out("each-{name}.ply")});
  EXPECT_EQ(each.code, 0) << each.err;
  EXPECT_NE(each.err.find("--max-batch is left aside"), std::string::npos) << each.err;
}

TEST_F(Series, WhatDoesNotGoTogetherIsRefusedInOneLine) {
  for (const char* seeds : {"", "1,", "1,1", "-1", "a", "4294967296", "1.5"})
    refused({"--seeds", seeds, "-o", out("a.ply")}, 2, {"--seeds"});
  refused({"--seeds", "1,2", "-o", out("a.ply"), "--json"}, 2, {"--json", "--seeds"});
  refused({"--keep-structure", image_, "-o", out("a.ply")}, 1, {"06-snowman.png"});
  refused({"--keep-structure", out("none.safetensors"), "-o", out("a.ply")}, 1, {"none.safetensors"});
  refused({"--seeds", "1,2", "-o", out("no/such/a.ply")}, 1, {"no/such"});
  expect_empty(folder_.path());
}

}  // namespace
}  // namespace espalier::test
