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
  std::string stage;
  std::map<std::string, int> looks;
  const Observer observer{.progress = [&](const Progress& p) { stage = p.stage; },
                          .cancelled =
                              [&] {
                                ++looks[stage];
                                return false;
                              }};
  const Asset finished = finish(asset_, request_, "cpu", observer);
  // Views that are counted, judged or baked, sweeps, collapses: each is a piece of work far below a second.
  EXPECT_GT(looks["cleaning the mesh"], 20);
  EXPECT_GT(looks["unwrapping the mesh"], 5);
  EXPECT_GT(looks["baking the texture"], request_.views + 10);
  EXPECT_GT(looks["projecting the pictures"], 500);
  ASSERT_EQ(finished.stages().size(), 4U);
  EXPECT_EQ(finished.finish_report()->pictures.size(), 1U);
}

TEST_F(Finish, StopsInEveryStage) {
  for (const char* wanted : {"cleaning the mesh", "unwrapping the mesh", "baking the texture", "projecting the pictures"}) {
    SCOPED_TRACE(wanted);
    request_.clean = std::string(wanted) == "cleaning the mesh";
    std::string stage;
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
