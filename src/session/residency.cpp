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

Residency::~Residency() {
  {
    const std::scoped_lock lock(mutex_);
    stop_ = true;
  }
  if (loader_.joinable()) loader_.join();
}

void Residency::add(const std::string& role, WeightShare weights, bool on_demand, Load load) {
  Slot& slot = slots_[role];
  slot.weights = weights;
  slot.on_demand = on_demand;
  slot.load = std::move(load);
}

std::vector<WeightShare> Residency::weights() const {
  std::vector<WeightShare> all;
  for (const auto& [role, slot] : slots_) {
    if (!slot.on_demand) all.push_back(slot.weights);
  }
  return all;
}

void Residency::load_ahead(bool aside) {
  if (tier_ != MemoryTier::high) return;
  std::vector<Slot*> order;
  for (auto& [role, slot] : slots_) {
    if (!slot.on_demand && !slot.network) order.push_back(&slot);
  }
  std::stable_sort(order.begin(), order.end(),
                   [](const Slot* a, const Slot* b) { return a->weights.group < b->weights.group; });
  if (!aside) {
    for (Slot* slot : order) slot->network = slot->load();
    return;
  }
  for (Slot* slot : order) slot->coming = true;
  loader_ = std::thread([this, order] { load_aside(order); });
}

void Residency::load_aside(const std::vector<Slot*>& order) {
  for (Slot* slot : order) {
    std::unique_ptr<Network> network;
    std::exception_ptr failure;
    try {
      network = slot->load();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::scoped_lock lock(mutex_);
    slot->network = std::move(network);
    slot->coming = false;
    failure_ = failure;
    if (failure || stop_) {
      for (Slot* other : order) other->coming = false;
    }
    arrived_.notify_all();
    if (failure || stop_) return;
  }
}

Network& Residency::acquire(const std::string& role, bool& loaded) {
  const auto found = slots_.find(role);
  require(found != slots_.end(), "Residency::acquire", "no network ", role);
  Slot& wanted = found->second;
  std::unique_lock lock(mutex_);
  loaded = !wanted.network;
  // What nobody loads ahead waits for all that is, so that one thread at a time loads.
  arrived_.wait(lock, [&] {
    if (wanted.network) return true;
    return !wanted.coming && std::none_of(slots_.begin(), slots_.end(), [](const auto& slot) { return slot.second.coming; });
  });
  if (!wanted.network && failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
  for (auto& [other, slot] : slots_) {
    if (&slot == &wanted) continue;
    if (tier_ == MemoryTier::low || (tier_ == MemoryTier::medium && slot.weights.group != wanted.weights.group))
      slot.network.reset();
  }
  if (!wanted.network) wanted.network = wanted.load();
  return *wanted.network;
}

std::size_t Residency::resident_bytes() const {
  const std::scoped_lock lock(mutex_);
  std::size_t n = 0;
  for (const auto& [role, slot] : slots_) {
    if (slot.network) n += slot.network->weight_bytes();
    if (slot.coming) n += slot.weights.bytes;
  }
  return n;
}

std::size_t Residency::coming_bytes() const {
  const std::scoped_lock lock(mutex_);
  std::size_t n = 0;
  for (const auto& [role, slot] : slots_) n += slot.coming ? slot.weights.bytes : 0;
  return n;
}

}  // namespace espalier
