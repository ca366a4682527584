#include <algorithm>

#include "session/back_end_on.h"

namespace espalier {
namespace {

std::string words_for(Precision precision) {
  switch (precision) {
    case Precision::full: return "float32";
    case Precision::int8: return "float16 with int8 weights";
    case Precision::fp8: return "float16 with float8 products";
    default: return "float16";
  }
}

class CudaBackEnd final : public BackEndOn<Cuda> {
 public:
  CudaBackEnd(int ordinal, Precision precision, std::string name)
      : BackEndOn(ordinal, MathMode::exact, std::move(name), words_for(precision)), precision_(precision) {}
  [[nodiscard]] std::size_t working_bytes(const NetworkPlan& plan) const override {
    return plan.working_bytes(true, precision_);
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
  Precision precision_;
};

void check_float8(int ordinal) {
  const std::vector<GpuInfo> gpus = list_gpus();
  const auto gpu = std::find_if(gpus.begin(), gpus.end(), [&](const GpuInfo& g) { return g.ordinal == ordinal; });
  if (gpu == gpus.end() || gpu->major > 8 || (gpu->major == 8 && gpu->minor >= 9)) return;
  fail(ErrorCode::unsupported, "precision fp8: cuda:", ordinal, " (", gpu->name, ") has compute capability ", gpu->major, ".",
       gpu->minor, ", and products in float8 need 8.9", hint("use --precision int8, which takes as little memory, or half"));
}

}  // namespace

std::unique_ptr<BackEnd> make_cuda_back_end(int ordinal, Precision precision) {
  if (precision == Precision::fp8) check_float8(ordinal);
  return std::make_unique<CudaBackEnd>(ordinal, precision, DeviceChoice{true, ordinal}.in_words());
}

}  // namespace espalier
