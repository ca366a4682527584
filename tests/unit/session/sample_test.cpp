// What a run computes before its steps.
#include "session/sample.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace espalier::test
