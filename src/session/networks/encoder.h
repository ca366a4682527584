// Image encoders on a device.
#pragma once

#include <memory>

#include "models/dino/dino.h"
#include "session/networks/held.h"
#include "session/registry.h"

namespace espalier {

template <class Dev, class T>
class DinoEncoder final : public HeldNetwork<ImageEncoder, Dino<Dev, T>, DinoShape, Dev> {
 public:
  using Base = HeldNetwork<ImageEncoder, Dino<Dev, T>, DinoShape, Dev>;
  using Base::Base;
  static constexpr bool kManyRows = false;
  static constexpr int kSide = 518;  // what the reference feeds to it, whatever size the position embedding has

  // The configuration's JSON, or what the public name of the weights implies.
  static DinoShape configure(const ModuleSource& m) {
    return {m.args.is_null() ? DinoConfig::named(m.public_name) : DinoConfig::from(m.arguments()), kSide, kSide};
  }
  static NetworkShape shape(const DinoShape& c) { return {.in_channels = 3, .out_channels = c.config.channels}; }
  static std::size_t working_bytes(const DinoShape& /*c*/) { return 0; }

  [[nodiscard]] Condition encode(std::span<const std::vector<float>> images) override;
};

template <class Dev, class T>
Condition DinoEncoder<Dev, T>::encode(std::span<const std::vector<float>> images) {
  StageRunner<Dev>& runner = this->runner();
  Queue<Dev>& queue = runner.queue();
  Condition condition;
  condition.items = static_cast<std::int64_t>(images.size());
  condition.rows = this->model().tokens();
  condition.channels = this->model().shape().config.channels;
  const auto held =
      std::make_shared<DeviceTokensOn<Dev>>(condition.items * condition.rows * condition.channels, queue.ordinal());
  const int count = static_cast<int>(images.size());
  runner.report(Stage::encode_image, 0, count);
  runner.run(Stage::encode_image, [&](bool real) {
    for (int i = 0; i < count; ++i) {
      const Frame<Dev> frame(queue.scratch());
      const auto input = runner.template place_values<4>(images[static_cast<std::size_t>(i)], {1, 3, kSide, kSide});
      const View<Dev, float, 2> out(held->data() + i * condition.rows * condition.channels,
                                    {condition.rows, condition.channels});
      this->model().forward(queue, input, {}, out);
      if (real) runner.report_done(Stage::encode_image, i + 1, count);
    }
  });
  condition.positive = held;
  return condition;
}

}  // namespace espalier
