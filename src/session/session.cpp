#include "session/session.h"

#include <algorithm>
#include <chrono>

#include "parallel/parallel_for.h"

namespace espalier {
namespace {

// Bytes of weights in the file times rows per second: image-large's first flow (1.11 GB, 4096 rows) takes 11 ms on an H100 in
// half precision, and 26 s on two cores in full.
constexpr double kGpuRate = 4e14;
constexpr double kCoreRate = 8.5e10;

}  // namespace

std::unique_ptr<BackEnd> make_back_end(const DeviceChoice& device, bool half) {
  return device.cuda ? make_cuda_back_end(device.ordinal, half) : make_cpu_back_end(half);
}

Session::Session(const SessionOptions& options, std::shared_ptr<const Checkpoint> checkpoint, const Registry& registry)
    : checkpoint_(std::move(checkpoint)),
      device_(options.device),
      half_(options.half),
      back_end_(make_back_end(options.device, options.half)) {
  for (const auto& [role, module] : checkpoint_->modules) add(role, module, registry);
  residency_.set_tier(options.tier == MemoryTier::automatic ? fitting_tier(options.memory_limit) : options.tier);
  back_end_->save_memory(residency_.tier() == MemoryTier::low);
  residency_.load_ahead();
}

void Session::add(const std::string& role, const ModuleSource& module, const Registry& registry) {
  Role& added = roles_[role];
  added.network_class = &registry.find(module.class_name, module.where);
  added.plan = added.network_class->plan(module);
  const std::size_t bytes = back_end_->weight_bytes(*added.plan, *module.tensors);
  for (const auto& [name, entry] : module.tensors->entries()) added.stored_bytes += static_cast<double>(entry.bytes);
  const auto load = [this, plan = added.plan.get(), tensors = module.tensors] { return back_end_->load(*plan, *tensors); };
  residency_.add(role, {added.network_class->group, bytes}, added.network_class->on_demand, load);
}

MemoryTier Session::fitting_tier(std::size_t memory_limit) const {
  std::size_t usable = back_end_->free_bytes() / 10 * 9;
  if (memory_limit > 0) usable = std::min(usable, memory_limit);
  return choose_tier(residency_.weights(), working_bytes(), usable);
}

std::size_t Session::working_bytes() const {
  std::size_t working = 0;
  for (const auto& [role, r] : roles_) working = std::max(working, back_end_->working_bytes(*r.plan));
  return working;
}

Session::MemoryNeed Session::memory_need() const {
  MemoryNeed need;
  for (const WeightShare& share : residency_.weights()) {
    need.least = std::max(need.least, share.bytes);
    need.all += share.bytes;
  }
  const std::size_t working = working_bytes();
  return {need.least + working, need.all + working};
}

const NetworkPlan& Session::plan(const std::string& role) const {
  const auto found = roles_.find(role);
  if (found == roles_.end()) (void)checkpoint_->module(role);  // throws, naming the roles that exist
  return *found->second.plan;
}

void Session::refuse_kind(const std::string& role, std::string_view wanted) const {
  const ModuleSource& m = checkpoint_->module(role);
  fail(ErrorCode::unsupported, m.where, ": role ", role, " needs ", wanted, ", found a ", m.class_name, ", which is ",
       plan(role).kind());
}

Network& Session::acquire(const std::string& role) {
  const auto start = std::chrono::steady_clock::now();
  bool loaded = false;
  Network& network = residency_.acquire(role, loaded);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  back_end_->loaded(loaded ? seconds : 0.0, residency_.resident_bytes());
  return network;
}

double Session::usual_seconds(const std::string& role, const WorkSizes& sizes) const {
  const auto found = roles_.find(role);
  if (found == roles_.end()) return 0.0;
  const double rate = device_.cuda ? kGpuRate : kCoreRate * worker_count();
  return found->second.stored_bytes * found->second.network_class->rows(sizes) / rate;
}

}  // namespace espalier
