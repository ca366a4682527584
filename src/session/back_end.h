// A device that networks run on, behind an interface without device or element type: the one place where (device, precision)
// is chosen at run time. One source per back end implements it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "runtime/device_choice.h"
#include "session/condition.h"
#include "session/network.h"
#include "session/registry.h"
#include "session/stage_runner.h"

namespace espalier {

class BackEnd {
 public:
  BackEnd() = default;
  BackEnd(const BackEnd&) = delete;
  BackEnd& operator=(const BackEnd&) = delete;
  virtual ~BackEnd() = default;

  [[nodiscard]] virtual std::string device_name() const = 0;     // "cpu (16 cores)", "cuda:0 (NVIDIA H100 80GB HBM3)"
  [[nodiscard]] virtual std::string precision_name() const = 0;  // "float32", "float16"
  [[nodiscard]] virtual std::size_t free_bytes() const = 0;
  // Of a detailed object, for the network alone.
  [[nodiscard]] virtual std::size_t working_bytes(const NetworkPlan& plan) const = 0;

  [[nodiscard]] virtual std::size_t weight_bytes(const NetworkPlan& plan, const TensorSource& tensors) = 0;
  [[nodiscard]] virtual std::unique_ptr<Network> load(const NetworkPlan& plan, const TensorSource& tensors) = 0;
  [[nodiscard]] virtual std::unique_ptr<Network> measurable(const NetworkPlan& plan, const TensorSource& tensors) = 0;

  // tokens [items, rows, channels] on the device, the negative condition all zeros; and back.
  [[nodiscard]] virtual Condition place(std::span<const float> tokens, std::int64_t items, std::int64_t rows) = 0;
  [[nodiscard]] virtual std::vector<float> fetch(const Condition& condition) = 0;

  // As StageRunner has them.
  virtual void set_hooks(StageHooks hooks) = 0;
  [[nodiscard]] virtual std::vector<StageCost> take_costs() = 0;
  virtual void part_of(std::optional<Stage> whole) = 0;
  virtual void save_memory(bool save) = 0;
  virtual void limit_memory(std::size_t bytes) = 0;
  virtual void only_measure(bool only) = 0;
  virtual void loaded(double seconds, std::size_t resident, std::size_t own, std::size_t coming) = 0;
};

// The precision must not be automatic. Throws unsupported where the device does not have it.
[[nodiscard]] std::unique_ptr<BackEnd> make_back_end(const DeviceChoice& device, Precision precision);

// One per back end; make_back_end chooses.
[[nodiscard]] std::unique_ptr<BackEnd> make_cpu_back_end(Precision precision);
[[nodiscard]] std::unique_ptr<BackEnd> make_cuda_back_end(int ordinal, Precision precision);

}  // namespace espalier
