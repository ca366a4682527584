// Rectified-flow Euler samplers with classifier-free guidance (Ho and Salimans 2022), guidance intervals (Kynkaanniemi
// et al. 2024) and several conditions. They know no network: velocities come from a callable.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "espalier/choices.h"
#include "runtime/queue.h"

namespace espalier {

struct SamplerSettings {
  int steps = 25;
  double rescale_t = 1.0;
  double sigma_min = 1e-5;
  bool guided = false;       // false: FlowEulerSampler, the negative condition is never evaluated
  double strength = 0.0;     // v = (1 + strength) v_cond - strength v_neg; at 0 v_neg is not evaluated
  double interval_lo = 0.0;  // guidance applies where lo <= t <= hi, both ends included
  double interval_hi = 1.0;
  MultiImageMode multi_image = MultiImageMode::stochastic;
  // What samplers/reuse.h does with velocities of earlier steps.
  Solver solver = Solver::euler;
  int reuse = 1;           // the flow is evaluated in every so many-th step; velocities of the others are extrapolated
  int reuse_order = 1;     // of the polynomials; 0: the last value
  int guidance_reuse = 1;  // the negative condition is evaluated in every so many-th of the guided steps that are evaluated
  [[nodiscard]] bool operator==(const SamplerSettings& other) const = default;
};

// Throws invalid_argument naming the setting that is out of range.
void check_settings(const SamplerSettings& settings, const std::string& stage);

// t_i = r s / (1 + (r - 1) s) with s = linspace(1, 0, steps + 1); steps + 1 values, in float64.
[[nodiscard]] std::vector<double> flow_times(int steps, double rescale_t);

// Branches of one evaluation: indices of conditions, kNegative for the negative condition.
inline constexpr int kNegative = -1;
// The branches that step i at time t needs where nothing is reused, positives first.
[[nodiscard]] std::vector<int> branches_of_step(const SamplerSettings& settings, int step, double t, int conditions);
// The smallest and the largest number of branches that a step of this run may need.
[[nodiscard]] int fewest_branches(const SamplerSettings& settings, int conditions);
[[nodiscard]] int most_branches(const SamplerSettings& settings, int conditions);

// Writes the velocities at (x, t) for each branch, one after another, into `out` [branches, n]. x [n].
template <class Dev>
using Velocity =
    std::function<void(View<Dev, const float, 1> x, double t, std::span<const int> branches, View<Dev, float, 2> out)>;

// What a step did, for progress and tests. Views are valid during the call.
template <class Dev>
struct StepReport {
  int step = 0, steps = 0;
  double t = 0.0, next = 0.0;          // before and after the step
  View<Dev, const float, 1> x;         // after the step
  View<Dev, const float, 1> velocity;  // the guided velocity of the step
};

// What a sample must not change, by the scheme of RePaint (Lugmayr et al. 2022) for rectified flows: before and after every
// step the kept values are (1 - t) known + t noise, with noise of their own; the others follow the flow.
template <class Dev>
struct Keep {
  View<Dev, const float, 1> known;        // [n] at t = 0
  View<Dev, const float, 1> noise;        // [n] at t = 1
  View<Dev, const std::uint8_t, 1> kept;  // [n] not 0: kept
  int repeats = 1;                        // every step is made so often; before each repetition noise takes x back to its t
  std::function<void(View<Dev, float, 1>)> draw;  // fills [n] with new noise; only called for repetitions
};

// Steps first ... last - 1 of a run; x is what the steps before made of the noise. Runs in parts give the bits of a whole one;
// those that reuse velocities have no parts.
struct StepRange {
  int first = 0, last = -1;  // last: -1: all
};

// Integrates x [n] in place from noise at t = 1 to the sample at t = 0. Velocities live in the queue's scratch arena:
// most_branches * n floats, n more with `keep`, which may be null, and (reuse_order + 1) * n more, twice that with guidance,
// where velocities are reused. Checks for cancellation before every step.
template <class Dev>
void sample_flow(Queue<Dev>& queue, View<Dev, float, 1> x, const SamplerSettings& settings, int conditions,
                 const Velocity<Dev>& velocity, const std::function<void(const StepReport<Dev>&)>& on_step = {},
                 const Keep<Dev>* keep = nullptr, const StepRange& range = {});

}  // namespace espalier
