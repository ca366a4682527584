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

// What the times of a run do to a flow's layers, those of up to kTimesAtOnce steps in one go.
template <class Dev, class T, class Network>
class RunModulation {
 public:
  RunModulation(Queue<Dev>& queue, const Network& network, const SamplerSettings& settings)
      : queue_(queue),
        network_(network),
        times_(flow_times(settings.steps, settings.rescale_t)),
        held_(network.take_modulation(queue.scratch(), std::min(settings.steps, kTimesAtOnce))),
        device_times_(queue.scratch().template take<float, 1>({std::min(settings.steps, kTimesAtOnce)})) {
    times_.pop_back();  // nothing is evaluated at the end
  }
  [[nodiscard]] TimeModulation<Dev, T> at(double t) {
    const auto found = static_cast<int>(std::find(times_.begin(), times_.end(), t) - times_.begin());
    require(found < static_cast<int>(times_.size()), "RunModulation", "no step begins at ", t);
    const int part = found / kTimesAtOnce;
    if (part != part_) {
      compute(part);
      part_ = part;
    }
    return held_.at(found % kTimesAtOnce);
  }

 private:
  static constexpr int kTimesAtOnce = 64;

  void compute(int part) {
    std::vector<float> scaled;
    for (std::size_t i = static_cast<std::size_t>(part * kTimesAtOnce); i < times_.size() && scaled.size() < kTimesAtOnce; ++i)
      scaled.push_back(static_cast<float>(1000.0 * times_[i]));
    const auto count = static_cast<std::int64_t>(scaled.size());
    upload_bytes(queue_, scaled.data(), device_times_.data(), scaled.size() * sizeof(float));
    const auto head = [&](const auto& all) {
      std::vector<View<Dev, T, 2>> cut;
      for (const auto& view : all) cut.push_back(view.rows(0, count));
      return cut;
    };
    network_.modulate(queue_, device_times_.rows(0, count), {head(held_.blocks), head(held_.residual)});
  }

  Queue<Dev>& queue_;
  const Network& network_;
  std::vector<double> times_;
  TimeModulation<Dev, T> held_;
  View<Dev, float, 1> device_times_;
  int part_ = -1;
};

// Integrates `state` [values] in place, as `input` says. `tables` are those of a forward over most_branches copies of the
// state, one for each branch. `forward(input, modulation, tables, contexts, out)` evaluates the velocities of all branches,
// which differ in their context alone: input [values], out [b, values].
template <class Dev, class T, class Network, class Tables, class Forward>
void sample(StageRunner<Dev>& runner, Stage stage, bool real, View<Dev, float, 1> state, const Network& network,
            const Condition& condition, const SamplerSettings& settings, const Flow::Input& input, const Tables& tables,
            Forward forward) {
  Queue<Dev>& queue = runner.queue();
  const auto keep = place_kept<Dev>(runner, input);
  const int items = static_cast<int>(condition.items);
  const std::vector<Context<Dev, T>> all = contexts_of(queue, network.transformer(), condition, settings.guided);
  RunModulation<Dev, T, Network> modulation(queue, network, settings);
  const Velocity<Dev> velocity = [&](View<Dev, const float, 1> x, double t, std::span<const int> branches,
                                     View<Dev, float, 2> out) {
    std::vector<const Context<Dev, T>*> used;
    for (const int branch : branches)
      used.push_back(branch == kNegative ? &all.back() : &all[static_cast<std::size_t>(branch)]);
    forward(x, modulation.at(t), tables.first(static_cast<std::int64_t>(branches.size())),
            std::span<const Context<Dev, T>* const>(used), out);
  };
  const auto report = [&](const StepReport<Dev>& r) {
    if (!real) return;
    runner.report_done(stage, r.step + 1, r.steps);
    if (input.estimate != nullptr && r.step + 1 == input.range.last) *input.estimate = clean_estimate(runner, r);
  };
  sample_flow<Dev>(queue, state, settings, items, velocity, report, keep ? &*keep : nullptr, input.range);
}

}  // namespace espalier
