// Sampling of any conditioned rectified flow: the guided Euler loop around one network, for volumes and for voxels alike.
#pragma once

#include <algorithm>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "nn/modulated.h"
#include "samplers/flow_euler.h"
#include "session/condition.h"
#include "session/network.h"
#include "session/stage_runner.h"

namespace espalier {

// What a flow's cross attention needs of every item of the condition, then, with guidance, of the negative one.
template <class Dev, class T>
[[nodiscard]] std::vector<Context<Dev, T>> contexts_of(Queue<Dev>& queue, const FlowTransformer<Dev, T>& transformer,
                                                       const Condition& condition, bool guided) {
  std::vector<Context<Dev, T>> all;
  for (std::int64_t i = 0; i < condition.items; ++i)
    all.push_back(transformer.condition(queue, queue.scratch(), tokens_of<Dev>(condition, i)));
  if (!guided) return all;
  const auto negative = negative_tokens_of<Dev>(condition);
  all.push_back(negative.data() == nullptr ? transformer.zero_condition(queue, queue.scratch())
                                           : transformer.condition(queue, queue.scratch(), negative));
  return all;
}

// What the sample keeps, in the scratch arena; nothing where nothing is kept. `noise`: as the state begins.
template <class Dev>
[[nodiscard]] std::optional<Keep<Dev>> place_kept(StageRunner<Dev>& runner, const Flow::Input& input) {
  if (input.kept == nullptr) return std::nullopt;
  const Flow::Input::Kept& kept = *input.kept;
  const auto n = static_cast<std::int64_t>(input.noise.size());
  require(kept.known.size() == input.noise.size() && kept.marks.size() == input.noise.size(), "Flow::sample", kept.known.size(),
          " known values and ", kept.marks.size(), " marks for ", n);
  auto marks = runner.scratch().template take<std::uint8_t, 1>({n});
  upload_bytes(runner.queue(), kept.marks.data(), marks.data(), kept.marks.size());
  const auto draw = [&runner, &kept](View<Dev, float, 1> out) {
    if (runner.queue().metering()) return;
    std::vector<float> fresh(static_cast<std::size_t>(out.size()));
    kept.draw(fresh);
    upload_bytes(runner.queue(), fresh.data(), out.data(), fresh.size() * sizeof(float));
  };
  return Keep<Dev>{runner.template place_values<1>(kept.known, {n}), runner.template place_values<1>(input.noise, {n}), marks,
                   kept.repeats, draw};
}

// The flow is straight where it is certain: at t, x - t v is what it expects to end with.
template <class Dev>
[[nodiscard]] std::vector<float> clean_estimate(StageRunner<Dev>& runner, const StepReport<Dev>& at) {
  std::vector<float> x = runner.fetch(at.x);
  const std::vector<float> v = runner.fetch(at.velocity);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] -= static_cast<float>(at.next) * v[i];
  return x;
}

// Integrates `state` [values] in place, as `input` says. `prepare(b)` places the tables of a forward over b copies of the state
// into the scratch arena; it is called once for every number of branches that a step may need. `forward(inputs, times, tables,
// contexts, out)` evaluates the velocities: inputs and out [b, values], times [b] (times 1000), one context for each copy.
template <class Dev, class T, class Prepare, class Forward>
void sample(StageRunner<Dev>& runner, Stage stage, bool real, View<Dev, float, 1> state,
            const FlowTransformer<Dev, T>& transformer, const Condition& condition, const SamplerSettings& settings,
            const Flow::Input& input, Prepare prepare, Forward forward) {
  Queue<Dev>& queue = runner.queue();
  const auto keep = place_kept<Dev>(runner, input);
  const int items = static_cast<int>(condition.items);
  const int most = most_branches(settings, items);
  const std::vector<Context<Dev, T>> all = contexts_of(queue, transformer, condition, settings.guided);
  // Index b - 1: of b branches. Steps differ only by the branch of the negative condition.
  std::vector<decltype(prepare(1))> tables;
  for (int b = 1; b <= most; ++b) tables.push_back(b < fewest_branches(settings, items) ? decltype(prepare(1)){} : prepare(b));
  const std::int64_t values = state.size();
  auto inputs = queue.scratch().template take<float, 2>({most, values});
  auto times = queue.scratch().template take<float, 1>({most});
  const Velocity<Dev> velocity = [&](View<Dev, const float, 1> x, double t, std::span<const int> branches,
                                     View<Dev, float, 2> out) {
    const auto count = static_cast<std::int64_t>(branches.size());
    const std::vector<float> scaled(branches.size(), static_cast<float>(1000.0 * t));
    upload_bytes(queue, scaled.data(), times.data(), scaled.size() * sizeof(float));
    std::vector<const Context<Dev, T>*> used;
    for (std::int64_t b = 0; b < count; ++b) {
      copy_bytes(queue, x.data(), inputs.rows(b, 1).data(), static_cast<std::size_t>(values) * sizeof(float));
      const int branch = branches[static_cast<std::size_t>(b)];
      used.push_back(branch == kNegative ? &all.back() : &all[static_cast<std::size_t>(branch)]);
    }
    forward(View<Dev, const float, 2>(inputs.rows(0, count)), View<Dev, const float, 1>(times.rows(0, count)),
            tables[branches.size() - 1], std::span<const Context<Dev, T>* const>(used), out);
  };
  const auto report = [&](const StepReport<Dev>& r) {
    if (!real) return;
    runner.report_done(stage, r.step + 1, r.steps);
    if (input.estimate != nullptr && r.step + 1 == input.range.last) *input.estimate = clean_estimate(runner, r);
  };
  sample_flow<Dev>(queue, state, settings, items, velocity, report, keep ? &*keep : nullptr, input.range);
}

}  // namespace espalier
