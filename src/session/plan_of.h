// From a network on (device, torso type) to its plan: what a line of the registry refers to.
//
// Net<Dev, T> derives from an interface of session/network.h, most simply through HeldNetwork (session/networks/held.h), and
// has
//   using Model, Config;  static Config configure(const ModuleSource&);  static NetworkShape shape(const Config&);
//   static std::size_t working_bytes(const Config&);  Net(StageRunner<Dev>&, std::unique_ptr<Loaded<Model, Dev>>);
//   static constexpr bool kManyRows: whether its products have the thousands of rows that float8 pays for.
#pragma once

#include <memory>
#include <utility>

#include "base/with_cuda.h"
#include "nn/backends.h"
#include "session/registry.h"

namespace espalier {

template <template <class, class> class Net>
class PlanOf final : public NetworkPlan {
 public:
  explicit PlanOf(const ModuleSource& module) : config_(Net<Cpu, float>::configure(module)) {}

  [[nodiscard]] NetworkShape shape() const override { return Net<Cpu, float>::shape(config_); }
  [[nodiscard]] std::string_view kind() const override { return Net<Cpu, float>::kKind; }
  [[nodiscard]] std::vector<Declaration> declare(const TensorSource& tensors) const override {
    Queue<Cpu> queue;
    Arena<Cpu> meter;
    WeightLoader<Cpu> loader(queue, meter, tensors);
    const typename Net<Cpu, float>::Model probe(config_, loader);
    return loader.declared();
  }
  [[nodiscard]] std::size_t working_bytes(bool cuda, Precision precision) const override {
#if ESPALIER_WITH_CUDA
    if (cuda && precision != Precision::full) return Net<Cuda, half>::working_bytes(config_);
    if (cuda) return Net<Cuda, float>::working_bytes(config_);
#endif
    static_cast<void>(cuda);
    static_cast<void>(precision);
    return Net<Cpu, float>::working_bytes(config_);
  }

  [[nodiscard]] std::size_t weight_bytes(Queue<Cpu>& queue, const TensorSource& tensors, Precision precision) const override {
    return measure<Cpu, float>(queue, tensors, precision);
  }
  [[nodiscard]] std::unique_ptr<Network> load(StageRunner<Cpu>& runner, const TensorSource& tensors,
                                              Precision precision) const override {
    return make<Cpu, float>(runner, tensors, precision);
  }
  [[nodiscard]] std::unique_ptr<Network> measurable(StageRunner<Cpu>& runner, const TensorSource& tensors,
                                                    Precision precision) const override {
    return make_measurable<Cpu, float>(runner, tensors, precision);
  }
#if ESPALIER_WITH_CUDA
  [[nodiscard]] std::size_t weight_bytes(Queue<Cuda>& queue, const TensorSource& tensors, Precision precision) const override {
    return precision == Precision::full ? measure<Cuda, float>(queue, tensors, precision)
                                        : measure<Cuda, half>(queue, tensors, precision);
  }
  [[nodiscard]] std::unique_ptr<Network> load(StageRunner<Cuda>& runner, const TensorSource& tensors,
                                              Precision precision) const override {
    return precision == Precision::full ? make<Cuda, float>(runner, tensors, precision)
                                        : make<Cuda, half>(runner, tensors, precision);
  }
  [[nodiscard]] std::unique_ptr<Network> measurable(StageRunner<Cuda>& runner, const TensorSource& tensors,
                                                    Precision precision) const override {
    return precision == Precision::full ? make_measurable<Cuda, float>(runner, tensors, precision)
                                        : make_measurable<Cuda, half>(runner, tensors, precision);
  }
#else
  [[nodiscard]] std::size_t weight_bytes(Queue<Cuda>& /*queue*/, const TensorSource& /*tensors*/,
                                         Precision /*precision*/) const override {
    fail(ErrorCode::internal, "PlanOf: a build without CUDA");
  }
  [[nodiscard]] std::unique_ptr<Network> load(StageRunner<Cuda>& /*runner*/, const TensorSource& /*tensors*/,
                                              Precision /*precision*/) const override {
    fail(ErrorCode::internal, "PlanOf: a build without CUDA");
  }
  [[nodiscard]] std::unique_ptr<Network> measurable(StageRunner<Cuda>& /*runner*/, const TensorSource& /*tensors*/,
                                                    Precision /*precision*/) const override {
    fail(ErrorCode::internal, "PlanOf: a build without CUDA");
  }
#endif

 private:
  // Of the matrices of linear layers.
  [[nodiscard]] static MatrixFormat format_of(Precision precision) {
    if (precision == Precision::int8) return MatrixFormat::int8;
    return precision == Precision::fp8 && Net<Cpu, float>::kManyRows ? MatrixFormat::float8 : MatrixFormat::plain;
  }
  template <class Dev, class T>
  [[nodiscard]] std::size_t measure(Queue<Dev>& queue, const TensorSource& tensors, Precision precision) const {
    return measure_weights<typename Net<Dev, T>::Model>(queue, tensors, config_, format_of(precision));
  }
  template <class Dev, class T>
  [[nodiscard]] std::unique_ptr<Network> make(StageRunner<Dev>& runner, const TensorSource& tensors,
                                              Precision precision) const {
    return std::make_unique<Net<Dev, T>>(
        runner, load_model<typename Net<Dev, T>::Model>(runner.queue(), tensors, config_, format_of(precision)));
  }

  template <class Dev, class T>
  [[nodiscard]] std::unique_ptr<Network> make_measurable(StageRunner<Dev>& runner, const TensorSource& tensors,
                                                         Precision precision) const {
    using Model = typename Net<Dev, T>::Model;
    auto loaded = std::make_unique<Loaded<Model, Dev>>();  // its arena only meters
    WeightLoader<Dev> loader(runner.queue(), loaded->weights, tensors, format_of(precision));
    loaded->model = std::make_unique<Model>(config_, loader);
    return std::make_unique<Net<Dev, T>>(runner, std::move(loaded));
  }

  typename Net<Cpu, float>::Config config_;
};

template <template <class, class> class Net>
[[nodiscard]] std::unique_ptr<NetworkPlan> plan_of(const ModuleSource& module) {
  return std::make_unique<PlanOf<Net>>(module);
}

}  // namespace espalier
