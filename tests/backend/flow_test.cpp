// Flows over branches that begin alike: what is shared and what is computed beforehand gives what plain forwards give.
#include <memory>
#include <numeric>
#include <utility>

#include "harness.h"
#include "models/trellis/sparse_structure_flow.h"
#include "models/trellis/structured_latent_flow.h"
#include "weights/synthetic.h"

namespace espalier::test {
namespace {

FlowTransformerConfig transformer(bool share_mod) {
  FlowTransformerConfig c;
  c.channels = 64;
  c.condition_channels = 48;
  c.blocks = 3;
  c.heads = 2;
  c.hidden = 128;
  c.qk_rms_norm = true;
  c.qk_rms_norm_cross = share_mod;
  c.share_mod = share_mod;
  return c;
}

template <class Backend>
class SharedFlow : public OpTest<Backend> {
 public:
  using Device = typename Backend::Dev;
  using Element = typename Backend::T;
  using Contexts = std::vector<Context<Device, Element>>;
  static constexpr float kTime = 637.5F;

  template <class Model, class Config>
  std::unique_ptr<Loaded<Model, Device>> load(const Config& config) {
    return load_model<Model>(this->queue(), *synthetic_for<Model>(this->queue(), "shared flow", config), config);
  }

  // Two conditions and the zero condition.
  template <class Model>
  Contexts contexts(Queue<Device>& queue, const Model& model, View<Device, const float, 2> tokens) {
    Contexts all;
    for (int i = 0; i < 2; ++i) {
      all.push_back(model.transformer().condition(queue, queue.scratch(), tokens.rows(i * 5, 5)));
    }
    all.push_back(model.transformer().zero_condition(queue, queue.scratch()));
    return all;
  }

  // forward(queue, state, modulation or times, branches, contexts, out) evaluates `branches` copies, or one state that they
  // share; `states(n)` is that many states as the model takes them.
  template <class Model, class Forward>
  void check(const Model& model, std::int64_t values, Forward forward) {
    Host<2> three({3, values});
    const auto state = this->template random_of<float>(Extents<1>{values});
    for (std::int64_t b = 0; b < 3; ++b) std::copy(state.host.values.begin(), state.host.values.end(), &three(b, 0));
    const auto copies = this->template make<float, 2>(three);
    const auto tokens = this->template random_of<float>(Extents<2>{10, 48});
    Host<1> at({4});
    at.values = {980.0, kTime, 310.0, 12.0};
    const auto times = this->template make<float, 1>(at);
    at = Host<1>({3});
    at.values = {kTime, kTime, kTime};
    const auto same = this->template make<float, 1>(at);
    auto plain = this->template poisoned_of<float>(Extents<2>{3, values});
    auto batched = this->template poisoned_of<float>(Extents<2>{3, values});
    auto shared = this->template poisoned_of<float>(Extents<2>{3, values});
    this->run([&](Queue<Device>& queue) {
      const Frame<Device> frame(queue.scratch());
      const Contexts all = contexts(queue, model, tokens.view());
      const std::vector<const Context<Device, Element>*> used{&all[0], &all[2], &all[1]};
      for (std::int64_t b = 0; b < 3; ++b) {
        forward(queue, state.view().data(), 1, same.view().rows(0, 1), 1, std::span(&used[static_cast<std::size_t>(b)], 1),
                plain.view().rows(b, 1).data());
      }
      forward(queue, copies.view().data(), 3, same.view(), 3, std::span(used), batched.view().data());
      const auto modulation = model.take_modulation(queue.scratch(), 4);
      model.modulate(queue, times.view(), modulation);
      forward(queue, state.view().data(), 1, modulation.at(1), 3, std::span(used), shared.view().data());
    });
    const Host<2> expected = plain.download();
    EXPECT_FALSE(has_nan(expected));
    const double limit = std::is_same_v<Element, half> ? 2e-2 : 2e-5;
    expect_close(batched.download(), expected, limit, "a batch");
    expect_close(shared.download(), expected, limit, "one state for all");
    // The branches differ, or nothing was shown.
    EXPECT_GT(std::abs(expected(0, 0) - expected(1, 0)) + std::abs(expected(0, 1) - expected(2, 1)), 1e-3);
  }
};
TYPED_TEST_SUITE(SharedFlow, Backends, BackendNames);

TYPED_TEST(SharedFlow, OverAVolume) {
  using Dev = typename TestFixture::Device;
  using T = typename TestFixture::Element;
  for (const bool share_mod : {false, true}) {
    SparseStructureFlowConfig config;
    config.resolution = 4;
    config.patch_size = share_mod ? 2 : 1;
    config.in_channels = config.out_channels = 8;
    config.transformer = transformer(share_mod);
    const auto loaded = this->template load<SparseStructureFlow<Dev, T>>(config);
    const auto& model = *loaded->model;
    const auto volumes = [](std::int64_t n) { return Extents<5>{n, 8, 4, 4, 4}; };
    this->check(model, 8 * 64,
                [&](Queue<Dev>& queue, const float* x, std::int64_t states, const auto& times, std::int64_t branches,
                    std::span<const Context<Dev, T>* const> contexts, float* out) {
                  const Frame<Dev> frame(queue.scratch());
                  const auto layout = model.layout(queue, queue.scratch(), 4).first(branches);
                  model.forward(queue, {x, volumes(states)}, times, layout, contexts, {out, volumes(branches)});
                });
  }
}

TYPED_TEST(SharedFlow, OverVoxels) {
  using Dev = typename TestFixture::Device;
  using T = typename TestFixture::Element;
  std::vector<std::int32_t> coords;
  for (std::int32_t x = 0; x < 8; ++x) {
    for (std::int32_t y = 0; y < 8; ++y) {
      for (std::int32_t z = 0; z < 8; ++z) {
        if ((x * 5 + y * 3 + z * 7) % 11 < 4) coords.insert(coords.end(), {0, x, y, z});
      }
    }
  }
  const Voxels voxels = make_voxels(std::move(coords), 1, 8);
  const std::int64_t rows = voxels.rows();
  for (const bool skip : {true, false}) {
    StructuredLatentFlowConfig config;
    config.resolution = 8;
    config.in_channels = config.out_channels = 8;
    config.io_channels = {32};
    config.skip_connections = skip;
    config.transformer = transformer(false);
    const auto loaded = this->template load<StructuredLatentFlow<Dev, T>>(config);
    const auto& model = *loaded->model;
    const LatentTables tables = repeat_tables(latent_tables(config, voxels), 4);
    this->check(model, 8 * rows,
                [&](Queue<Dev>& queue, const float* x, std::int64_t states, const auto& times, std::int64_t branches,
                    std::span<const Context<Dev, T>* const> contexts, float* out) {
                  const Frame<Dev> frame(queue.scratch());
                  const auto structure = model.prepare(queue, queue.scratch(), tables).first(branches);
                  model.forward(queue, {x, {states * rows, 8}}, times, structure, contexts, {out, {branches * rows, 8}});
                });
  }
}

// Several elements with states and conditions of their own, in branches that begin alike: as each alone.
template <class Backend>
class FlowBatch : public SharedFlow<Backend> {
 public:
  using Device = typename Backend::Dev;
  using Element = typename Backend::T;

  // `values`: of the state of each element. forward(queue, state, first, elements, branches, modulation, contexts, out)
  // evaluates the branches of `elements` elements from `first` on, which lie one after another.
  template <class Model, class Forward>
  void check(const Model& model, const std::vector<std::int64_t>& values, Forward forward) {
    const auto elements = static_cast<std::int64_t>(values.size());
    const std::int64_t all = std::accumulate(values.begin(), values.end(), std::int64_t{0});
    const auto state = this->template random_of<float>(Extents<1>{all});
    const auto tokens = this->template random_of<float>(Extents<2>{5 * elements, 48});
    Host<1> at({1});
    at.values = {637.5};
    const auto times = this->template make<float, 1>(at);
    constexpr std::int64_t kBranches = 3;  // a condition, another one, and zero
    auto alone = this->template poisoned_of<float>(Extents<2>{kBranches, all});
    auto together = this->template poisoned_of<float>(Extents<2>{kBranches, all});
    this->run([&](Queue<Device>& queue) {
      const Frame<Device> frame(queue.scratch());
      const auto modulation = model.take_modulation(queue.scratch(), 1);
      model.modulate(queue, times.view(), modulation);
      std::vector<Context<Device, Element>> own;
      for (std::int64_t e = 0; e < elements; ++e)
        own.push_back(model.transformer().condition(queue, queue.scratch(), tokens.view().rows(5 * e, 5)));
      const auto zero = model.transformer().zero_condition(queue, queue.scratch());
      const auto other = [&](std::size_t e) { return &own[(e + 1) % own.size()]; };
      std::vector<const Context<Device, Element>*> used;
      for (std::size_t e = 0; e < own.size(); ++e) used.push_back(&own[e]);
      for (std::size_t e = 0; e < own.size(); ++e) used.push_back(other(e));
      for (std::size_t e = 0; e < own.size(); ++e) used.push_back(&zero);
      forward(queue, state.view().data(), 0, elements, kBranches, modulation, std::span(std::as_const(used)),
              together.view().data());
      std::int64_t begin = 0;
      for (std::int64_t e = 0; e < elements; ++e) {
        const auto i = static_cast<std::size_t>(e);
        const Frame<Device> one_frame(queue.scratch());
        auto out = queue.scratch().template take<float, 2>({kBranches, values[i]});
        const std::vector<const Context<Device, Element>*> of_one{&own[i], other(i), &zero};
        forward(queue, state.view().data() + begin, e, 1, kBranches, modulation, std::span(of_one), out.data());
        for (std::int64_t b = 0; b < kBranches; ++b) {
          const View<Device, float, 1> to(alone.view().data() + b * all + begin, {values[i]});
          copy<Device, float, 1>(queue, View<Device, const float, 1>(out.data() + b * values[i], {values[i]}), to);
        }
        begin += values[i];
      }
    });
    const Host<2> expected = alone.download(), found = together.download();
    EXPECT_FALSE(has_nan(expected));
    if constexpr (std::is_same_v<Device, Cpu>) {
      EXPECT_EQ(found.values, expected.values) << "not the bits of each alone";
    } else {
      expect_close(found, expected, std::is_same_v<Element, half> ? 2e-2 : 2e-5, "elements of a batch");
    }
    EXPECT_GT(std::abs(expected(0, 0) - expected(1, 0)) + std::abs(expected(0, 1) - expected(2, 1)), 1e-3);
  }
};
TYPED_TEST_SUITE(FlowBatch, Backends, BackendNames);

TYPED_TEST(FlowBatch, OfVolumes) {
  using Dev = typename TestFixture::Device;
  using T = typename TestFixture::Element;
  for (const bool share_mod : {false, true}) {
    SparseStructureFlowConfig config;
    config.resolution = 4;
    config.patch_size = 1;
    config.in_channels = config.out_channels = 8;
    config.transformer = transformer(share_mod);
    const auto loaded = this->template load<SparseStructureFlow<Dev, T>>(config);
    const auto& model = *loaded->model;
    const auto volumes = [](std::int64_t n) { return Extents<5>{n, 8, 4, 4, 4}; };
    this->check(
        model, {512, 512, 512},
        [&](Queue<Dev>& queue, const float* x, std::int64_t /*first*/, std::int64_t elements, std::int64_t branches,
            const TimeModulation<Dev, T>& modulation, std::span<const Context<Dev, T>* const> contexts, float* out) {
          const Frame<Dev> frame(queue.scratch());
          const auto layout = model.layout(queue, queue.scratch(), elements * branches + 1).first(elements * branches);
          model.forward(queue, {x, volumes(elements)}, modulation, layout, contexts, {out, volumes(elements * branches)});
        });
  }
}

TYPED_TEST(FlowBatch, OfDifferentVoxels) {
  using Dev = typename TestFixture::Device;
  using T = typename TestFixture::Element;
  constexpr std::int32_t kFill[] = {4, 1, 7};  // of 11 cells
  std::vector<Voxels> own;
  std::vector<std::int32_t> all;
  for (std::int32_t e = 0; e < 3; ++e) {
    std::vector<std::int32_t> coords;
    for (std::int32_t i = 0; i < 512; ++i) {
      if (i * 7 % 11 < kFill[e]) coords.insert(coords.end(), {0, i / 64, i / 8 % 8, i % 8});
    }
    for (std::size_t i = 0; i < coords.size(); i += 4) all.insert(all.end(), {e, coords[i + 1], coords[i + 2], coords[i + 3]});
    own.push_back(make_voxels(std::move(coords), 1, 8));
  }
  const Voxels together = make_voxels(std::move(all), 3, 8);
  for (const bool skip : {true, false}) {
    StructuredLatentFlowConfig config;
    config.resolution = 8;
    config.in_channels = config.out_channels = 8;
    config.io_channels = {32};
    config.skip_connections = skip;
    config.transformer = transformer(false);
    const auto loaded = this->template load<StructuredLatentFlow<Dev, T>>(config);
    const auto& model = *loaded->model;
    const auto rows_of = [&](std::int64_t first, std::int64_t elements) {
      return elements == 1 ? own[static_cast<std::size_t>(first)].rows() : together.rows();
    };
    this->check(model, {8 * own[0].rows(), 8 * own[1].rows(), 8 * own[2].rows()},
                [&](Queue<Dev>& queue, const float* x, std::int64_t first, std::int64_t elements, std::int64_t branches,
                    const TimeModulation<Dev, T>& modulation, std::span<const Context<Dev, T>* const> contexts, float* out) {
                  const Frame<Dev> frame(queue.scratch());
                  const Voxels& voxels = elements == 1 ? own[static_cast<std::size_t>(first)] : together;
                  const LatentTables tables = repeat_tables(latent_tables(config, voxels), branches);
                  const auto structure = model.prepare(queue, queue.scratch(), tables).first(elements * branches);
                  const std::int64_t rows = rows_of(first, elements);
                  model.forward(queue, {x, {rows, 8}}, modulation, structure, contexts, {out, {branches * rows, 8}});
                });
  }
}

}  // namespace
}  // namespace espalier::test
