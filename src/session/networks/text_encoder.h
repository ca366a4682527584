// Text encoders on a device.
#pragma once

#include <memory>
#include <vector>

#include "models/clip/clip.h"
#include "session/networks/held.h"
#include "session/registry.h"

namespace espalier {

template <class Dev, class T>
class ClipTextEncoder final : public HeldNetwork<TextEncoder, ClipText<Dev, T>, ClipTextConfig, Dev> {
 public:
  using Base = HeldNetwork<TextEncoder, ClipText<Dev, T>, ClipTextConfig, Dev>;
  using Base::Base;
  using Tokens = TextEncoder::Tokens;
  static constexpr bool kManyRows = false;

  static ClipTextConfig configure(const ModuleSource& m) { return ClipTextConfig::from(m.arguments()); }
  static NetworkShape shape(const ClipTextConfig& c) { return {.out_channels = c.channels}; }
  static std::size_t working_bytes(const ClipTextConfig& /*c*/) { return 0; }

  [[nodiscard]] std::int64_t length() const override { return this->model().config().length; }
  [[nodiscard]] std::int64_t vocabulary() const override { return this->model().config().vocabulary; }
  [[nodiscard]] Condition encode(Tokens prompt, Tokens negative) override;

 private:
  void check(Tokens tokens) const {
    require(static_cast<std::int64_t>(tokens.size()) == length(), "TextEncoder::encode", tokens.size(), " tokens for ",
            length());
    for (const std::int32_t id : tokens) require(id >= 0 && id < vocabulary(), "TextEncoder::encode", "token ", id);
  }
};

template <class Dev, class T>
Condition ClipTextEncoder<Dev, T>::encode(Tokens prompt, Tokens negative) {
  constexpr Stage kStage = Stage::encode_text;
  check(prompt);
  check(negative);
  StageRunner<Dev>& runner = this->runner();
  Queue<Dev>& queue = runner.queue();
  const std::int64_t channels = this->model().config().channels;
  const auto hold = [&] { return std::make_shared<DeviceTokensOn<Dev>>(length() * channels, queue.ordinal()); };
  const auto positive_states = hold();
  const auto negative_states = hold();
  runner.report(kStage, 0, 2);
  runner.run(kStage, [&](bool real) {
    int done = 0;
    for (const auto& [tokens, states] : {std::pair{prompt, positive_states}, std::pair{negative, negative_states}}) {
      const Frame<Dev> frame(queue.scratch());
      auto ids = queue.scratch().template take<std::int32_t, 1>({length()});
      if (real) upload_bytes(queue, tokens.data(), ids.data(), tokens.size_bytes());
      this->model().forward(queue, ids, {states->data(), {length(), channels}});
      if (real) runner.report_done(kStage, ++done, 2);
    }
  });
  return {.positive = positive_states, .negative = negative_states, .items = 1, .rows = length(), .channels = channels};
}

}  // namespace espalier
