// Finishing asks whether it should stop, in every stage, and stops.
#include <gtest/gtest.h>

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
  EXPECT_EQ(finished.finish_report()->pictures.size(), 1U);
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

}  // namespace
}  // namespace espalier
