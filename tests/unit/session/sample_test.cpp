// What a run computes before its steps.
#include "session/sample.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace espalier::test {
namespace {

// Layers that do with a time what shows which it was.
struct Layers {
  mutable int calls = 0;

  [[nodiscard]] TimeModulation<Cpu, float> take_modulation(Arena<Cpu>& arena, std::int64_t times) const {
    return {{arena.take<float, 2>({times, 3}), arena.take<float, 2>({times, 3})}, {arena.take<float, 2>({times, 2})}};
  }
  void modulate(Queue<Cpu>& /*queue*/, View<Cpu, const float, 1> t, const TimeModulation<Cpu, float>& out) const {
    ++calls;
    for (std::int64_t i = 0; i < t.extent(0); ++i) {
      out.blocks[0](i, 0) = t(i);
      out.blocks[1](i, 2) = -t(i);
      out.residual[0](i, 1) = 2 * t(i);
    }
  }
};

TEST(RunModulation, EveryStepHasItsOwn) {
  Queue<Cpu> queue;
  Arena<Cpu> arena(1U << 20U, 0, "test");
  queue.use(&arena);
  for (const int steps : {1, 12, 64, 65, 150}) {
    const Frame<Cpu> frame(arena);
    const Layers layers;
    SamplerSettings settings;
    settings.steps = steps;
    settings.rescale_t = 3.0;
    RunModulation<Cpu, float, Layers> modulation(queue, layers, settings);
    const std::vector<double> times = flow_times(steps, 3.0);
    for (std::size_t i = 0; i + 1 < times.size(); ++i) {
      for (int repeat = 0; repeat < 2; ++repeat) {
        const auto now = modulation.at(times[i]);
        const auto t = static_cast<float>(1000.0 * times[i]);
        ASSERT_EQ(now.blocks.at(0).extent(0), 1);
        EXPECT_EQ(now.blocks[0](0, 0), t) << "step " << i << " of " << steps;
        EXPECT_EQ(now.blocks.at(1)(0, 2), -t) << "step " << i << " of " << steps;
        EXPECT_EQ(now.residual.at(0)(0, 1), 2 * t) << "step " << i << " of " << steps;
      }
    }
    EXPECT_EQ(layers.calls, (steps + 63) / 64) << "of " << steps << " steps";
    EXPECT_THROW((void)modulation.at(0.0), Error) << "nothing is evaluated at the end";
  }
  queue.use(nullptr);
}

// Every step adds one to all values; members leave after the step that is named, -1: never.
struct Counting {
  std::vector<int> leave_after;
  int made = 0;
  std::vector<std::size_t> sizes{};  // of the groups that ran

  [[nodiscard]] std::vector<std::vector<float>> run(int steps) {
    std::vector<std::vector<float>> noises;
    for (std::size_t i = 0; i < leave_after.size(); ++i) noises.emplace_back(i + 1, 100.0F * static_cast<float>(i));
    std::vector<Flow::Member> members;
    for (std::size_t i = 0; i < noises.size(); ++i) {
      const auto left = [this, i] { return leave_after[i] >= 0 && made >= leave_after[i]; };
      members.push_back({{.noise = noises[i]}, nullptr, left});
    }
    SamplerSettings settings;
    settings.steps = steps;
    return sample_staying(members, settings, [&](Members staying, int first, std::vector<float>& states) {
      sizes.push_back(staying.size());
      states.clear();
      for (const Flow::Member& member : staying)
        states.insert(states.end(), member.input.noise.begin(), member.input.noise.end());
      for (int step = first; step < steps; ++step) {
        for (float& value : states) value += 1.0F;
        made = step + 1;
        if (std::any_of(staying.begin(), staying.end(), [](const Flow::Member& m) { return m.left(); })) return made;
      }
      return steps;
    });
  }
};

TEST(SampleStaying, OthersGoOnWhereOneHasLeft) {
  Counting counting{{-1, 3, -1, 5}};
  const auto samples = counting.run(8);
  EXPECT_EQ(samples, (std::vector<std::vector<float>>{{8.0F}, {}, {208.0F, 208.0F, 208.0F}, {}}));
  EXPECT_EQ(counting.sizes, (std::vector<std::size_t>{4, 3, 2}));
  EXPECT_EQ(counting.made, 8);
}

TEST(SampleStaying, EndsWhenAllHaveLeft) {
  Counting counting{{2, 2}};
  const auto samples = counting.run(8);
  EXPECT_EQ(samples, (std::vector<std::vector<float>>{{}, {}}));
  EXPECT_EQ(counting.made, 2);
}

TEST(SampleStaying, OneAloneIsNotAsked) {
  Counting counting{{2}};  // who is alone is cancelled by the monitor
  EXPECT_EQ(counting.run(1), (std::vector<std::vector<float>>{{1.0F}}));
}

}  // namespace
}  // namespace espalier::test
