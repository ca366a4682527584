// The registry: which class of a configuration is which network. A new network is one line in trellis_networks().
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "session/checkpoint.h"
#include "session/network.h"
#include "session/sample_networks.h"
#include "session/stage_runner.h"
#include "weights/loader.h"

namespace espalier {

// Networks that are on the device together in the medium tier.
enum class ResidencyGroup : std::uint8_t { encode, structure, latent, decode };
inline constexpr std::size_t kResidencyGroups = 4;

// What networks of one checkpoint must agree on; 0 where a network has no such size.
struct NetworkShape {
  std::int64_t in_channels = 0, out_channels = 0, condition_channels = 0;
  int resolution = 0;  // of the grid that it reads
  int scale = 1;       // of the grid that it makes, over that
};

// One network of a checkpoint before it is on a device: its configuration, read and checked.
class NetworkPlan {
 public:
  NetworkPlan() = default;
  NetworkPlan(const NetworkPlan&) = delete;
  NetworkPlan& operator=(const NetworkPlan&) = delete;
  virtual ~NetworkPlan() = default;

  [[nodiscard]] virtual NetworkShape shape() const = 0;
  // Which interface of session/network.h it has: Interface::kKind.
  [[nodiscard]] virtual std::string_view kind() const = 0;
  // Every tensor that the network reads; `tensors` tells which optional ones exist.
  [[nodiscard]] virtual std::vector<Declaration> declare(const TensorSource& tensors) const = 0;
  // Working memory of a detailed object, roughly, to choose a memory tier by.
  [[nodiscard]] virtual std::size_t working_bytes(bool cuda, Precision precision) const = 0;

  // Bytes of the weights on the device; checks every declaration. Throws format listing all mismatches. No precision here and
  // below is automatic.
  [[nodiscard]] virtual std::size_t weight_bytes(Queue<Cpu>& queue, const TensorSource& tensors, Precision precision) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Network> load(StageRunner<Cpu>& runner, const TensorSource& tensors,
                                                      Precision precision) const = 0;
  // The network without memory for its weights, whose stages can only be measured (StageRunner::only_measure).
  [[nodiscard]] virtual std::unique_ptr<Network> measurable(StageRunner<Cpu>& runner, const TensorSource& tensors,
                                                            Precision precision) const = 0;
  // With float16 torsos unless `precision` is full. Builds without CUDA never get here.
  [[nodiscard]] virtual std::size_t weight_bytes(Queue<Cuda>& queue, const TensorSource& tensors,
                                                 Precision precision) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Network> load(StageRunner<Cuda>& runner, const TensorSource& tensors,
                                                      Precision precision) const = 0;
  [[nodiscard]] virtual std::unique_ptr<Network> measurable(StageRunner<Cuda>& runner, const TensorSource& tensors,
                                                            Precision precision) const = 0;
};

// What the time of a network grows with.
struct WorkSizes {
  double voxels = 12000;
};

struct NetworkClass {
  std::string_view name;  // in the configuration, without the prefix Elastic
  ResidencyGroup group = ResidencyGroup::encode;
  std::unique_ptr<NetworkPlan> (*plan)(const ModuleSource& module) = nullptr;
  // Rows that all weights act on in one evaluation: what its time is estimated by.
  double (*rows)(const WorkSizes& sizes) = nullptr;
  bool on_demand = false;  // stays away from the device until a job asks for it, in every tier
  // What `bench` runs, in the order of the registry: the role, and the arguments of a network; null: it runs none.
  const char* role = nullptr;
  nlohmann::json (*sample)(SampleSize size) = nullptr;
};

class Registry {
 public:
  explicit Registry(std::vector<NetworkClass> classes) : classes_(std::move(classes)) {}
  // Throws unsupported naming `where` for a class that is not registered.
  [[nodiscard]] const NetworkClass& find(const std::string& name, const std::string& where) const;
  [[nodiscard]] const std::vector<NetworkClass>& classes() const { return classes_; }

 private:
  std::vector<NetworkClass> classes_;
};

// The networks of TRELLIS.
[[nodiscard]] const Registry& trellis_networks();

}  // namespace espalier
