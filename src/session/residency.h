// Which networks' weights are on a device, by memory tier.
#pragma once

#include <array>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

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

// Networks by role, loaded when they are needed and dropped as the tier says. To be used by one thread.
class Residency {
 public:
  using Load = std::function<std::unique_ptr<Network>()>;

  Residency() = default;
  Residency(const Residency&) = delete;
  Residency& operator=(const Residency&) = delete;
  // Waits for the network that is being loaded aside.
  ~Residency();

  // A network that can be loaded; `on_demand` ones are not part of what the high tier loads at once.
  void add(const std::string& role, WeightShare weights, bool on_demand, Load load);
  [[nodiscard]] std::vector<WeightShare> weights() const;  // of all that are not on demand

  void set_tier(MemoryTier tier) { tier_ = tier; }
  [[nodiscard]] MemoryTier tier() const { return tier_; }
  // High tier: everything that is not on demand, in the order in which a job needs it. Other tiers: nothing. `aside`: on a
  // thread of its own, for which acquire() waits. What fails there is thrown once by acquire(), which loads by itself
  // afterwards.
  void load_ahead(bool aside);
  // The network of a role, after dropping what the tier does not keep beside it. Sets `loaded` if it had to be loaded or waited
  // for.
  [[nodiscard]] Network& acquire(const std::string& role, bool& loaded);
  // Of all weights on the device now, and of those that are on their way.
  [[nodiscard]] std::size_t resident_bytes() const;
  // Of those that are on their way, which may have taken a part of their memory already.
  [[nodiscard]] std::size_t coming_bytes() const;

 private:
  struct Slot {
    WeightShare weights;
    bool on_demand = false;
    Load load;
    std::unique_ptr<Network> network;
    bool coming = false;  // it is being loaded aside, or will be
  };
  void load_aside(const std::vector<Slot*>& order);

  std::map<std::string, Slot> slots_;
  MemoryTier tier_ = MemoryTier::high;

  mutable std::mutex mutex_;  // of what follows, and of `network` and `coming` while the loader runs
  std::condition_variable arrived_;
  std::exception_ptr failure_;
  bool stop_ = false;
  std::thread loader_;
};

}  // namespace espalier
