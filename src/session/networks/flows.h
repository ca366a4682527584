// The two rectified flows of TRELLIS on a device.
#pragma once

#include "models/trellis/sparse_structure_flow.h"
#include "models/trellis/structured_latent_flow.h"
#include "ops/elementwise.h"
#include "session/networks/held.h"
#include "session/registry.h"
#include "session/sample.h"

namespace espalier {

// Working memory of a flow over `tokens` rows of each of two branches.
template <class T>
[[nodiscard]] std::size_t flow_bytes(const FlowTransformerConfig& c, std::int64_t tokens) {
  return static_cast<std::size_t>(2 * tokens * (c.channels * 8 + c.hidden)) * sizeof(T);
}

// Throws invalid_argument for what cannot be sampled. `wanted(voxels)`: values of noise.
template <class Wanted>
void check_sampling(Stage stage, const FlowTransformerConfig& c, Members members, const SamplerSettings& settings,
                    Wanted wanted) {
  check_settings(settings, std::string(stage_title(stage)));
  require(!members.empty(), "Flow::sample_each", "no members");
  for (const Flow::Member& member : members) {
    const Condition& condition = *member.condition;
    const auto noise = static_cast<std::int64_t>(member.input.noise.size());
    require(condition.items > 0, "Flow::sample", "nothing was encoded");
    require(condition.items == members.front().condition->items, "Flow::sample_each", "conditions of ", condition.items,
            " and ", members.front().condition->items, " items");
    require(
        members.size() == 1 || (member.input.kept == nullptr && member.input.range.first == 0 && member.input.range.last < 0),
        "Flow::sample_each", "several members with a part of a run, or with values to keep");
    require(noise == wanted(member.input.voxels), "Flow::sample", noise, " values of noise for ", wanted(member.input.voxels));
    if (condition.channels != c.condition_channels) {
      fail(ErrorCode::invalid_argument, stage_title(stage), ": the condition has ", condition.channels,
           " channels, but the flow takes ", c.condition_channels);
    }
  }
}

template <class Dev, class T>
class StructureFlow final : public HeldNetwork<Flow, SparseStructureFlow<Dev, T>, SparseStructureFlowConfig, Dev> {
 public:
  using Base = HeldNetwork<Flow, SparseStructureFlow<Dev, T>, SparseStructureFlowConfig, Dev>;
  using Base::Base;
  static SparseStructureFlowConfig configure(const ModuleSource& m) { return SparseStructureFlowConfig::from(m.arguments()); }
  static NetworkShape shape(const SparseStructureFlowConfig& c) {
    return {c.in_channels, c.out_channels, c.transformer.condition_channels, c.resolution};
  }
  static std::size_t working_bytes(const SparseStructureFlowConfig& c) { return flow_bytes<T>(c.transformer, c.tokens()); }

  [[nodiscard]] std::int64_t noise_values(const Voxels* /*voxels*/) const override {
    const auto& c = this->model().config();
    return c.in_channels * c.resolution * c.resolution * c.resolution;
  }

  [[nodiscard]] std::vector<std::vector<float>> sample_each(Members all, const SamplerSettings& settings) override {
    constexpr Stage kStage = Stage::sample_structure;
    check_sampling(kStage, this->model().config().transformer, all, settings,
                   [this](const Voxels* voxels) { return noise_values(voxels); });
    StageRunner<Dev>& runner = this->runner();
    runner.report(kStage, all.front().input.range.first, settings.steps);
    return sample_staying(all, settings, [&](Members members, int first, std::vector<float>& states) {
      int made = first;
      const auto body = [&](bool real) {
        const auto state = place_noise(runner, members);
        made = integrate(real, state, members, settings, first);
        if (real) states = runner.fetch(state);
      };
      runner.run(kStage, body, all.size() > 1);
      return made;
    });
  }

 private:
  [[nodiscard]] int integrate(bool real, View<Dev, float, 1> state, Members members, const SamplerSettings& settings,
                              int first) {
    const auto& flow = this->model();
    const auto& c = flow.config();
    Queue<Dev>& queue = this->runner().queue();
    const auto count = static_cast<std::int64_t>(members.size());
    const std::int64_t most = count * most_branches(settings, static_cast<int>(members.front().condition->items));
    const TokenLayout<Dev> layouts = flow.layout(queue, queue.scratch(), most);
    const auto forward = [&](View<Dev, const float, 1> x, const TimeModulation<Dev, T>& modulation,
                             const TokenLayout<Dev>& layout, std::span<const Context<Dev, T>* const> contexts,
                             View<Dev, float, 2> v) {
      const auto volumes = [&](std::int64_t n) {
        return Extents<5>{n, c.in_channels, c.resolution, c.resolution, c.resolution};
      };
      flow.forward(queue, {x.data(), volumes(count)}, modulation, layout, contexts, {v.data(), volumes(v.extent(0) * count)});
    };
    return espalier::sample<Dev, T>(this->runner(), Stage::sample_structure, real, state, flow, members, settings, first,
                                    layouts, forward);
  }
};

template <class Dev, class T>
class LatentFlow final : public HeldNetwork<Flow, StructuredLatentFlow<Dev, T>, StructuredLatentFlowConfig, Dev> {
 public:
  using Base = HeldNetwork<Flow, StructuredLatentFlow<Dev, T>, StructuredLatentFlowConfig, Dev>;
  using Base::Base;
  static constexpr std::int64_t kMaxVoxels = std::int64_t{1} << 20U;
  static StructuredLatentFlowConfig configure(const ModuleSource& m) { return StructuredLatentFlowConfig::from(m.arguments()); }
  static NetworkShape shape(const StructuredLatentFlowConfig& c) {
    return {c.in_channels, c.out_channels, c.transformer.condition_channels, c.resolution};
  }
  static std::size_t working_bytes(const StructuredLatentFlowConfig& c) {
    return flow_bytes<T>(c.transformer, kDetailedVoxels);
  }

  [[nodiscard]] std::int64_t noise_values(const Voxels* voxels) const override {
    require(voxels != nullptr, "LatentFlow", "no voxels");
    return voxels->rows() * this->model().config().in_channels;
  }
  [[nodiscard]] std::vector<std::vector<float>> sample_each(Members all, const SamplerSettings& settings) override;

 private:
  // Steps from `first` on; how many are made then.
  [[nodiscard]] int integrate(bool real, View<Dev, float, 1> state, Members members, const SamplerSettings& settings, int first,
                              const LatentTables& tables);
  // Samples become values * deviation + mean.
  void denormalise(View<Dev, float, 1> state, Members members);
};

// The voxels of all members as the elements of one batch.
[[nodiscard]] inline Voxels voxels_of(Members members) {
  if (members.size() == 1) return *members.front().input.voxels;
  std::vector<std::int32_t> coords;
  for (std::size_t b = 0; b < members.size(); ++b) {
    const std::vector<std::int32_t>& own = members[b].input.voxels->coords;
    for (std::size_t i = 0; i < own.size(); i += 4)
      coords.insert(coords.end(), {static_cast<std::int32_t>(b), own[i + 1], own[i + 2], own[i + 3]});
  }
  return make_voxels(std::move(coords), static_cast<std::int64_t>(members.size()), members.front().input.voxels->resolution);
}

template <class Dev, class T>
int LatentFlow<Dev, T>::integrate(bool real, View<Dev, float, 1> state, Members members, const SamplerSettings& settings,
                                  int first, const LatentTables& tables) {
  const auto& flow = this->model();
  Queue<Dev>& queue = this->runner().queue();
  const std::int64_t channels = flow.config().in_channels, rows = state.size() / channels;
  const LatentStructure<Dev> structures = flow.prepare(queue, queue.scratch(), tables);
  const auto forward = [&](View<Dev, const float, 1> x, const TimeModulation<Dev, T>& modulation,
                           const LatentStructure<Dev>& structure, std::span<const Context<Dev, T>* const> contexts,
                           View<Dev, float, 2> v) {
    flow.forward(queue, {x.data(), {rows, channels}}, modulation, structure, contexts,
                 {v.data(), {v.extent(0) * rows, channels}});
  };
  return espalier::sample<Dev, T>(this->runner(), Stage::sample_latent, real, state, flow, members, settings, first, structures,
                                  forward);
}

template <class Dev, class T>
void LatentFlow<Dev, T>::denormalise(View<Dev, float, 1> state, Members members) {
  const Flow::Input& input = members.front().input;
  if (input.mean.empty()) return;
  const std::int64_t channels = this->model().config().in_channels;
  const auto deviation = this->runner().template place_values<1>(input.deviation, {channels});
  const auto mean = this->runner().template place_values<1>(input.mean, {channels});
  const auto matrix = state.template reshape<2>({state.size() / channels, channels});
  scale_columns<Dev, float>(this->runner().queue(), matrix, deviation, mean, matrix);
}

template <class Dev, class T>
std::vector<std::vector<float>> LatentFlow<Dev, T>::sample_each(Members all, const SamplerSettings& settings) {
  constexpr Stage kStage = Stage::sample_latent;
  for (const Flow::Member& member : all) {
    require(member.input.voxels != nullptr, "LatentFlow::sample", "no voxels");
    if (const std::int64_t rows = member.input.voxels->rows(); rows < 1 || rows > kMaxVoxels) {
      fail(ErrorCode::invalid_argument, stage_title(kStage), ": ", rows, " voxels",
           hint("between 1 and ", kMaxVoxels, " can be sampled"));
    }
  }
  check_sampling(kStage, this->model().config().transformer, all, settings,
                 [this](const Voxels* voxels) { return noise_values(voxels); });
  StageRunner<Dev>& runner = this->runner();
  const StepRange& range = all.front().input.range;
  const int last = range.last < 0 ? settings.steps : range.last;
  runner.report(kStage, range.first, settings.steps);
  return sample_staying(all, settings, [&](Members members, int first, std::vector<float>& states) {
    const int most = most_branches(settings, static_cast<int>(members.front().condition->items));
    const LatentTables tables =
        runner.prepare([&] { return repeat_tables(latent_tables(this->model().config(), voxels_of(members)), most); });
    int made = first;
    const auto body = [&](bool real) {
      const auto state = place_noise(runner, members);
      made = integrate(real, state, members, settings, first, tables);
      if (made == last) denormalise(state, members);
      if (real) states = runner.fetch(state);
    };
    runner.run(kStage, body, all.size() > 1);
    return made;
  });
}

}  // namespace espalier
