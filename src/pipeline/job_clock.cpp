#include "pipeline/job_clock.h"

#include <algorithm>

namespace espalier {
namespace {

// Share of a stage that must be done before its own pace says more than the plan.
constexpr double kOwnPace = 0.05;

}  // namespace

JobClock::JobClock(std::vector<PlannedStage> stages, Clock::time_point start) : stages_(std::move(stages)), start_(start) {}

// How much slower than planned stages of this kind were; stages of the other kind are the next best guess.
double JobClock::pace(StageKind kind) const {
  const Tally& own = tallies_[static_cast<std::size_t>(kind)];
  if (own.planned > 0.0) return own.taken / own.planned;
  const Tally& other = tallies_[1 - static_cast<std::size_t>(kind)];
  return other.planned > 0.0 ? std::clamp(other.taken / other.planned, 0.5, 2.0) : 1.0;
}

void JobClock::enter(std::size_t stage, double elapsed) {
  Tally& tally = tallies_[static_cast<std::size_t>(stages_[current_].kind)];
  for (std::size_t i = current_; i < stage; ++i) tally.planned += stages_[i].seconds;
  tally.taken += elapsed - entered_;
  current_ = stage;
  entered_ = elapsed;
}

Progress JobClock::at(const std::string& stage, int step, int steps, Clock::time_point now) {
  Progress p;
  p.stage = stage;
  p.step = step;
  p.steps = steps;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const auto found = std::find_if(stages_.begin() + static_cast<std::ptrdiff_t>(current_), stages_.end(),
                                  [&](const PlannedStage& s) { return s.name == stage; });
  if (found != stages_.end()) {
    const auto index = static_cast<std::size_t>(found - stages_.begin());
    if (index > current_) enter(index, elapsed);
  }
  if (stages_.empty()) return p;
  const double done = std::clamp(static_cast<double>(step) / std::max(1, steps), 0.0, 1.0);
  const PlannedStage& current = stages_[current_];
  double left = current.seconds * pace(current.kind) * (1.0 - done);
  if (done > kOwnPace) left = (elapsed - entered_) * (1.0 - done) / done;
  for (std::size_t i = current_ + 1; i < stages_.size(); ++i) left += stages_[i].seconds * pace(stages_[i].kind);
  if (elapsed + left > 0.0) fraction_ = std::max(fraction_, elapsed / (elapsed + left));
  p.fraction = std::min(fraction_, 1.0);
  if (current_ > 0 || done > kOwnPace) p.seconds_left = left;
  return p;
}

}  // namespace espalier
