#include "session/back_end_on.h"

namespace espalier {
namespace {

class CpuBackEnd final : public BackEndOn<Cpu> {
 public:
  CpuBackEnd(Precision precision, bool bf16)
      : BackEndOn(0, bf16 ? MathMode::bf16 : MathMode::exact, DeviceChoice{}.in_words(), words_for(precision, bf16)),
        precision_(precision) {}
  [[nodiscard]] std::size_t working_bytes(const NetworkPlan& plan) const override {
    return plan.working_bytes(false, precision_);
  }
  [[nodiscard]] std::size_t weight_bytes(const NetworkPlan& plan, const TensorSource& tensors) override {
    return plan.weight_bytes(runner().queue(), tensors, precision_);
  }
  [[nodiscard]] std::unique_ptr<Network> load(const NetworkPlan& plan, const TensorSource& tensors) override {
    return plan.load(runner(), tensors, precision_);
  }
  [[nodiscard]] std::unique_ptr<Network> measurable(const NetworkPlan& plan, const TensorSource& tensors) override {
    return plan.measurable(runner(), tensors, precision_);
  }

 private:
  static std::string words_for(Precision precision, bool bf16) {
    const std::string products = bf16 ? "float32 with bfloat16 products" : "float32";
    return precision == Precision::int8 ? products + (bf16 ? " and int8 weights" : " with int8 weights") : products;
  }

  Precision precision_;
};

}  // namespace

std::unique_ptr<BackEnd> make_cpu_back_end(Precision precision) {
  if (precision == Precision::fp8) {
    fail(ErrorCode::unsupported, "precision fp8: processors have no products in float8",
         hint("use --precision int8, which takes as little memory, or half"));
  }
  bool bf16 = false;
#if defined(__x86_64__)
  bf16 = precision != Precision::full && __builtin_cpu_supports("avx512bf16") != 0;
#endif
  return std::make_unique<CpuBackEnd>(precision, bf16);
}

}  // namespace espalier
