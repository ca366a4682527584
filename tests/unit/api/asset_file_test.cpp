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
TEST(SaveAsset, WhatWasAskedForAndIsNotThereIsAnError) {
  const TemporaryFolder folder;
  const auto refused = [&](AssetBuilder builder, const char* what) {
    const Asset asset = builder.build();
    expect_error(ErrorCode::invalid_argument, {"asset.safetensors", what, "another seed"},
                 [&] { asset.save_asset(folder / "asset.safetensors"); });
    expect_error(ErrorCode::invalid_argument, {what}, [&] { (void)asset.encode("asset"); });
  };
  AssetBuilder mesh, gaussians, field;
  mesh.gaussians(one_gaussian());
  mesh.mesh(Mesh{});
  refused(std::move(mesh), "no faces");
  Mesh triangle;
  triangle.vertices = {0, 0, 0, 1, 0, 0, 0, 1, 0};
  triangle.faces = {0, 1, 2};
  gaussians.mesh(triangle);
  gaussians.gaussians(Gaussians{});
  const Asset asset = gaussians.so_far();
  for (const char* name : {"x.ply", "x.spz", "x.splat"})
    expect_error(ErrorCode::invalid_argument, {"no Gaussians"}, [&] { asset.save(folder / name); });
  refused(std::move(gaussians), "Gaussians were asked for");
  field.gaussians(one_gaussian());
  field.radiance_field(RadianceField{});
  refused(std::move(field), "radiance field");
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
