// What a flow is conditioned on: tokens that an encoder made, on the device where they were made.
#pragma once

#include <cstdint>
#include <memory>

#include "base/error.h"
#include "runtime/memory.h"

namespace espalier {

// Device memory behind an interface without a device.
class DeviceTokens {
 public:
  DeviceTokens() = default;
  DeviceTokens(const DeviceTokens&) = delete;
  DeviceTokens& operator=(const DeviceTokens&) = delete;
  virtual ~DeviceTokens() = default;
};

// The tokens of one or several inputs (images of one object, prompts). Copies share the memory.
struct Condition {
  std::shared_ptr<const DeviceTokens> positive{};  // [items, rows, channels] float32
  std::shared_ptr<const DeviceTokens> negative{};  // [rows, channels] float32; null: all zeros
  std::int64_t items = 0, rows = 0, channels = 0;
};

template <class Dev>
class DeviceTokensOn final : public DeviceTokens {
 public:
  DeviceTokensOn(std::int64_t values, int ordinal)
      : buffer_(static_cast<std::size_t>(values) * sizeof(float), ordinal, "condition") {}
  [[nodiscard]] float* data() const { return reinterpret_cast<float*>(buffer_.data()); }

 private:
  Buffer<Dev> buffer_;
};

// The tokens of item `item`, [rows, channels]. Throws internal for a condition of another kind of device.
template <class Dev>
[[nodiscard]] View<Dev, const float, 2> tokens_of(const Condition& condition, std::int64_t item) {
  const auto* held = dynamic_cast<const DeviceTokensOn<Dev>*>(condition.positive.get());
  require(held != nullptr && item >= 0 && item < condition.items, "tokens_of", "item ", item, " of ", condition.items);
  return {held->data() + item * condition.rows * condition.channels, {condition.rows, condition.channels}};
}
// The tokens of the negative condition; an empty view when it is all zeros.
template <class Dev>
[[nodiscard]] View<Dev, const float, 2> negative_tokens_of(const Condition& condition) {
  if (condition.negative == nullptr) return {};
  const auto* held = dynamic_cast<const DeviceTokensOn<Dev>*>(condition.negative.get());
  require(held != nullptr, "negative_tokens_of", "a condition of another device");
  return {held->data(), {condition.rows, condition.channels}};
}

}  // namespace espalier
