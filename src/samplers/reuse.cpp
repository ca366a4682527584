#include "samplers/reuse.h"

#include <cmath>

#include "base/error.h"

namespace espalier {

bool reuses(const SamplerSettings& s) {
  return s.reuse > 1 || (s.guided && s.strength > 0 && s.guidance_reuse > 1) ||
         (s.solver == Solver::multistep && s.reuse_order > 0);
}

void check_reuse(const SamplerSettings& s, int conditions, int repeats, const std::string& stage) {
  if (!reuses(s)) return;
  if (conditions > 1 && s.multi_image == MultiImageMode::stochastic) {
    fail(ErrorCode::invalid_argument, stage, ": images that take turns leave no velocity to reuse",
         hint("use multi-image multidiffusion, or the solver euler with reuse 1 and guidance-reuse 1"));
  }
  if (repeats > 1) {
    fail(ErrorCode::invalid_argument, stage, ": steps that are repeated with new noise leave no velocity to reuse",
         hint("use resample 1, or the solver euler with reuse 1 and guidance-reuse 1"));
  }
}

std::vector<StepPlan> plan_steps(const SamplerSettings& settings, int conditions) {
  const std::vector<double> times = flow_times(settings.steps, settings.rescale_t);
  std::vector<StepPlan> steps;
  int guided_evaluations = 0;
  for (int i = 0; i < settings.steps; ++i) {
    StepPlan step{times[static_cast<std::size_t>(i)], times[static_cast<std::size_t>(i) + 1]};
    std::vector<int> branches = branches_of_step(settings, i, step.t, conditions);
    step.guided = branches.back() == kNegative;
    // Guidance needs a difference before it can reuse one.
    if (i % settings.reuse == 0 || (step.guided && guided_evaluations == 0)) {
      if (step.guided && guided_evaluations++ % settings.guidance_reuse != 0) branches.pop_back();
      step.branches = std::move(branches);
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

int evaluations(const SamplerSettings& settings, int conditions) {
  int count = 0;
  for (const StepPlan& step : plan_steps(settings, conditions)) count += static_cast<int>(step.branches.size());
  return count;
}

std::vector<double> polynomial_weights(std::span<const double> times, double from, double to) {
  require(times.size() <= 4, "polynomial_weights", times.size(), " values");
  // Two nodes of Gauss and Legendre give the mean of a polynomial of third degree.
  const double middle = 0.5 * (from + to), offset = 0.5 * (from - to) / std::sqrt(3.0);
  std::vector<double> weights(times.size(), 0.0);
  for (const double node : {middle + offset, middle - offset}) {
    for (std::size_t i = 0; i < times.size(); ++i) {
      double basis = 0.5;
      for (std::size_t j = 0; j < times.size(); ++j) {
        if (j != i) basis *= (node - times[j]) / (times[i] - times[j]);
      }
      weights[i] += basis;
    }
  }
  return weights;
}

}  // namespace espalier
