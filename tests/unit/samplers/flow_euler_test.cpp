#include "samplers/flow_euler.h"

#include <gtest/gtest.h>

#include <cmath>

namespace espalier {
namespace {

int guided_steps(int steps) {
  SamplerSettings s;
  s.steps = steps;
  s.rescale_t = 3.0;
  s.guided = true;
  s.strength = 1.0;
  s.interval_lo = 0.5;
  const auto t = flow_times(steps, s.rescale_t);
  int n = 0;
  for (int i = 0; i < steps; ++i) n += branches_of_step(s, i, t[static_cast<std::size_t>(i)], 1).back() == kNegative ? 1 : 0;
  return n;
}

// Both ends of the interval belong to it; with rescale 3, t = 0.5 is hit exactly where the steps are a multiple of 4.
TEST(FlowTimes, GuidanceCountsOfTheReference) {
  const std::pair<int, int> expected[] = {{4, 4}, {8, 7}, {12, 10}, {20, 16}, {6, 5}, {7, 6}, {10, 8}, {25, 19}, {50, 38}};
  for (const auto& [steps, guided] : expected) EXPECT_EQ(guided_steps(steps), guided) << steps << " steps";
}

TEST(FlowTimes, RunFromOneToZero) {
  for (const int steps : {1, 2, 7, 1000}) {
    const auto t = flow_times(steps, 3.0);
    ASSERT_EQ(t.size(), static_cast<std::size_t>(steps) + 1);
    EXPECT_EQ(t.front(), 1.0);
    EXPECT_EQ(t.back(), 0.0);
    for (std::size_t i = 1; i < t.size(); ++i) EXPECT_LT(t[i], t[i - 1]);
  }
}

TEST(Branches, StochasticTakesTurnsAndMultidiffusionTakesAll) {
  SamplerSettings s;
  s.guided = true;
  s.strength = 1.0;
  s.interval_lo = 0.5;
  EXPECT_EQ(branches_of_step(s, 4, 0.9, 3), (std::vector<int>{1, kNegative}));
  EXPECT_EQ(branches_of_step(s, 4, 0.1, 3), (std::vector<int>{1}));
  s.multi_image = MultiImageMode::multidiffusion;
  EXPECT_EQ(branches_of_step(s, 4, 0.9, 3), (std::vector<int>{0, 1, 2, kNegative}));
  EXPECT_EQ(most_branches(s, 3), 4);
}

TEST(Settings, ImpossibleOnesAreRefusedByName) {
  for (const auto& [steps, strength] :
       {std::pair{0, 1.0}, std::pair{1001, 1.0}, std::pair{10, -1.0}, std::pair{10, std::nan("")}}) {
    SamplerSettings s;
    s.steps = steps;
    s.strength = strength;
    EXPECT_THROW(check_settings(s, "test"), Error);
  }
}

// dx/dt = v with v = x - c has the solution x(0) = c + (x(1) - c) e^-1; Euler converges to it.
TEST(SampleFlow, IntegratesALinearField) {
  Queue<Cpu> queue;
  Arena<Cpu> arena(1 << 16, 0, "test");
  queue.use(&arena);
  std::vector<float> x{3.0F, -1.0F};
  SamplerSettings s;
  s.steps = 1000;
  const Velocity<Cpu> field = [](View<Cpu, const float, 1> state, double, std::span<const int>, View<Cpu, float, 2> out) {
    for (std::int64_t i = 0; i < state.extent(0); ++i) out(0, i) = state(i) - 1.0F;
  };
  sample_flow<Cpu>(queue, View<Cpu, float, 1>(x.data(), {2}), s, 1, field);
  EXPECT_NEAR(x[0], 1.0 + 2.0 * std::exp(-1.0), 1e-3);
  EXPECT_NEAR(x[1], 1.0 - 2.0 * std::exp(-1.0), 1e-3);
}

// Parts of a run continue each other bit for bit; what a straight flow is expected to end with, it ends with.
TEST(SampleFlow, PartsGiveTheBitsOfTheWhole) {
  Queue<Cpu> queue;
  Arena<Cpu> arena(1 << 16, 0, "test");
  queue.use(&arena);
  SamplerSettings s;
  s.steps = 7;
  s.rescale_t = 3.0;
  s.multi_image = MultiImageMode::stochastic;
  const Velocity<Cpu> curved = [](View<Cpu, const float, 1> x, double t, std::span<const int> branches,
                                  View<Cpu, float, 2> out) {
    for (std::int64_t i = 0; i < x.extent(0); ++i)
      out(0, i) = x(i) * static_cast<float>(t) - static_cast<float>(1 + branches.front());
  };
  const auto run = [&](std::vector<StepRange> parts, std::vector<int>& steps) {
    std::vector<float> x{3.0F, -1.0F};
    for (const StepRange& part : parts) {
      sample_flow<Cpu>(
          queue, View<Cpu, float, 1>(x.data(), {2}), s, 3, curved, [&](const StepReport<Cpu>& r) { steps.push_back(r.step); },
          nullptr, part);
    }
    return x;
  };
  std::vector<int> whole, parts;
  EXPECT_EQ(run({{}}, whole), run({{0, 2}, {2, 3}, {3, 7}}, parts));
  EXPECT_EQ(whole, parts) << "the steps count on";
  std::vector<int> none;
  EXPECT_THROW((void)run({{3, 3}}, none), Error);
  EXPECT_THROW((void)run({{0, 8}}, none), Error);

  std::vector<float> straight{5.0F};
  const Velocity<Cpu> constant = [](View<Cpu, const float, 1>, double, std::span<const int>, View<Cpu, float, 2> out) {
    out(0, 0) = 3.0F;
  };
  sample_flow<Cpu>(queue, View<Cpu, float, 1>(straight.data(), {1}), s, 1, constant, [](const StepReport<Cpu>& r) {
    EXPECT_NEAR(r.x(0) - r.next * r.velocity(0), 2.0, 1e-5) << "after step " << r.step;
  });
}

TEST(BranchesOfStep, NoNegativeConditionWithoutStrength) {
  SamplerSettings s;
  s.guided = true;
  s.strength = 0.0;
  EXPECT_EQ(branches_of_step(s, 0, 0.7, 1), std::vector<int>{0});
  s.strength = 0.5;
  EXPECT_EQ(branches_of_step(s, 0, 0.7, 1), (std::vector<int>{0, kNegative}));
}

TEST(SampleFlow, GuidanceAndAverageCombineBranches) {
  Queue<Cpu> queue;
  Arena<Cpu> arena(1 << 16, 0, "test");
  queue.use(&arena);
  std::vector<float> x{0.0F};
  SamplerSettings s;
  s.steps = 1;
  s.guided = true;
  s.strength = 2.0;
  s.multi_image = MultiImageMode::multidiffusion;
  const Velocity<Cpu> field = [](View<Cpu, const float, 1>, double t, std::span<const int> branches, View<Cpu, float, 2> out) {
    EXPECT_EQ(t, 1.0);
    for (std::size_t b = 0; b < branches.size(); ++b)
      out(static_cast<std::int64_t>(b), 0) = branches[b] == kNegative ? 5.0F : 1.0F + 2.0F * static_cast<float>(branches[b]);
  };
  sample_flow<Cpu>(queue, View<Cpu, float, 1>(x.data(), {1}), s, 2, field);
  EXPECT_FLOAT_EQ(x[0], -(3.0F * 2.0F - 2.0F * 5.0F));  // mean of 1 and 3 is 2
}

// Values that are kept pass through their own straight line at every time that the network sees, and end bit for bit.
TEST(SampleFlow, KeepsWhatIsKnown) {
  Queue<Cpu> queue;
  Arena<Cpu> arena(1 << 16, 0, "test");
  queue.use(&arena);
  const std::vector<float> noise{0.3F, -2.0F, 1.5F}, known{0.1F, 7.0F, 1e-30F};
  const std::vector<std::uint8_t> kept{1, 0, 1};
  const auto view = [](const auto& v) {
    return View<Cpu, const typename std::decay_t<decltype(v)>::value_type, 1>(v.data(), {3});
  };
  for (const int repeats : {1, 3}) {
    std::vector<float> x = noise;
    SamplerSettings s;
    s.steps = 4;
    s.rescale_t = 3.0;
    int draws = 0, evaluations = 0;
    Keep<Cpu> keep{view(known), view(noise), view(kept), repeats, [&](View<Cpu, float, 1> out) {
                     ++draws;
                     for (std::int64_t i = 0; i < 3; ++i) out(i) = 9.0F;
                   }};
    const Velocity<Cpu> field = [&](View<Cpu, const float, 1> state, double t, std::span<const int>, View<Cpu, float, 2> out) {
      ++evaluations;
      for (const std::int64_t i : {0, 2}) {
        const auto k = static_cast<std::size_t>(i);
        EXPECT_NEAR(state(i), (1.0 - t) * known[k] + t * noise[k], 1e-6) << "value " << i << " at " << t;
      }
      for (std::int64_t i = 0; i < 3; ++i) out(0, i) = 100.0F;
    };
    sample_flow<Cpu>(queue, View<Cpu, float, 1>(x.data(), {3}), s, 1, field, {}, &keep);
    EXPECT_EQ(x[0], known[0]);
    EXPECT_EQ(x[2], known[2]);
    EXPECT_EQ(evaluations, 4 * repeats);
    EXPECT_EQ(draws, 4 * (repeats - 1));
    EXPECT_TRUE(repeats > 1 || std::abs(x[1] - (noise[1] - 100.0)) < 1e-3) << x[1];  // the flow alone moves it
  }
}

// A repetition goes back along the flow's forward process: with a velocity of zero the variance of a standard normal value and
// its signal at t follow from the times alone.
TEST(SampleFlow, RepetitionsGoBackToTheTimeOfTheStep) {
  Queue<Cpu> queue;
  Arena<Cpu> arena(1 << 16, 0, "test");
  queue.use(&arena);
  std::vector<float> x{2.0F};
  const std::vector<float> none{0.0F};
  const std::vector<std::uint8_t> free{0};
  SamplerSettings s;
  s.steps = 2;  // times 1, 0.5, 0
  std::vector<std::pair<double, float>> seen;
  const Keep<Cpu> keep{View<Cpu, const float, 1>(none.data(), {1}), View<Cpu, const float, 1>(none.data(), {1}),
                       View<Cpu, const std::uint8_t, 1>(free.data(), {1}), 2, [](View<Cpu, float, 1> out) { out(0) = 10.0F; }};
  const Velocity<Cpu> field = [&](View<Cpu, const float, 1> state, double t, std::span<const int>, View<Cpu, float, 2> out) {
    seen.emplace_back(t, state(0));
    out(0, 0) = 0.0F;
  };
  sample_flow<Cpu>(queue, View<Cpu, float, 1>(x.data(), {1}), s, 1, field, {}, &keep);
  ASSERT_EQ(seen.size(), 4U);
  EXPECT_EQ(seen[0], (std::pair{1.0, 2.0F}));
  EXPECT_EQ(seen[1], (std::pair{1.0, 10.0F}));  // at t = 1 there is noise alone
  EXPECT_EQ(seen[2], (std::pair{0.5, 10.0F}));
  EXPECT_EQ(seen[3].first, 0.5);
  EXPECT_FLOAT_EQ(seen[3].second, 0.5F * 10.0F + 0.5F * 10.0F);  // from t = 0: half of the sample, half of the noise
}

}  // namespace
}  // namespace espalier
