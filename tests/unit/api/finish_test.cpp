// Finishing asks whether it should stop, in every stage, and stops.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "cli/ball.h"
#include "espalier/espalier.h"
#include "support/errors.h"
#include "support/temporary_folder.h"

namespace espalier {
namespace {

class Finish : public ::testing::Test {
 protected:
  Finish() {
    test::write_ball(folder_ / "ball.safetensors");
    asset_ = load_asset(folder_ / "ball.safetensors");
    request_.faces = 1000;
    request_.texture_size = 512;
    request_.views = 12;
    request_.view_size = 256;
    request_.project_image = true;
  }
  const test::TemporaryFolder folder_;
  Asset asset_;
  FinishRequest request_;
};

TEST_F(Finish, LooksAtCancellationInEveryStage) {
  Stage stage = Stage::encode_image;
  std::map<Stage, int> looks;
  const Observer observer{.progress = [&](const Progress& p) { stage = p.stage; },
                          .cancelled =
                              [&] {
                                ++looks[stage];
                                return false;
                              }};
  const Asset finished = finish(asset_, request_, "cpu", observer);
  // Views that are counted, judged or baked, sweeps, collapses: each is a piece of work far below a second.
  EXPECT_GT(looks[Stage::clean_mesh], 20);
  EXPECT_GT(looks[Stage::unwrap_mesh], 5);
  EXPECT_GT(looks[Stage::bake_texture], request_.views + 10);
  EXPECT_GT(looks[Stage::project_images], 500);
  ASSERT_EQ(finished.stages().size(), 4U);
  EXPECT_EQ(finished.finish_report()->images.size(), 1U);
}

TEST_F(Finish, StopsInEveryStage) {
  for (const Stage wanted : {Stage::clean_mesh, Stage::unwrap_mesh, Stage::bake_texture, Stage::project_images}) {
    SCOPED_TRACE(stage_id(wanted));
    request_.clean = wanted == Stage::clean_mesh;
    Stage stage = Stage::encode_image;
    int looks = 0, after = 0;
    const Observer observer{.progress = [&](const Progress& p) { stage = p.stage; },
                            .cancelled =
                                [&] {
                                  if (stage == wanted) ++looks;
                                  const bool stop = looks > 3;
                                  if (stop) ++after;
                                  return stop;
                                }};
    test::expect_error(ErrorCode::cancelled, {}, [&] { (void)finish(asset_, request_, "cpu", observer); });
    EXPECT_EQ(stage, wanted);
    EXPECT_LE(after, 16) << "work went on after the request to stop";
  }
}

std::string glb_text(const Asset& asset) {
  const auto files = asset.encode("glb", {});
  return {reinterpret_cast<const char*>(files.front().bytes.data()), files.front().bytes.size()};
}

TEST_F(Finish, MapsAreBakedSavedAndWritten) {
  request_.project_image = false;
  request_.maps = {.normal = true, .occlusion = true};
  const Asset finished = finish(asset_, request_, "cpu");
  EXPECT_NE(finished.record().at("finishing").find("normal map, occlusion map"), std::string::npos);
  const std::string glb = glb_text(finished);
  for (const char* word : {"normalTexture", "occlusionTexture", "TANGENT"})
    EXPECT_NE(glb.find(word), std::string::npos) << word;

  finished.save_asset(folder_ / "maps.safetensors");
  EXPECT_EQ(glb_text(load_asset(folder_ / "maps.safetensors")), glb);

  EXPECT_TRUE(finished.left_out_of("glb").empty());
  EXPECT_TRUE(finished.left_out_of("usdz").empty());
  EXPECT_EQ(finished.left_out_of("obj").size(), 1U);
  EXPECT_EQ(finished.left_out_of("3mf").size(), 2U);
  const auto obj = finished.encode("obj", {});
  ASSERT_EQ(obj.size(), 4U);
  EXPECT_EQ(obj[1].name, "asset-normal.png");
  const std::string mtl(reinterpret_cast<const char*>(obj[2].bytes.data()), obj[2].bytes.size());
  EXPECT_NE(mtl.find("norm asset-normal.png"), std::string::npos) << mtl;
  EXPECT_EQ(finished.encode("gltf", {}).size(), 5U);

  // A limit of bytes holds with them, too.
  SaveOptions small;
  small.max_bytes = 60'000;
  std::uint64_t bytes = 0;
  for (const NamedBytes& file : finished.encode("glb", small)) bytes += file.bytes.size();
  EXPECT_LE(bytes, small.max_bytes);
}

TEST_F(Finish, DelightOfALitTextureChangesIt) {
  request_.project_image = false;
  const Asset plain = finish(asset_, request_, "cpu");
  request_.delight = 1.0;
  const Asset delit = finish(asset_, request_, "cpu");
  EXPECT_FALSE(std::equal(plain.texture().pixels.begin(), plain.texture().pixels.end(), delit.texture().pixels.begin()));
  EXPECT_NE(delit.record().at("finishing").find("delight 1"), std::string::npos);
  request_.delight = 1.5;
  test::expect_error(ErrorCode::invalid_argument, {"delight"}, [&] { (void)finish(asset_, request_, "cpu"); });
}

// A mesh of another program lies anywhere and has any size.
TEST_F(Finish, GivenMeshesAreFinishedWhereTheyLie) {
  request_.project_image = false;
  request_.faces = 2000;
  SaveOptions far;
  far.height = 40.0;
  far.origin = Origin::bottom;
  finish(asset_, request_, "cpu").save(folder_ / "far.glb", far);
  const Asset given = load_mesh(folder_ / "far.glb");
  const MeshSummary before = given.mesh_summary();
  FinishRequest request;
  request.faces = 500;
  request.texture_size = 512;
  const Asset finished = finish(given, request, "cpu");
  const MeshSummary after = finished.mesh_summary();
  EXPECT_LE(after.faces, 500);
  EXPECT_TRUE(after.watertight);
  for (std::size_t k = 0; k < 3; ++k) {
    EXPECT_NEAR(after.low[k], before.low[k], 0.5);
    EXPECT_NEAR(after.high[k], before.high[k], 0.5);
  }
  EXPECT_NEAR(after.high[2], 40, 0.5);
  ASSERT_EQ(finished.texture().width, 512);
  EXPECT_GT(finished.finish_report()->texels_seen, 0.999);
  request.project_image = true;
  test::expect_error(ErrorCode::invalid_argument, {"another program"}, [&] { (void)finish(given, request, "cpu"); });
}

// Without colours there is nothing to bake, unless maps are asked for.
TEST_F(Finish, GivenMeshesWithoutColoursGetATextureForMapsAlone) {
  request_.project_image = false;
  finish(asset_, request_, "cpu").save(folder_ / "plain.stl");
  const Asset given = load_mesh(folder_ / "plain.stl");
  FinishRequest request;
  request.faces = 400;
  request.texture_size = 512;
  EXPECT_EQ(finish(given, request, "cpu").texture().width, 0);
  request.maps.normal = true;
  const Asset mapped = finish(given, request, "cpu");
  EXPECT_EQ(mapped.texture().width, 512);
  EXPECT_NE(glb_text(mapped).find("normalTexture"), std::string::npos);
}

}  // namespace
}  // namespace espalier
