// Remaining time of jobs that run exactly as planned, or all slower, or not evenly.
#include "session/job_clock.h"

#include <gtest/gtest.h>

#include "finishing/costs.h"

namespace espalier {
namespace {

using Clock = JobClock::Clock;

Clock::time_point after(double seconds) {
  return Clock::time_point() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

// Plays the stages, each `slower` times as long as planned, and hands what is announced to `check(elapsed, total, progress)`.
template <class Check>
void play(JobClock& clock, const std::vector<PlannedStage>& stages, double slower, Check check) {
  double total = 0.0, start = 0.0;
  for (const PlannedStage& stage : stages) total += slower * stage.seconds;
  for (const PlannedStage& stage : stages) {
    constexpr int kSteps = 50;
    for (int step = 0; step <= kSteps; ++step) {
      const double elapsed = start + slower * stage.seconds * share_of_time(stage, static_cast<double>(step) / kSteps);
      check(elapsed, total, clock.at(stage.stage, step, kSteps, after(elapsed)));
    }
    start += slower * stage.seconds;
  }
}

std::vector<PlannedStage> uneven_job() {
  return {{Stage::encode_image, 3.0},
          stage_of_steps(Stage::clean_mesh, StageKind::finishing, {{0.3, 0.5}, {0.7, 8.0}, {1.0, 0.5}}),
          stage_of_steps(Stage::unwrap_mesh, StageKind::finishing, {{0.6, 1.0}, {1.0, 3.0}}),
          {Stage::bake_texture, 9.0, StageKind::finishing}};
}

TEST(JobClock, AJobAsPlannedIsToldExactly) {
  const auto stages = uneven_job();
  JobClock clock(stages, after(0));
  play(clock, stages, 1.0, [](double elapsed, double total, const Progress& p) {
    if (p.seconds_left < 0) return;
    EXPECT_NEAR(p.seconds_left, total - elapsed, 0.02) << stage_id(p.stage) << " " << p.step;
    EXPECT_NEAR(p.fraction, elapsed / total, 0.01);
  });
}

TEST(JobClock, ASlowMachineIsNoticedEarly) {
  for (const double slower : {0.4, 3.0}) {
    const auto stages = uneven_job();
    JobClock clock(stages, after(0));
    double fraction = 0.0;
    play(clock, stages, slower, [&](double elapsed, double total, const Progress& p) {
      EXPECT_GE(p.fraction, fraction);
      fraction = p.fraction;
      if (elapsed < 0.25 * total || elapsed > 0.98 * total) return;
      EXPECT_NEAR(p.seconds_left, total - elapsed, 0.3 * (total - elapsed))
          << slower << " " << stage_id(p.stage) << " " << p.step;
    });
  }
}

TEST(JobClock, BetterFiguresReplaceThePlan) {
  const auto stages = uneven_job();
  auto rough = stages;
  for (PlannedStage& stage : rough) {
    if (stage.kind == StageKind::finishing) stage = {stage.stage, 100.0, StageKind::finishing};
  }
  JobClock clock(rough, after(0));
  EXPECT_GT(clock.at(Stage::encode_image, 1, 2, after(1.5)).seconds_left, 250.0);
  clock.replan(stages);
  play(clock, stages, 1.0, [](double elapsed, double total, const Progress& p) {
    if (p.stage == Stage::encode_image) return;
    EXPECT_NEAR(p.seconds_left, total - elapsed, 0.02) << stage_id(p.stage) << " " << p.step;
  });
}

TEST(JobClock, UnknownStagesAndStepsDoNoHarm) {
  JobClock clock(uneven_job(), after(0));
  EXPECT_GE(clock.at(Stage::render_views, 7, 0, after(1)).fraction, 0.0);
  EXPECT_LE(clock.at(Stage::bake_texture, 9, 3, after(2)).fraction, 1.0);
  EXPECT_EQ(JobClock({}, after(0)).at(Stage::render_views, 1, 2, after(1)).seconds_left, -1.0);
}

TEST(JobCosts, GrowWithWhatThereIsToDo) {
  const DeviceChoice cpu;
  const auto seconds = [&](const FinishRequest& request, const JobSizes& sizes, SurfaceRule surface = SurfaceRule::reference) {
    double sum = 0.0;
    for (const PlannedStage& stage : finishing_costs(cpu, request, sizes, surface)) {
      EXPECT_GT(stage.seconds, 0.0) << stage_id(stage.stage);
      double last = 0.0;
      for (const PlannedStep& step : stage.steps) {
        EXPECT_GT(step.done, last) << stage_id(stage.stage);
        last = step.done;
      }
      EXPECT_EQ(stage.steps.empty() ? 1.0 : last, 1.0) << stage_id(stage.stage);
      sum += stage.seconds;
    }
    return sum;
  };
  const double usual = seconds({}, {});
  EXPECT_LT(seconds({}, {.voxels = 3000}), 0.7 * usual);
  EXPECT_LT(seconds({.texture = false}, {}), 0.7 * usual);
  EXPECT_LT(seconds({.clean = false}, {}), 0.95 * usual);
  EXPECT_LT(seconds({.views = 20}, {}), 0.8 * usual);
  EXPECT_LT(seconds({}, {}, SurfaceRule::solid), 0.95 * usual) << "a solid is not searched for interior faces";
  EXPECT_GT(seconds({.bake_radiance_field = true}, {}), 2.0 * usual);
  EXPECT_GT(seconds({.project_image = true}, {.images = 4}), seconds({.project_image = true}, {.images = 1}) + 1.0);
}

// A machine where cleaning and baking take eight times as long as planned and the networks half as long: what jobs before have
// shown makes the bar follow the clock.
TEST(JobClock, WithThePaceOfJobsBeforeTheBarIsNeverTenPercentAhead) {
  const auto planned = uneven_job();
  const std::map<Stage, double> pace{
      {Stage::encode_image, 0.5}, {Stage::clean_mesh, 8.0}, {Stage::unwrap_mesh, 1.0}, {Stage::bake_texture, 8.0}};
  const auto real = at_pace(planned, pace);
  EXPECT_DOUBLE_EQ(real[1].seconds, 8.0 * planned[1].seconds);
  EXPECT_DOUBLE_EQ(real[1].steps[1].seconds, 8.0 * planned[1].steps[1].seconds);
  const auto most_ahead = [&](JobClock clock) {
    double most = 0.0;
    play(clock, real, 1.0,
         [&](double elapsed, double total, const Progress& p) { most = std::max(most, p.fraction - elapsed / total); });
    return most;
  };
  EXPECT_GT(most_ahead(JobClock(planned, after(0))), 0.1);
  // Learned from jobs of other sizes, each figure is a third off in the worst direction.
  std::map<Stage, double> learned = pace;
  for (auto& [stage, factor] : learned) factor *= stage == Stage::encode_image ? 1.3 : 0.75;
  EXPECT_LT(most_ahead(JobClock(at_pace(planned, learned), after(0))), 0.1);
  EXPECT_LT(most_ahead(JobClock(at_pace(planned, pace), after(0))), 0.01);
}

TEST(PlannedStage, LongerStagesKeepTheSharesOfTheirSteps) {
  PlannedStage stage = stage_of_steps(Stage::sample_latent, StageKind::network, {{0.5, 4.0}, {1.0, 0.0}});
  EXPECT_EQ(share_of_time(stage, 0.25), 0.5);
  stage.take_times(3.0);
  EXPECT_EQ(stage.seconds, 12.0);
  EXPECT_EQ(share_of_time(stage, 0.25), 0.5);
  EXPECT_EQ(share_of_time(stage, 0.75), 1.0);  // steps without an evaluation take no time
}

}  // namespace
}  // namespace espalier
