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

// Throws invalid_argument for what cannot be sampled.
inline void check_sampling(Stage stage, const FlowTransformerConfig& c, const Condition& condition,
                           const SamplerSettings& settings, std::int64_t noise, std::int64_t wanted) {
  check_settings(settings, std::string(stage_title(stage)));
  require(condition.items > 0, "Flow::sample", "nothing was encoded");
  require(noise == wanted, "Flow::sample", noise, " values of noise for ", wanted);
  if (condition.channels != c.condition_channels) {
    fail(ErrorCode::invalid_argument, stage_title(stage), ": the condition has ", condition.channels,
         " channels, but the flow takes ", c.condition_channels);
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

  [[nodiscard]] std::vector<float> sample(const Flow::Input& input, const Condition& condition,
                                          const SamplerSettings& settings) override {
    constexpr Stage kStage = Stage::sample_structure;
    const auto& flow = this->model();
    const auto& c = flow.config();
    StageRunner<Dev>& runner = this->runner();
    const auto noise = static_cast<std::int64_t>(input.noise.size());
    check_sampling(kStage, c.transformer, condition, settings, noise, noise_values(nullptr));
    std::vector<float> result;
    runner.report(kStage, input.range.first, settings.steps);
    runner.run(kStage, [&](bool real) {
      Queue<Dev>& queue = runner.queue();
      const auto state = runner.template place_values<1>(input.noise, {noise});
      const int most = most_branches(settings, static_cast<int>(condition.items));
      const TokenLayout<Dev> layouts = flow.layout(queue, queue.scratch(), most);
      const auto forward = [&](View<Dev, const float, 1> x, const TimeModulation<Dev, T>& modulation,
                               const TokenLayout<Dev>& layout, std::span<const Context<Dev, T>* const> contexts,
                               View<Dev, float, 2> v) {
        const auto volumes = [&](std::int64_t n) {
          return Extents<5>{n, c.in_channels, c.resolution, c.resolution, c.resolution};
        };
        flow.forward(queue, {x.data(), volumes(1)}, modulation, layout, contexts, {v.data(), volumes(v.extent(0))});
      };
      espalier::sample<Dev, T>(runner, kStage, real, state, flow, condition, settings, input, layouts, forward);
      if (real) result = runner.fetch(state);
    });
    return result;
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
  [[nodiscard]] std::vector<float> sample(const Flow::Input& input, const Condition& condition,
                                          const SamplerSettings& settings) override;
};

template <class Dev, class T>
std::vector<float> LatentFlow<Dev, T>::sample(const Flow::Input& input, const Condition& condition,
                                              const SamplerSettings& settings) {
  constexpr Stage kStage = Stage::sample_latent;
  require(input.voxels != nullptr, "LatentFlow::sample", "no voxels");
  const Voxels& voxels = *input.voxels;
  const auto& flow = this->model();
  const std::int64_t rows = voxels.rows(), channels = flow.config().in_channels;
  if (rows < 1 || rows > kMaxVoxels) {
    fail(ErrorCode::invalid_argument, stage_title(kStage), ": ", rows, " voxels",
         hint("between 1 and ", kMaxVoxels, " can be sampled"));
  }
  const auto noise = static_cast<std::int64_t>(input.noise.size());
  check_sampling(kStage, flow.config().transformer, condition, settings, noise, rows * channels);
  StageRunner<Dev>& runner = this->runner();
  runner.report(kStage, input.range.first, settings.steps);
  const int most = most_branches(settings, static_cast<int>(condition.items));
  const LatentTables tables = runner.prepare([&] { return repeat_tables(latent_tables(flow.config(), voxels), most); });
  std::vector<float> result;
  runner.run(kStage, [&](bool real) {
    Queue<Dev>& queue = runner.queue();
    const auto state = runner.template place_values<1>(input.noise, {noise});
    const LatentStructure<Dev> structures = flow.prepare(queue, queue.scratch(), tables);
    const auto forward = [&](View<Dev, const float, 1> x, const TimeModulation<Dev, T>& modulation,
                             const LatentStructure<Dev>& structure, std::span<const Context<Dev, T>* const> contexts,
                             View<Dev, float, 2> v) {
      flow.forward(queue, {x.data(), {rows, channels}}, modulation, structure, contexts,
                   {v.data(), {v.extent(0) * rows, channels}});
    };
    espalier::sample<Dev, T>(runner, kStage, real, state, flow, condition, settings, input, structures, forward);
    if (!input.mean.empty()) {
      const auto deviation = runner.template place_values<1>(input.deviation, {channels});
      const auto mean = runner.template place_values<1>(input.mean, {channels});
      const auto matrix = state.template reshape<2>({rows, channels});
      scale_columns<Dev, float>(queue, matrix, deviation, mean, matrix);
    }
    if (real) result = runner.fetch(state);
  });
  return result;
}

}  // namespace espalier
