// Fewer evaluations of a flow: which steps are evaluated, and how the velocities of the others follow from earlier ones.
//
// Two things are reused, each through the polynomial in t that its last values define: the velocity of the condition, as
// TaylorSeer (Liu et al. 2025) extrapolates features and Adams-Bashforth integrates, and the difference that guidance adds, as
// FasterCache (Lv et al. 2024) and adaptive guidance (Castillo et al. 2023) reuse it. They are kept apart because guidance
// begins and ends within a sample.
#pragma once

#include <algorithm>
#include <span>
#include <vector>

#include "ops/elementwise.h"
#include "samplers/flow_euler.h"

namespace espalier {

// Whether any velocity is used again, so that a step depends on those before.
[[nodiscard]] bool reuses(const SamplerSettings& settings);

// Throws invalid_argument where nothing can be reused: for conditions that take turns, because velocities of different ones are
// no values of one function, and for steps that are repeated with new noise.
void check_reuse(const SamplerSettings& settings, int conditions, int repeats, const std::string& stage);

struct StepPlan {
  double t = 1.0, next = 0.0;
  std::vector<int> branches{};  // to evaluate, positives first; empty: the velocity is extrapolated
  bool guided = false;          // guidance applies, whether or not the negative condition is evaluated
};
[[nodiscard]] std::vector<StepPlan> plan_steps(const SamplerSettings& settings, int conditions);
// Of all steps: evaluations of the flow for one condition.
[[nodiscard]] int evaluations(const SamplerSettings& settings, int conditions);

// The polynomial through values at `times` as weights of these values: its mean over the times between `from` and `to`, or its
// value at `from` where both are the same. Exact up to four values.
[[nodiscard]] std::vector<double> polynomial_weights(std::span<const double> times, double from, double to);

// The last values of a quantity along a sample, in the queue's scratch arena: order + 1 of them.
template <class Dev>
class Trail {
 public:
  Trail(Queue<Dev>& queue, int order, std::int64_t values) : queue_(queue) {
    for (int i = 0; i <= order; ++i) free_.push_back(queue.scratch().template take<float, 1>({values}));
  }

  // Where the value at t is to be written; the oldest goes when there are enough.
  View<Dev, float, 1> add(double t) {
    if (free_.empty()) {
      free_.push_back(values_.back());
      values_.pop_back();
      times_.pop_back();
    }
    values_.insert(values_.begin(), free_.back());
    times_.insert(times_.begin(), t);
    free_.pop_back();
    return values_.front();
  }

  // out = keep * out + scale * the mean of the polynomial between the times.
  void extrapolate(double from, double to, double scale, bool keep, View<Dev, float, 1> out) const {
    const std::vector<double> weights = polynomial_weights(times_, from, to);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      combine<Dev, float>(queue_, static_cast<float>(scale * weights[i]), values_[i], keep || i > 0 ? 1.0F : 0.0F,
                          keep || i > 0 ? out : values_[i], out);
    }
  }

 private:
  Queue<Dev>& queue_;
  std::vector<double> times_;  // the newest first
  std::vector<View<Dev, float, 1>> values_, free_;
};

}  // namespace espalier
