#include "session/job_clock.h"

#include <algorithm>

namespace espalier {
namespace {

// Share of a stage's time that must have gone before its own pace says anything, and before it says all.
constexpr double kOwnPace = 0.05, kOnlyOwnPace = 0.35;

}  // namespace

void PlannedStage::take_times(double factor) {
  seconds *= factor;
  for (PlannedStep& step : steps) step.seconds *= factor;
}

PlannedStage stage_of_steps(Stage stage, StageKind kind, std::vector<PlannedStep> steps) {
  PlannedStage planned{stage, 0.0, kind, std::move(steps)};
  for (const PlannedStep& step : planned.steps) planned.seconds += step.seconds;
  return planned;
}

double share_of_time(const PlannedStage& stage, double done) {
  if (stage.steps.empty() || !(stage.seconds > 0.0)) return done;
  double before = 0.0, seconds = 0.0;
  for (const PlannedStep& step : stage.steps) {
    if (done < step.done) return (seconds + step.seconds * (done - before) / (step.done - before)) / stage.seconds;
    seconds += step.seconds;
    before = step.done;
  }
  return 1.0;
}

std::vector<PlannedStage> at_pace(std::vector<PlannedStage> stages, const std::map<Stage, double>& pace) {
  for (PlannedStage& stage : stages) {
    const auto found = pace.find(stage.stage);
    if (found == pace.end() || !(found->second > 0.0)) continue;
    stage.take_times(found->second);
  }
  return stages;
}

JobClock::JobClock(std::vector<PlannedStage> stages, Clock::time_point start) : stages_(std::move(stages)), start_(start) {}

void JobClock::replan(const std::vector<PlannedStage>& stages) {
  for (std::size_t i = current_ + 1; i < stages_.size(); ++i) {
    const auto found =
        std::find_if(stages.begin(), stages.end(), [&](const PlannedStage& s) { return s.stage == stages_[i].stage; });
    if (found != stages.end()) stages_[i] = *found;
  }
}

// How much slower than planned stages of this kind are, the present one as far as it has come; stages of the other kind are the
// next best guess. The first stage of a kind says little about others until it has ended: its share that is `done`, squared.
double JobClock::pace(StageKind kind, const Tally& present, double done) const {
  const auto ratio = [&](StageKind of) {
    Tally tally = tallies_[static_cast<std::size_t>(of)];
    if (stages_[current_].kind == of) {
      tally.planned += present.planned;
      tally.taken += present.taken;
    }
    return tally.planned > 0.0 ? tally.taken / tally.planned : -1.0;
  };
  const double own = ratio(kind);
  if (own > 0.0 && tallies_[static_cast<std::size_t>(kind)].planned > 0.0) return own;
  const double other = ratio(kind == StageKind::network ? StageKind::finishing : StageKind::network);
  const double guess = other > 0.0 ? std::clamp(other, 0.5, 2.0) : 1.0;
  return own > 0.0 ? guess + done * done * (own - guess) : guess;
}

void JobClock::enter(std::size_t stage, double elapsed) {
  Tally& tally = tallies_[static_cast<std::size_t>(stages_[current_].kind)];
  for (std::size_t i = current_; i < stage; ++i) tally.planned += stages_[i].seconds;
  tally.taken += elapsed - entered_;
  current_ = stage;
  entered_ = elapsed;
}

Progress JobClock::at(Stage stage, int step, int steps, Clock::time_point now) {
  Progress p;
  p.stage = stage;
  p.step = step;
  p.steps = steps;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const auto found = std::find_if(stages_.begin() + static_cast<std::ptrdiff_t>(current_), stages_.end(),
                                  [&](const PlannedStage& s) { return s.stage == stage; });
  if (found != stages_.end()) {
    const auto index = static_cast<std::size_t>(found - stages_.begin());
    if (index > current_) enter(index, elapsed);
  }
  if (stages_.empty()) return p;
  const PlannedStage& current = stages_[current_];
  const double done = share_of_time(current, std::clamp(static_cast<double>(step) / std::max(1, steps), 0.0, 1.0));
  const double taken = elapsed - entered_;
  const Tally present = done > kOwnPace ? Tally{current.seconds * done, taken} : Tally{};
  double left = current.seconds * pace(current.kind, present, done) * (1.0 - done);
  if (done > kOwnPace) {
    const double trust = std::min(1.0, done / kOnlyOwnPace);
    left += trust * (taken * (1.0 - done) / done - left);
  }
  for (std::size_t i = current_ + 1; i < stages_.size(); ++i) left += stages_[i].seconds * pace(stages_[i].kind, present, done);
  if (elapsed + left > 0.0) fraction_ = std::max(fraction_, elapsed / (elapsed + left));
  p.fraction = std::min(fraction_, 1.0);
  if (current_ > 0 || done > kOwnPace) p.seconds_left = left;
  return p;
}

}  // namespace espalier
