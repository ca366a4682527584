#include "samplers/flow_euler.h"

#include <algorithm>
#include <cmath>

#include "ops/elementwise.h"

namespace espalier {

void check_settings(const SamplerSettings& s, const std::string& stage) {
  const auto refuse = [&](const char* name, double value, const char* allowed) {
    fail(ErrorCode::invalid_argument, stage, ": ", name, " = ", value, " is not allowed", hint("it must be ", allowed));
  };
  if (s.steps < 1 || s.steps > 1000) refuse("steps", s.steps, "between 1 and 1000");
  if (!std::isfinite(s.strength) || s.strength < 0 || s.strength > 100)
    refuse("guidance strength", s.strength, "between 0 and 100");
  if (!std::isfinite(s.rescale_t) || s.rescale_t <= 0 || s.rescale_t > 1000) refuse("rescale_t", s.rescale_t, "in (0, 1000]");
  if (!std::isfinite(s.interval_lo) || !std::isfinite(s.interval_hi))
    refuse("guidance interval", s.interval_lo, "two finite numbers");
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
  if (settings.multi_image == MultiImage::stochastic) {
    branches.push_back(step % conditions);
  } else {
    for (int i = 0; i < conditions; ++i) branches.push_back(i);
  }
  const bool guides = settings.guided && settings.strength > 0;
  if (guides && settings.interval_lo <= t && t <= settings.interval_hi) branches.push_back(kNegative);
  return branches;
}

int fewest_branches(const SamplerSettings& settings, int conditions) {
  return settings.multi_image == MultiImage::stochastic ? 1 : conditions;
}

int most_branches(const SamplerSettings& settings, int conditions) {
  return fewest_branches(settings, conditions) + (settings.guided ? 1 : 0);
}

template <class Dev>
void sample_flow(Queue<Dev>& queue, View<Dev, float, 1> x, const SamplerSettings& settings, int conditions,
                 const Velocity<Dev>& velocity, const std::function<void(const StepReport<Dev>&)>& on_step) {
  require(conditions >= 1, "sample_flow", "no condition");
  const std::vector<double> times = flow_times(settings.steps, settings.rescale_t);
  const Frame<Dev> frame(queue.scratch());
  auto v = queue.scratch().template take<float, 2>({most_branches(settings, conditions), x.extent(0)});
  const auto row = [&](std::int64_t i) { return View<Dev, float, 1>(v.data() + i * x.extent(0), {x.extent(0)}); };
  for (int i = 0; i < settings.steps; ++i) {
    queue.check();
    const double t = times[static_cast<std::size_t>(i)];
    const double next = times[static_cast<std::size_t>(i) + 1];
    const std::vector<int> branches = branches_of_step(settings, i, t, conditions);
    const auto count = static_cast<std::int64_t>(branches.size());
    velocity(x, t, branches, v.rows(0, count));
    const bool guided = branches.back() == kNegative;
    const std::int64_t positive = count - (guided ? 1 : 0);
    for (std::int64_t b = 1; b < positive; ++b) combine<Dev, float>(queue, 1.0F, row(0), 1.0F, row(b), row(0));
    const auto n = static_cast<double>(positive);
    if (guided) {
      combine<Dev, float>(queue, static_cast<float>((1.0 + settings.strength) / n), row(0),
                          static_cast<float>(-settings.strength), row(count - 1), row(0));
    } else if (positive > 1) {
      combine<Dev, float>(queue, static_cast<float>(1.0 / n), row(0), 0.0F, row(0), row(0));
    }
    combine<Dev, float>(queue, 1.0F, x, static_cast<float>(-(t - next)), row(0), x);
    if (on_step) on_step({i, settings.steps, t, x, row(0)});
  }
}

template void sample_flow<Cpu>(Queue<Cpu>&, View<Cpu, float, 1>, const SamplerSettings&, int, const Velocity<Cpu>&,
                               const std::function<void(const StepReport<Cpu>&)>&);
#ifdef ESPALIER_WITH_CUDA
template void sample_flow<Cuda>(Queue<Cuda>&, View<Cuda, float, 1>, const SamplerSettings&, int, const Velocity<Cuda>&,
                                const std::function<void(const StepReport<Cuda>&)>&);
#endif

}  // namespace espalier
