// Reuse of velocities against analytic flows in double precision.
#include "samplers/reuse.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.h"

namespace espalier {
namespace {

// Velocities of the condition and of the negative one at (x, t).
struct AnalyticFlow {
  std::function<double(double, double)> positive, negative;
};

struct Sampled {
  double x = 0.0;
  int evaluations = 0;
};

Sampled sample(const SamplerSettings& settings, const AnalyticFlow& flow, double start) {
  Queue<Cpu> queue;
  Arena<Cpu> arena(1 << 16, 0, "test");
  queue.use(&arena);
  std::vector<float> x{static_cast<float>(start)};
  Sampled result;
  const Velocity<Cpu> velocity = [&](View<Cpu, const float, 1> state, double t, std::span<const int> branches,
                                     View<Cpu, float, 2> out) {
    for (std::size_t b = 0; b < branches.size(); ++b) {
      const auto& branch = branches[b] == kNegative ? flow.negative : flow.positive;
      out(static_cast<std::int64_t>(b), 0) = static_cast<float>(branch(state(0), t));
    }
    result.evaluations += static_cast<int>(branches.size());
  };
  sample_flow<Cpu>(queue, View<Cpu, float, 1>(x.data(), {1}), settings, 1, velocity);
  result.x = x[0];
  return result;
}

SamplerSettings plain(int steps) {
  SamplerSettings s;
  s.steps = steps;
  return s;
}

SamplerSettings multistep(int steps, int order) {
  SamplerSettings s = plain(steps);
  s.solver = Solver::multistep;
  s.reuse_order = order;
  return s;
}

// dx/dt = x - 1 from x(1) = 3.
const AnalyticFlow kLinear{[](double x, double) { return x - 1.0; }, {}};
const double kLinearEnd = 1.0 + 2.0 * std::exp(-1.0);

TEST(PolynomialWeights, ReproducePolynomialsOfTheirDegree) {
  const auto polynomial = [](int degree, double t) { return 2.0 - t + (degree > 1 ? 3.0 * t * t : 0.0); };
  const auto integral = [](int degree, double t) { return 2.0 * t - t * t / 2.0 + (degree > 1 ? t * t * t : 0.0); };
  for (const int degree : {1, 2}) {
    std::vector<double> times{0.6, 0.85, 1.0};
    times.resize(static_cast<std::size_t>(degree) + 1);
    const auto sum = [&](double from, double to) {
      const std::vector<double> weights = polynomial_weights(times, from, to);
      double total = 0.0;
      for (std::size_t i = 0; i < times.size(); ++i) total += weights[i] * polynomial(degree, times[i]);
      return total;
    };
    EXPECT_NEAR(sum(0.6, 0.2), (integral(degree, 0.6) - integral(degree, 0.2)) / 0.4, 1e-12);
    EXPECT_NEAR(sum(0.4, 0.4), polynomial(degree, 0.4), 1e-12);
    EXPECT_NEAR(sum(0.6, 0.6), polynomial(degree, 0.6), 1e-12);
  }
}

// With the first steps small, as rescale_t makes them, because they have fewer values than the order wants.
TEST(Multistep, EveryOrderIsCloserAndConvergesFaster) {
  double earlier = 1.0;
  for (const int order : {0, 1, 2}) {
    const auto error = [&](int steps) {
      SamplerSettings s = multistep(steps, order);
      s.rescale_t = 3.0;
      return std::abs(sample(s, kLinear, 3.0).x - kLinearEnd);
    };
    EXPECT_LT(error(32), 0.3 * earlier) << "order " << order;
    const double closer[] = {1.8, 3.5, 5.0};  // with twice the steps
    EXPECT_GT(error(16) / error(32), closer[order]) << "order " << order;
    earlier = error(32);
  }
}

TEST(Multistep, WithOrderZeroIsEulerBitForBit) {
  EXPECT_EQ(sample(multistep(7, 0), kLinear, 3.0).x, sample(plain(7), kLinear, 3.0).x);
}

// Steps between evaluations take what the flow would have said. The very first has one value, whatever the order.
TEST(Reuse, ExtrapolatesWhatTheStepsBetweenWouldEvaluate) {
  SamplerSettings s = plain(24);
  const double full = sample(s, kLinear, 3.0).x;
  s.reuse = 2;
  s.reuse_order = 0;
  const double repeated = std::abs(sample(s, kLinear, 3.0).x - full);
  for (const int order : {1, 2}) {
    s.reuse_order = order;
    const Sampled reused = sample(s, kLinear, 3.0);
    EXPECT_EQ(reused.evaluations, 12);
    EXPECT_LT(std::abs(reused.x - full), 0.1 * repeated) << "order " << order;
  }
}

TEST(Reuse, OfOrderZeroIsALargerStep) {
  SamplerSettings s = plain(12);
  s.rescale_t = 3.0;
  s.reuse = 3;
  s.reuse_order = 0;
  SamplerSettings larger = plain(4);
  larger.rescale_t = 3.0;
  EXPECT_NEAR(sample(s, kLinear, 3.0).x, sample(larger, kLinear, 3.0).x, 1e-6);
}

SamplerSettings guided(int steps, double strength) {
  SamplerSettings s = plain(steps);
  s.guided = true;
  s.strength = strength;
  s.interval_lo = 0.5;
  return s;
}

// Velocities that depend on time alone, with a difference of 1 + 2 t.
const AnalyticFlow kDifference{[](double, double t) { return 4.0 * t; }, [](double, double t) { return 2.0 * t - 1.0; }};

TEST(GuidanceReuse, ExtrapolatesTheDifference) {
  SamplerSettings s = guided(8, 3.0);
  const Sampled full = sample(s, kDifference, 0.0);
  EXPECT_EQ(full.evaluations, 8 + 5);  // t = 1, 0.875, ..., 0.5
  s.guidance_reuse = 2;
  const Sampled linear = sample(s, kDifference, 0.0);
  EXPECT_EQ(linear.evaluations, 8 + 3);
  s.reuse_order = 0;
  const Sampled last = sample(s, kDifference, 0.0);
  // Of the steps at 0.875 and 0.625: the first takes the difference at 1 in both, the second has 0.75 and 1 for a line.
  EXPECT_NEAR(last.x - full.x, -3.0 * 0.125 * 2.0 * (0.125 + 0.125), 1e-6);
  EXPECT_NEAR(linear.x - full.x, -3.0 * 0.125 * 2.0 * 0.125, 1e-6);
}

// The velocity jumps where guidance ends: an integrator that extrapolated the guided velocity would carry the difference on.
TEST(GuidanceReuse, EndsWithTheInterval) {
  const AnalyticFlow flow{[](double, double) { return 1.0; }, [](double, double) { return -1.0; }};
  SamplerSettings s = guided(8, 5.0);
  const double full = sample(s, flow, 0.0).x;
  for (const Solver solver : {Solver::euler, Solver::multistep}) {
    for (const int order : {0, 1, 2}) {
      s.solver = solver;
      s.reuse_order = order;
      s.guidance_reuse = 3;
      s.reuse = 2;
      EXPECT_NEAR(sample(s, flow, 0.0).x, full, 1e-5) << "order " << order;
    }
  }
}

TEST(PlanSteps, CountsWhatIsEvaluated) {
  SamplerSettings s = guided(12, 7.5);
  s.rescale_t = 3.0;
  EXPECT_EQ(evaluations(s, 1), 22);
  s.guidance_reuse = 4;
  EXPECT_EQ(evaluations(s, 1), 12 + 3);
  s.guidance_reuse = 1;
  s.reuse = 2;
  EXPECT_EQ(evaluations(s, 1), 6 + 5);
  s.multi_image = MultiImageMode::multidiffusion;
  EXPECT_EQ(evaluations(s, 3), 18 + 5);
}

// Guidance that begins between two evaluations needs a difference of its own.
TEST(PlanSteps, TheFirstGuidedStepIsEvaluated) {
  SamplerSettings s = guided(8, 1.0);
  s.reuse = 4;
  s.interval_hi = 0.8;  // t = 1, 0.875, 0.75, ...
  const std::vector<StepPlan> steps = plan_steps(s, 1);
  EXPECT_EQ(steps[1].branches, std::vector<int>{});
  EXPECT_FALSE(steps[1].guided);
  EXPECT_EQ(steps[2].branches, (std::vector<int>{0, kNegative}));
  EXPECT_TRUE(steps[3].guided);
  EXPECT_TRUE(steps[3].branches.empty());
  EXPECT_EQ(steps[4].branches, (std::vector<int>{0, kNegative}));
}

TEST(CheckReuse, NothingIsReusedOfOtherConditionsOrOtherNoise) {
  const SamplerSettings s = multistep(8, 1);
  EXPECT_NO_THROW(check_reuse(s, 1, 1, "test"));
  EXPECT_THROW(check_reuse(s, 2, 1, "test"), Error);
  EXPECT_THROW(check_reuse(s, 1, 2, "test"), Error);
  EXPECT_NO_THROW(check_reuse(plain(8), 2, 2, "test"));
  SamplerSettings all = s;
  all.multi_image = MultiImageMode::multidiffusion;
  EXPECT_NO_THROW(check_reuse(all, 2, 1, "test"));
  SamplerSettings unguided = plain(8);
  unguided.guided = true;
  unguided.guidance_reuse = 4;  // strength 0: nothing is guided
  EXPECT_FALSE(reuses(unguided));
}

TEST(CheckSettings, RefusesReuseOutOfRange) {
  const auto refused = [](auto change) {
    SamplerSettings s;
    change(s);
    EXPECT_THROW(check_settings(s, "test"), Error);
  };
  refused([](SamplerSettings& s) { s.reuse = 0; });
  refused([](SamplerSettings& s) { s.reuse_order = 3; });
  refused([](SamplerSettings& s) { s.reuse_order = -1; });
  refused([](SamplerSettings& s) { s.guidance_reuse = 0; });
}

// What an edit keeps stays bit for bit whatever is extrapolated around it.
TEST(Multistep, KeepsWhatIsKnown) {
  Queue<Cpu> queue;
  Arena<Cpu> arena(1 << 16, 0, "test");
  queue.use(&arena);
  const std::vector<float> noise{0.3F, -2.0F}, known{0.1F, 7.0F};
  const std::vector<std::uint8_t> kept{1, 0};
  std::vector<float> x = noise;
  const Keep<Cpu> keep{View<Cpu, const float, 1>(known.data(), {2}),
                       View<Cpu, const float, 1>(noise.data(), {2}),
                       View<Cpu, const std::uint8_t, 1>(kept.data(), {2}),
                       1,
                       {}};
  const Velocity<Cpu> field = [](View<Cpu, const float, 1> state, double, std::span<const int>, View<Cpu, float, 2> out) {
    for (std::int64_t i = 0; i < 2; ++i) out(0, i) = state(i) - 1.0F;
  };
  sample_flow<Cpu>(queue, View<Cpu, float, 1>(x.data(), {2}), multistep(16, 2), 1, field, {}, &keep);
  EXPECT_EQ(x[0], known[0]);
  EXPECT_NEAR(x[1], 1.0 - 3.0 * std::exp(-1.0), 3e-3);
}

}  // namespace
}  // namespace espalier
