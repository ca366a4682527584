#include <gtest/gtest.h>

#include <filesystem>

#include "api/asset.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

using test::expect_error;
using test::TemporaryFolder;

Gaussians one_gaussian() {
  Gaussians g;
  g.xyz = {0, 0, 0};
  g.dc = {1, 0, 0};
  g.scale = {0.1F, 0.1F, 0.1F};
  g.rotation = {1, 0, 0, 0};
  g.opacity = {0.9F};
  return g;
}

// Whoever reads the file later could not tell that something is missing.
TEST(SaveAsset, AMeshThatWasAskedForAndIsNotThereIsAnError) {
  const TemporaryFolder folder;
  AssetBuilder builder;
  builder.gaussians(one_gaussian());
  builder.mesh(Mesh{});
  const Asset asset = builder.build();
  expect_error(ErrorCode::invalid_argument, {"asset.safetensors", "no faces", "another seed"},
               [&] { asset.save_asset(folder / "asset.safetensors"); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));

  AssetBuilder without;  // a mesh was not asked for
  without.gaussians(one_gaussian());
  without.build().save_asset(folder / "asset.safetensors");
  EXPECT_EQ(load_asset(folder / "asset.safetensors").gaussian_count(), 1);
}

TEST(LoadAsset, AFileThatIsCutOffIsAnError) {
  const TemporaryFolder folder;
  AssetBuilder builder;
  builder.gaussians(one_gaussian());
  builder.build().save_asset(folder / "asset.safetensors");
  std::filesystem::resize_file(folder / "asset.safetensors", std::filesystem::file_size(folder / "asset.safetensors") - 1);
  expect_error(ErrorCode::format, {"asset.safetensors"}, [&] { (void)load_asset(folder / "asset.safetensors"); });
}

}  // namespace
}  // namespace espalier
