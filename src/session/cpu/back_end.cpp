#include "session/back_end_on.h"

namespace espalier {
namespace {

class CpuBackEnd final : public BackEndOn<Cpu> {
 public:
  explicit CpuBackEnd(bool bf16)
      : BackEndOn(0, bf16 ? MathMode::bf16 : MathMode::exact, DeviceChoice{}.in_words(),
                  bf16 ? "float32 with bfloat16 products" : "float32") {}
  [[nodiscard]] std::size_t working_bytes(const NetworkPlan& plan) const override { return plan.working_bytes(false, false); }
  [[nodiscard]] std::size_t weight_bytes(const NetworkPlan& plan, const TensorSource& tensors) override {
    return plan.weight_bytes(runner().queue(), tensors);
  }
  [[nodiscard]] std::unique_ptr<Network> load(const NetworkPlan& plan, const TensorSource& tensors) override {
    return plan.load(runner(), tensors);
  }
  [[nodiscard]] std::unique_ptr<Network> measurable(const NetworkPlan& plan, const TensorSource& tensors) override {
    return plan.measurable(runner(), tensors);
  }
};

}  // namespace

std::unique_ptr<BackEnd> make_cpu_back_end(bool half) {
  bool bf16 = false;
#if defined(__x86_64__)
  bf16 = half && __builtin_cpu_supports("avx512bf16") != 0;
#endif
  return std::make_unique<CpuBackEnd>(bf16);
}

}  // namespace espalier
