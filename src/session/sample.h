// Sampling of any conditioned rectified flow: the guided Euler loop around one network, for volumes and for voxels alike.
#pragma once

#include <algorithm>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "nn/modulated.h"
#include "samplers/flow_euler.h"
#include "samplers/reuse.h"
#include "session/condition.h"
#include "session/network.h"
#include "session/stage_runner.h"

namespace espalier {

using Members = std::span<const Flow::Member>;

// What a flow's cross attention needs of the conditions of all members. Those without a negative condition share the zero one.
template <class Dev, class T>
class MemberContexts {
 public:
  MemberContexts(Queue<Dev>& queue, const FlowTransformer<Dev, T>& transformer, Members members, bool guided) {
    for (const Flow::Member& member : members) {
      const Condition& condition = *member.condition;
      Item& item = items_.emplace_back();
      for (std::int64_t i = 0; i < condition.items; ++i)
        item.positive.push_back(transformer.condition(queue, queue.scratch(), tokens_of<Dev>(condition, i)));
      if (!guided) continue;
      const auto negative = negative_tokens_of<Dev>(condition);
      if (negative.data() != nullptr) {
        item.negative = transformer.condition(queue, queue.scratch(), negative);
      } else if (!zero_) {
        zero_ = transformer.zero_condition(queue, queue.scratch());
      }
    }
  }
  // For each branch those of all members.
  [[nodiscard]] std::vector<const Context<Dev, T>*> of(std::span<const int> branches) const {
    std::vector<const Context<Dev, T>*> used;
    for (const int branch : branches) {
      for (const Item& item : items_) {
        used.push_back(branch != kNegative ? &item.positive[static_cast<std::size_t>(branch)]
                       : item.negative     ? &*item.negative
                                           : &*zero_);
      }
    }
    return used;
  }

 private:
  struct Item {
    std::vector<Context<Dev, T>> positive;
    std::optional<Context<Dev, T>> negative{};
  };
  std::vector<Item> items_;
  std::optional<Context<Dev, T>> zero_;
};

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

// The noises of all members one after another, in the scratch arena.
template <class Dev>
[[nodiscard]] View<Dev, float, 1> place_noise(StageRunner<Dev>& runner, Members members) {
  std::int64_t values = 0;
  for (const Flow::Member& member : members) values += static_cast<std::int64_t>(member.input.noise.size());
  const auto state = runner.scratch().template take<float, 1>({values});
  std::int64_t at = 0;
  for (const Flow::Member& member : members) {
    const std::span<const float> noise = member.input.noise;
    upload_bytes(runner.queue(), noise.data(), state.data() + at, noise.size() * sizeof(float));
    at += static_cast<std::int64_t>(noise.size());
  }
  return state;
}

// Integrates the state of all members, as place_noise() has it, in place from step `first` on, and returns how many steps are
// made then: all, or fewer where a member has left. `tables` are those of a forward over most_branches times the members.
// `forward(input, modulation, tables, contexts, out)` evaluates the velocities of all branches, each for all members, which
// differ in their context alone: input [values], out [b, values].
template <class Dev, class T, class Network, class Tables, class Forward>
[[nodiscard]] int sample(StageRunner<Dev>& runner, Stage stage, bool real, View<Dev, float, 1> state, const Network& network,
                         Members members, const SamplerSettings& settings, int first, const Tables& tables, Forward forward) {
  Queue<Dev>& queue = runner.queue();
  const Flow::Input& input = members.front().input;
  const auto keep = place_kept<Dev>(runner, input);
  const int items = static_cast<int>(members.front().condition->items);
  const MemberContexts<Dev, T> contexts(queue, network.transformer(), members, settings.guided);
  RunModulation<Dev, T, Network> modulation(queue, network, settings);
  const Velocity<Dev> velocity = [&](View<Dev, const float, 1> x, double t, std::span<const int> branches,
                                     View<Dev, float, 2> out) {
    const std::vector<const Context<Dev, T>*> used = contexts.of(branches);
    forward(x, modulation.at(t), tables.first(static_cast<std::int64_t>(used.size())),
            std::span<const Context<Dev, T>* const>(used), out);
  };
  const int last = input.range.last < 0 ? settings.steps : input.range.last;
  const auto report = [&](const StepReport<Dev>& r) {
    if (!real) return;
    runner.report_done(stage, r.step + 1, r.steps);
    if (input.estimate != nullptr && r.step + 1 == input.range.last) *input.estimate = clean_estimate(runner, r);
  };
  const auto integrate = [&](const StepRange& range) {
    sample_flow<Dev>(queue, state, settings, items, velocity, report, keep ? &*keep : nullptr, range);
  };
  // A run that uses velocities again has no parts, so who leaves it is carried along.
  if (!real || members.size() == 1 || reuses(settings)) {
    integrate({first, last});
    return last;
  }
  const auto left = [](const Flow::Member& member) { return member.left && member.left(); };
  for (int step = first; step < last; ++step) {
    integrate({step, step + 1});
    if (std::any_of(members.begin(), members.end(), left)) return step + 1;
  }
  return last;
}

// The samples of all members that stay: `run(staying, first)` makes steps with those, whose noise is what they are at `first`,
// puts what they are then into `states`, one after another, and returns how many are made.
template <class Run>
[[nodiscard]] std::vector<std::vector<float>> sample_staying(Members members, const SamplerSettings& settings, Run run) {
  std::vector<std::vector<float>> results(members.size());
  std::vector<Flow::Member> staying(members.begin(), members.end());
  std::vector<std::size_t> place(members.size());
  std::iota(place.begin(), place.end(), std::size_t{0});
  const StepRange& range = members.front().input.range;
  const int last = range.last < 0 ? settings.steps : range.last;
  std::vector<float> states;
  for (int step = range.first; step < last && !staying.empty();) {
    step = run(Members(staying), step, states);
    std::vector<Flow::Member> still;
    std::vector<std::size_t> where;
    std::size_t at = 0;
    for (std::size_t i = 0; i < staying.size(); ++i) {
      Flow::Member& member = staying[i];
      const auto values = std::span(states).subspan(states.empty() ? 0 : at, states.empty() ? 0 : member.input.noise.size());
      at += member.input.noise.size();
      std::vector<float>& result = results[place[i]];
      result.assign(values.begin(), values.end());
      if (members.size() > 1 && member.left && member.left()) {
        result.clear();
        continue;
      }
      member.input.noise = result;
      still.push_back(member);
      where.push_back(place[i]);
    }
    staying = std::move(still);
    place = std::move(where);
  }
  return results;
}

}  // namespace espalier
