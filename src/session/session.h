// The networks of one checkpoint on one device, for recipes: which are there, what they take, and running them.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "session/back_end.h"
#include "session/checkpoint.h"
#include "session/registry.h"
#include "session/residency.h"

namespace espalier {

struct SessionOptions {
  DeviceChoice device{};
  Precision precision = Precision::full;  // not automatic
  MemoryTier tier = MemoryTier::automatic;
  std::size_t memory_limit = 0;  // bytes of device memory that weights and stages together stay within; 0: what is free
  bool only_measure = false;     // no weights are loaded: stages measure what they would take, and make nothing
};

class Session {
 public:
  // Checks every tensor of the checkpoint against its network, then chooses the tier by memory unless it is given, and loads
  // ahead what the tier keeps: onto a GPU while the caller goes on, so what fails there is thrown by network(). Throws
  // out_of_memory when that is more than the limit, unsupported for classes that `registry` does not have, format for tensors
  // that do not fit.
  Session(const SessionOptions& options, std::shared_ptr<const Checkpoint> checkpoint, const Registry& registry);

  [[nodiscard]] const Checkpoint& checkpoint() const { return *checkpoint_; }
  [[nodiscard]] const DeviceChoice& device() const { return device_; }
  [[nodiscard]] Precision precision() const { return precision_; }
  [[nodiscard]] bool has(const std::string& role) const { return roles_.count(role) != 0; }
  // The configuration of a role's network. Throws not_found naming the roles that exist; with Interface, format when the
  // network is of another kind.
  [[nodiscard]] const NetworkPlan& plan(const std::string& role) const;
  template <class Interface>
  [[nodiscard]] const NetworkPlan& plan_as(const std::string& role) const;

  // The network on the device, valid until the next call. Loads it if need be, and drops what the tier does not keep. Throws
  // out_of_memory when its weights are more than the limit.
  template <class Interface>
  [[nodiscard]] Interface& network(const std::string& role);

  // Bytes of device memory with the weights of one network at a time, and with all of them.
  struct MemoryNeed {
    std::size_t least = 0, all = 0;
  };
  [[nodiscard]] MemoryNeed memory_need() const;
  // Bytes of weights on the device while the network of a role runs in a tier.
  [[nodiscard]] std::size_t weights_beside(const std::string& role, MemoryTier tier) const;
  // What may be taken: the limit, or most of what is free.
  [[nodiscard]] std::size_t usable_bytes() const;

  // Seconds that one evaluation of a network usually takes on this device; 0 for a role that is not there.
  [[nodiscard]] double usual_seconds(const std::string& role, const WorkSizes& sizes) const;

  // tokens [items, rows, channels] as a condition whose negative is all zeros, for tests and benchmarks; and back.
  [[nodiscard]] Condition place(std::span<const float> tokens, std::int64_t items, std::int64_t rows) {
    return back_end_->place(tokens, items, rows);
  }
  [[nodiscard]] std::vector<float> fetch(const Condition& condition) { return back_end_->fetch(condition); }

  // As StageRunner has it.
  void part_of(std::optional<Stage> whole) { back_end_->part_of(whole); }
  void set_hooks(StageHooks hooks) { back_end_->set_hooks(std::move(hooks)); }
  [[nodiscard]] std::vector<StageCost> take_costs() { return back_end_->take_costs(); }
  [[nodiscard]] std::string device_name() const { return back_end_->device_name(); }
  [[nodiscard]] std::string precision_name() const { return back_end_->precision_name(); }
  [[nodiscard]] MemoryTier tier() const { return residency_.tier(); }
  [[nodiscard]] std::size_t resident_bytes() const { return residency_.resident_bytes(); }

 private:
  struct Role {
    const NetworkClass* network_class = nullptr;
    std::unique_ptr<NetworkPlan> plan;
    double stored_bytes = 0.0;  // of the weights in the file
    std::size_t bytes = 0;      // of the weights on the device
  };
  void add(const std::string& role, const ModuleSource& module, const Registry& registry);
  [[nodiscard]] MemoryTier fitting_tier() const;
  void check_limit(const std::string& role) const;  // before its weights are loaded
  [[nodiscard]] std::size_t working_bytes() const;  // of the network that takes most
  [[nodiscard]] Network& acquire(const std::string& role);
  void refuse_kind(const std::string& role, std::string_view wanted) const;

  std::shared_ptr<const Checkpoint> checkpoint_;
  DeviceChoice device_;
  Precision precision_;
  bool only_measure_;
  std::size_t memory_limit_;
  std::unique_ptr<BackEnd> back_end_;
  std::map<std::string, Role> roles_;
  Residency residency_;
};

template <class Interface>
const NetworkPlan& Session::plan_as(const std::string& role) const {
  const NetworkPlan& found = plan(role);
  if (found.kind() != Interface::kKind) refuse_kind(role, Interface::kKind);
  return found;
}

template <class Interface>
Interface& Session::network(const std::string& role) {
  (void)plan_as<Interface>(role);
  auto* const network = dynamic_cast<Interface*>(&acquire(role));
  require(network != nullptr, "Session::network", role, " is not ", Interface::kKind);
  return *network;
}

}  // namespace espalier
