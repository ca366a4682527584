#include "session/residency.h"

#include <algorithm>
#include <utility>

namespace espalier {

MemoryTier choose_tier(std::span<const WeightShare> weights, std::size_t working, std::size_t usable) {
  std::size_t all = 0;
  std::array<std::size_t, kResidencyGroups> groups{};
  for (const WeightShare& w : weights) {
    all += w.bytes;
    groups[static_cast<std::size_t>(w.group)] += w.bytes;
  }
  if (all + working <= usable) return MemoryTier::high;
  return *std::max_element(groups.begin(), groups.end()) + working <= usable ? MemoryTier::medium : MemoryTier::low;
}

void Residency::add(const std::string& role, WeightShare weights, bool on_demand, Load load) {
  slots_[role] = {weights, on_demand, std::move(load), nullptr};
}

std::vector<WeightShare> Residency::weights() const {
  std::vector<WeightShare> all;
  for (const auto& [role, slot] : slots_) {
    if (!slot.on_demand) all.push_back(slot.weights);
  }
  return all;
}

void Residency::load_ahead() {
  if (tier_ != MemoryTier::high) return;
  for (auto& [role, slot] : slots_) {
    if (!slot.on_demand && !slot.network) slot.network = slot.load();
  }
}

Network& Residency::acquire(const std::string& role, bool& loaded) {
  const auto found = slots_.find(role);
  require(found != slots_.end(), "Residency::acquire", "no network ", role);
  Slot& wanted = found->second;
  for (auto& [other, slot] : slots_) {
    if (&slot == &wanted) continue;
    if (tier_ == MemoryTier::low || (tier_ == MemoryTier::medium && slot.weights.group != wanted.weights.group))
      slot.network.reset();
  }
  loaded = !wanted.network;
  if (loaded) wanted.network = wanted.load();
  return *wanted.network;
}

std::size_t Residency::resident_bytes() const {
  std::size_t n = 0;
  for (const auto& [role, slot] : slots_) n += slot.network ? slot.network->weight_bytes() : 0;
  return n;
}

}  // namespace espalier
