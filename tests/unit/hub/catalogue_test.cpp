// The catalogue against the published configurations, byte for byte, and names.
#include "hub/catalogue.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "hub/digest.h"
#include "hub/references.h"
#include "support/data.h"

namespace espalier::hub {
namespace {

namespace fs = std::filesystem;
using test::data_path;

TEST(Catalogue, HasTheHashesOfThePublishedConfigurations) {
  const Model* const model = find_known("trellis-image-large");
  ASSERT_NE(model, nullptr);
  int compared = 0;
  for (const KnownFile& file : model->parts.front().files) {
    const fs::path path = data_path("published/image-large") / file.path;
    if (!fs::exists(path)) continue;
    EXPECT_EQ(fs::file_size(path), file.bytes) << file.path;
    EXPECT_EQ(digest_of_file(path, DigestKind::sha256).hex, file.sha256) << file.path;
    ++compared;
  }
  EXPECT_EQ(compared, 9);
  // As the hub names it.
  EXPECT_EQ(digest_of_file(data_path("published/image-large/pipeline.json"), DigestKind::git_sha1).hex,
            "4141e1025889c44ec0dc9239157c4226d8387da0");
}

TEST(Catalogue, AddsUpToThePublishedSizes) {
  EXPECT_EQ(find_known("trellis-image-large")->bytes(), 4516846652U);
  EXPECT_EQ(find_known("trellis-text-base")->parts.front().bytes(), 700156352U);
  EXPECT_EQ(find_known("trellis-text-large")->parts.front().bytes(), 2284194248U);
  EXPECT_EQ(find_known("trellis-text-xlarge")->parts.front().bytes(), 4127470200U);
}

TEST(Catalogue, IsWellFormed) {
  std::set<std::string> names;
  for (const Model& model : catalogue()) {
    EXPECT_TRUE(names.insert(model.name).second) << model.name;
    ASSERT_FALSE(model.parts.empty());
    for (const Part& part : model.parts) {
      EXPECT_EQ(part.source == Source::hub, parse_repository(part.repository).has_value());
      EXPECT_EQ(part.source == Source::hub, part.revision.size() == 40) << part.repository;
      EXPECT_EQ(part.source == Source::hub, part.url.empty());
      for (const KnownFile& file : part.files) {
        EXPECT_TRUE(is_safe_path(file.path)) << file.path;
        EXPECT_TRUE(file.sha256.empty() || digest_of_etag(file.sha256).kind == DigestKind::sha256) << file.path;
        EXPECT_TRUE(part.source == Source::hub || !file.sha256.empty()) << file.path;
      }
    }
  }
}

TEST(Catalogue, KnowsOtherNames) {
  for (const char* name :
       {"trellis-image-large", "TRELLIS-image-large", "microsoft/TRELLIS-image-large", "JeffreyXiang/TRELLIS-image-large"}) {
    ASSERT_NE(find_known(name), nullptr) << name;
    EXPECT_EQ(find_known(name)->name, "trellis-image-large");
  }
  EXPECT_EQ(find_known("isnet-general-use")->name, "isnet");
  EXPECT_EQ(find_known("microsoft/TRELLIS-image-large@main"), nullptr);
  EXPECT_EQ(find_known("someone/TRELLIS-image-large"), nullptr);
}

TEST(Catalogue, OwnersThatMovedAreOne) {
  EXPECT_EQ(current_repository("JeffreyXiang/TRELLIS-text-base"), "microsoft/TRELLIS-text-base");
  EXPECT_EQ(current_repository("someone/TRELLIS-text-base"), "someone/TRELLIS-text-base");
  EXPECT_EQ(spellings_of("JeffreyXiang/TRELLIS-x"),
            (std::vector<std::string>{"microsoft/TRELLIS-x", "JeffreyXiang/TRELLIS-x"}));
  EXPECT_EQ(spellings_of("a/b"), std::vector<std::string>{"a/b"});
}

TEST(Catalogue, ParsesRepositories) {
  EXPECT_EQ(parse_repository("a/b")->repository, "a/b");
  EXPECT_EQ(parse_repository("a/b@refs/pr/1")->revision, "refs/pr/1");
  for (const char* bad : {"a", "a/b/c", "../b", "a/..", "a/b@", "a/b@../x", "a b/c", "/b", "a/", "a/b@x y", "-a/b"})
    EXPECT_FALSE(parse_repository(bad)) << bad;
}

TEST(Catalogue, NamesImageEncoders) {
  EXPECT_EQ(image_encoder_file("dinov2_vitl14_reg"), "dinov2_vitl14_reg4_pretrain.pth");
  EXPECT_EQ(image_encoder_file("dinov2_vitb14"), "dinov2_vitb14_pretrain.pth");
  EXPECT_EQ(image_encoder_file("../dinov2_vitb14"), "");
  EXPECT_EQ(image_encoder_file("dinov2_vit/../x"), "");
}

}  // namespace
}  // namespace espalier::hub
