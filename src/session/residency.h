// Which networks' weights are on a device, by memory tier.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "espalier/espalier.h"
#include "session/network.h"
#include "session/registry.h"

namespace espalier {

// Weights of one network, for choosing a tier.
struct WeightShare {
  ResidencyGroup group = ResidencyGroup::encode;
  std::size_t bytes = 0;
};
// The largest tier whose weights fit beside `working` bytes: high keeps all, medium those of one group, low those of one
// network.
[[nodiscard]] MemoryTier choose_tier(std::span<const WeightShare> weights, std::size_t working, std::size_t usable);

// Networks by role, loaded when they are needed and dropped as the tier says.
class Residency {
 public:
  using Load = std::function<std::unique_ptr<Network>()>;

  // A network that can be loaded; `on_demand` ones are not part of what the high tier loads at once.
  void add(const std::string& role, WeightShare weights, bool on_demand, Load load);
  [[nodiscard]] std::vector<WeightShare> weights() const;  // of all that are not on demand

  void set_tier(MemoryTier tier) { tier_ = tier; }
  [[nodiscard]] MemoryTier tier() const { return tier_; }
  // High tier: everything that is not on demand. Other tiers: nothing.
  void load_ahead();
  // The network of a role, after dropping what the tier does not keep beside it. Sets `loaded` if it had to be loaded.
  [[nodiscard]] Network& acquire(const std::string& role, bool& loaded);
  // Of all weights on the device now.
  [[nodiscard]] std::size_t resident_bytes() const;

 private:
  struct Slot {
    WeightShare weights;
    bool on_demand = false;
    Load load;
    std::unique_ptr<Network> network;
  };
  std::map<std::string, Slot> slots_;
  MemoryTier tier_ = MemoryTier::high;
};

}  // namespace espalier
