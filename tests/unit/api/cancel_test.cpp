// How soon a job that is asked to stop does so, counted in looks: time is the machine's.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "espalier/espalier.h"
#include "support/data.h"
#include "support/errors.h"

namespace espalier {
namespace {

using test::expect_error;
using test::project_path;

TEST(Cancel, IsHeardSeveralTimesInEachBlockOfAStep) {
  constexpr int kBlocks = 6;  // of sprout's flow of structures
  Pipeline pipeline({.checkpoint = project_path("models/sprout"), .device = "cpu"});
  Request request;
  request.images = {project_path("examples/02-chair.png")};
  request.structure.steps = 2;
  std::vector<int> steps;  // at each report of the stage, how often it had been asked
  int looks = 0, last = 0;
  const Observer counting{.progress =
                              [&](const Progress& p) {
                                if (p.stage != Stage::sample_structure) return;
                                steps.push_back(looks);
                                last = p.step;
                              },
                          .cancelled =
                              [&] {
                                ++looks;
                                return last == 2;
                              }};
  expect_error(ErrorCode::cancelled, {}, [&] { (void)pipeline.generate(request, counting); });
  int most = 0;
  for (std::size_t i = 1; i < steps.size(); ++i) most = std::max(most, steps[i] - steps[i - 1]);
  EXPECT_GE(most, 3 * kBlocks);
  // In the midst of the first step: nothing of it is finished.
  const int middle = steps.front() + kBlocks;
  looks = last = 0;
  const Observer stopping{.progress =
                              [&](const Progress& p) {
                                if (p.stage == Stage::sample_structure) last = std::max(last, p.step);
                              },
                          .cancelled = [&] { return ++looks >= middle; }};
  expect_error(ErrorCode::cancelled, {}, [&] { (void)pipeline.generate(request, stopping); });
  EXPECT_EQ(last, 0);
  EXPECT_EQ(looks, middle);
}

}  // namespace
}  // namespace espalier
