// What the back ends of all devices share.
#pragma once

#include <utility>

#include "session/back_end.h"

namespace espalier {

template <class Dev>
class BackEndOn : public BackEnd {
 public:
  BackEndOn(int ordinal, MathMode math, std::string device_name, std::string precision_name)
      : runner_(ordinal, math), device_name_(std::move(device_name)), precision_name_(std::move(precision_name)) {}

  [[nodiscard]] std::string device_name() const override { return device_name_; }
  [[nodiscard]] std::string precision_name() const override { return precision_name_; }
  [[nodiscard]] std::size_t free_bytes() const override { return free_memory<Dev>(ordinal()); }

  [[nodiscard]] Condition place(std::span<const float> tokens, std::int64_t items, std::int64_t rows) override {
    const auto values = static_cast<std::int64_t>(tokens.size());
    require(items > 0 && rows > 0 && values % (items * rows) == 0, "BackEnd::place", values, " values for ", items, " x ",
            rows);
    const auto held = std::make_shared<DeviceTokensOn<Dev>>(values, ordinal());
    upload_bytes(runner_.queue(), tokens.data(), held->data(), tokens.size_bytes());
    return {.positive = held, .items = items, .rows = rows, .channels = values / (items * rows)};
  }
  [[nodiscard]] std::vector<float> fetch(const Condition& condition) override {
    const std::int64_t item = condition.rows * condition.channels;
    std::vector<float> host(static_cast<std::size_t>(condition.items * item));
    download_bytes(runner_.queue(), tokens_of<Dev>(condition, 0).data(), host.data(), host.size() * sizeof(float));
    return host;
  }

  void set_hooks(StageHooks hooks) override { runner_.set_hooks(std::move(hooks)); }
  [[nodiscard]] std::vector<StageCost> take_costs() override { return runner_.take_costs(); }
  void part_of(std::optional<Stage> whole) override { runner_.part_of(whole); }
  void save_memory(bool save) override { runner_.save_memory(save); }
  void limit_memory(std::size_t bytes) override { runner_.limit_memory(bytes); }
  void only_measure(bool only) override { runner_.only_measure(only); }
  void loaded(double seconds, std::size_t resident, std::size_t own, std::size_t coming) override {
    runner_.loaded(seconds, resident, own, coming);
  }

 protected:
  [[nodiscard]] StageRunner<Dev>& runner() { return runner_; }

 private:
  [[nodiscard]] int ordinal() const { return runner_.queue().ordinal(); }

  StageRunner<Dev> runner_;
  std::string device_name_, precision_name_;
};

}  // namespace espalier
