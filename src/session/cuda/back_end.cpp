#include "session/back_end_on.h"

namespace espalier {
namespace {

class CudaBackEnd final : public BackEndOn<Cuda> {
 public:
  CudaBackEnd(int ordinal, bool half_torso, std::string name)
      : BackEndOn(ordinal, MathMode::exact, std::move(name), half_torso ? "float16" : "float32"), half_(half_torso) {}
  [[nodiscard]] std::size_t working_bytes(const NetworkPlan& plan) const override { return plan.working_bytes(true, half_); }
  [[nodiscard]] std::size_t weight_bytes(const NetworkPlan& plan, const TensorSource& tensors) override {
    return plan.weight_bytes(runner().queue(), tensors, half_);
  }
  [[nodiscard]] std::unique_ptr<Network> load(const NetworkPlan& plan, const TensorSource& tensors) override {
    return plan.load(runner(), tensors, half_);
  }
  [[nodiscard]] std::unique_ptr<Network> measurable(const NetworkPlan& plan, const TensorSource& tensors) override {
    return plan.measurable(runner(), tensors, half_);
  }

 private:
  bool half_;
};

}  // namespace

std::unique_ptr<BackEnd> make_cuda_back_end(int ordinal, bool half_torso) {
  return std::make_unique<CudaBackEnd>(ordinal, half_torso, DeviceChoice{true, ordinal}.in_words());
}

}  // namespace espalier
