#include "samplers/flow_euler.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/with_cuda.h"
#include "ops/elementwise.h"
#include "ops/keep.h"
#include "samplers/limits.h"
#include "samplers/reuse.h"

namespace espalier {

void check_settings(const SamplerSettings& s, const std::string& stage) {
  const auto within = [&](const char* name, double value, double low, double high) {
    if (!(value >= low && value <= high)) {
      fail(ErrorCode::invalid_argument, stage, ": ", name, " = ", value, " is not allowed",
           hint("it must be between ", low, " and ", high));
    }
  };
  within("steps", s.steps, 1, kMostSamplingSteps);
  within("guidance strength", s.strength, 0, kMostGuidance);
  within("rescale_t", s.rescale_t, kLeastRescale, kMostRescale);
  if (!std::isfinite(s.interval_lo) || !std::isfinite(s.interval_hi)) {
    fail(ErrorCode::invalid_argument, stage, ": guidance interval = ", s.interval_lo, " is not allowed",
         hint("it must be two finite numbers"));
  }
  within("reuse", s.reuse, 1, kMostSamplingSteps);
  within("reuse order", s.reuse_order, 0, kMostReuseOrder);
  within("guidance reuse", s.guidance_reuse, 1, kMostSamplingSteps);
}

std::vector<double> flow_times(int steps, double rescale_t) {
  std::vector<double> t(static_cast<std::size_t>(steps) + 1);
  for (int i = 0; i <= steps; ++i) {
    // As numpy's linspace: start + i * step, with the last value set exactly.
    const double s = i == steps ? 0.0 : 1.0 + static_cast<double>(i) * (-1.0 / steps);
    t[static_cast<std::size_t>(i)] = rescale_t * s / (1.0 + (rescale_t - 1.0) * s);
  }
  return t;
}

std::vector<int> branches_of_step(const SamplerSettings& settings, int step, double t, int conditions) {
  std::vector<int> branches;
  if (settings.multi_image == MultiImageMode::stochastic) {
    branches.push_back(step % conditions);
  } else {
    for (int i = 0; i < conditions; ++i) branches.push_back(i);
  }
  const bool guides = settings.guided && settings.strength > 0;
  if (guides && settings.interval_lo <= t && t <= settings.interval_hi) branches.push_back(kNegative);
  return branches;
}

int fewest_branches(const SamplerSettings& settings, int conditions) {
  return settings.multi_image == MultiImageMode::stochastic ? 1 : conditions;
}

int most_branches(const SamplerSettings& settings, int conditions) {
  return fewest_branches(settings, conditions) + (settings.guided ? 1 : 0);
}

namespace {

// The steps of one sample.
template <class Dev>
class Integration {
 public:
  Integration(Queue<Dev>& queue, View<Dev, float, 1> x, const SamplerSettings& settings, int conditions,
              const Velocity<Dev>& velocity, const Keep<Dev>* keep)
      : queue_(queue),
        x_(x),
        settings_(settings),
        velocity_(velocity),
        keep_(keep),
        v_(queue.scratch().template take<float, 2>({most_branches(settings, conditions), x.extent(0)})) {
    if (keep != nullptr) fresh_ = queue.scratch().template take<float, 1>({x.extent(0)});
    if (!reuses(settings)) return;
    positive_.emplace(queue, settings.reuse_order, x.extent(0));
    if (settings.guided) difference_.emplace(queue, settings.reuse_order, x.extent(0));
  }

  // As often as the kept values want it.
  void take(const StepPlan& step) {
    const int repeats = keep_ != nullptr ? keep_->repeats : 1;
    for (int r = 0; r < repeats; ++r) {
      queue_.check();
      if (r > 0) go_back(step.next, step.t);
      hold(step.t);
      if (positive_) {
        extrapolate(step);
      } else {
        evaluate(step);
      }
      combine<Dev, float>(queue_, 1.0F, x_, static_cast<float>(-(step.t - step.next)), row(0), x_);
      hold(step.next);
    }
  }
  [[nodiscard]] View<Dev, const float, 1> guided_velocity() const { return row(0); }

 private:
  [[nodiscard]] View<Dev, float, 1> row(std::int64_t i) const { return {v_.data() + i * x_.extent(0), {x_.extent(0)}}; }

  void hold(double t) {
    if (keep_ != nullptr) keep_known<Dev, float>(queue_, keep_->known, keep_->noise, keep_->kept, static_cast<float>(t), x_);
  }
  // x at `from` becomes a sample of what the flow's forward process makes of it at `to` > from.
  void go_back(double from, double to) {
    keep_->draw(fresh_);
    const double a = (1.0 - to) / (1.0 - from);
    const double b = std::sqrt(std::max(to * to - a * a * from * from, 0.0));
    combine<Dev, float>(queue_, static_cast<float>(a), x_, static_cast<float>(b), fresh_, x_);
  }
  // The guided velocity of the step becomes the first row.
  void evaluate(const StepPlan& step) {
    const auto count = static_cast<std::int64_t>(step.branches.size());
    velocity_(x_, step.t, step.branches, v_.rows(0, count));
    const std::int64_t positive = sum_positives(step);
    const auto n = static_cast<double>(positive);
    if (step.guided) {
      combine<Dev, float>(queue_, static_cast<float>((1.0 + settings_.strength) / n), row(0),
                          static_cast<float>(-settings_.strength), row(count - 1), row(0));
    } else if (positive > 1) {
      combine<Dev, float>(queue_, static_cast<float>(1.0 / n), row(0), 0.0F, row(0), row(0));
    }
  }
  // The sum of all positives becomes the first row; returns how many they are.
  std::int64_t sum_positives(const StepPlan& step) {
    const auto count = static_cast<std::int64_t>(step.branches.size());
    const std::int64_t positive = count - (step.branches.back() == kNegative ? 1 : 0);
    for (std::int64_t b = 1; b < positive; ++b) combine<Dev, float>(queue_, 1.0F, row(0), 1.0F, row(b), row(0));
    return positive;
  }
  // The same from what this step and earlier ones evaluated.
  void extrapolate(const StepPlan& step) {
    if (!step.branches.empty()) {
      const auto count = static_cast<std::int64_t>(step.branches.size());
      velocity_(x_, step.t, step.branches, v_.rows(0, count));
      const auto n = static_cast<double>(sum_positives(step));
      const View<Dev, float, 1> mean = positive_->add(step.t);
      combine<Dev, float>(queue_, static_cast<float>(1.0 / n), row(0), 0.0F, row(0), mean);
      if (step.branches.back() == kNegative)
        combine<Dev, float>(queue_, 1.0F, mean, -1.0F, row(count - 1), difference_->add(step.t));
    }
    const double to = settings_.solver == Solver::multistep ? step.next : step.t;
    positive_->extrapolate(step.t, to, 1.0, false, row(0));
    if (step.guided) difference_->extrapolate(step.t, to, settings_.strength, true, row(0));
  }

  Queue<Dev>& queue_;
  View<Dev, float, 1> x_;
  const SamplerSettings& settings_;
  const Velocity<Dev>& velocity_;
  const Keep<Dev>* keep_;
  View<Dev, float, 2> v_;
  View<Dev, float, 1> fresh_;
  std::optional<Trail<Dev>> positive_, difference_;  // where velocities are reused
};

}  // namespace

template <class Dev>
void sample_flow(Queue<Dev>& queue, View<Dev, float, 1> x, const SamplerSettings& settings, int conditions,
                 const Velocity<Dev>& velocity, const std::function<void(const StepReport<Dev>&)>& on_step,
                 const Keep<Dev>* keep, const StepRange& range) {
  require(conditions >= 1, "sample_flow", "no condition");
  require(keep == nullptr || (keep->repeats >= 1 && (keep->repeats == 1 || keep->draw)), "sample_flow",
          "repetitions without noise");
  check_reuse(settings, conditions, keep != nullptr ? keep->repeats : 1, "sample_flow");
  const int last = range.last < 0 ? settings.steps : range.last;
  require(range.first >= 0 && range.first < last && last <= settings.steps, "sample_flow", "steps ", range.first, " to ", last,
          " of ", settings.steps);
  require(!reuses(settings) || (range.first == 0 && last == settings.steps), "sample_flow",
          "a part of a run cannot use velocities of the part before");
  const std::vector<StepPlan> steps = plan_steps(settings, conditions);
  const Frame<Dev> frame(queue.scratch());
  Integration<Dev> integration(queue, x, settings, conditions, velocity, keep);
  for (int i = range.first; i < last; ++i) {
    const StepPlan& step = steps[static_cast<std::size_t>(i)];
    integration.take(step);
    if (on_step) on_step({i, settings.steps, step.t, step.next, x, integration.guided_velocity()});
  }
}

template void sample_flow<Cpu>(Queue<Cpu>&, View<Cpu, float, 1>, const SamplerSettings&, int, const Velocity<Cpu>&,
                               const std::function<void(const StepReport<Cpu>&)>&, const Keep<Cpu>*, const StepRange&);
#if ESPALIER_WITH_CUDA
template void sample_flow<Cuda>(Queue<Cuda>&, View<Cuda, float, 1>, const SamplerSettings&, int, const Velocity<Cuda>&,
                                const std::function<void(const StepReport<Cuda>&)>&, const Keep<Cuda>*, const StepRange&);
#endif

}  // namespace espalier
