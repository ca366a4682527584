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

std::unique_ptr<BackEnd> make_back_end(const DeviceChoice& device, Precision precision) {
  return device.cuda ? make_cuda_back_end(device.ordinal, precision) : make_cpu_back_end(precision);
}

Session::Session(const SessionOptions& options, std::shared_ptr<const Checkpoint> checkpoint, const Registry& registry)
    : checkpoint_(std::move(checkpoint)),
      device_(options.device),
      precision_(options.precision),
      only_measure_(options.only_measure),
      memory_limit_(options.memory_limit),
      back_end_(make_back_end(options.device, options.precision)) {
  for (const auto& [role, module] : checkpoint_->modules) add(role, module, registry);
  residency_.set_tier(options.tier == MemoryTier::automatic ? fitting_tier() : options.tier);
  back_end_->save_memory(residency_.tier() == MemoryTier::low);
  back_end_->only_measure(only_measure_);
  if (only_measure_) return;
  back_end_->limit_memory(memory_limit_);
  if (residency_.tier() == MemoryTier::high && !roles_.empty()) check_limit(roles_.begin()->first);
  residency_.load_ahead(device_.cuda);
}

void Session::add(const std::string& role, const ModuleSource& module, const Registry& registry) {
  Role& added = roles_[role];
  added.network_class = &registry.find(module.class_name, module.where);
  added.plan = added.network_class->plan(module);
  added.bytes = back_end_->weight_bytes(*added.plan, *module.tensors);
  for (const auto& [name, entry] : module.tensors->entries()) added.stored_bytes += static_cast<double>(entry.bytes);
  const auto load = [this, plan = added.plan.get(), tensors = module.tensors] {
    return only_measure_ ? back_end_->measurable(*plan, *tensors) : back_end_->load(*plan, *tensors);
  };
  residency_.add(role, {added.network_class->group, added.bytes}, added.network_class->on_demand, load);
}

std::size_t Session::usable_bytes() const {
  const std::size_t usable = back_end_->free_bytes() / 10 * 9;
  return memory_limit_ > 0 ? std::min(usable, memory_limit_) : usable;
}

MemoryTier Session::fitting_tier() const { return choose_tier(residency_.weights(), working_bytes(), usable_bytes()); }

std::size_t Session::weights_beside(const std::string& role, MemoryTier tier) const {
  const Role& wanted = roles_.at(role);
  std::size_t bytes = wanted.bytes;
  for (const auto& [name, other] : roles_) {
    if (name == role || other.network_class->on_demand || tier == MemoryTier::low) continue;
    if (tier == MemoryTier::high || other.network_class->group == wanted.network_class->group) bytes += other.bytes;
  }
  return bytes;
}

void Session::check_limit(const std::string& role) const {
  const std::size_t bytes = weights_beside(role, residency_.tier());
  if (memory_limit_ == 0 || bytes <= memory_limit_) return;
  constexpr std::size_t kMiB = std::size_t{1} << 20U;
  const auto mib = [](std::size_t n) { return (n + kMiB - 1) / kMiB; };
  const bool low = residency_.tier() == MemoryTier::low;
  fail(ErrorCode::out_of_memory, checkpoint_->folder.string(), ": ", low ? "the weights of " + role : "the weights", " take ",
       mib(bytes), " MiB, more than the limit of ", mib(memory_limit_), " MiB",
       hint(low ? "" : "run with --vram-tier low, or ", "raise --vram-limit: espalier plan says what a job takes"));
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
  if (!only_measure_) check_limit(role);
  const auto start = std::chrono::steady_clock::now();
  bool loaded = false;
  Network& network = residency_.acquire(role, loaded);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  back_end_->loaded(loaded ? seconds : 0.0, residency_.resident_bytes(), roles_.at(role).bytes, residency_.coming_bytes());
  return network;
}

double Session::usual_seconds(const std::string& role, const WorkSizes& sizes) const {
  const auto found = roles_.find(role);
  if (found == roles_.end()) return 0.0;
  const double rate = device_.cuda ? kGpuRate : kCoreRate * worker_count();
  return found->second.stored_bytes * found->second.network_class->rows(sizes) / rate;
}

}  // namespace espalier
