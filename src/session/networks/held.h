// A network on a device: the weights, and the runner of its stages.
#pragma once

#include <memory>
#include <utility>

#include "session/network.h"
#include "session/stage_runner.h"
#include "weights/loader.h"

namespace espalier {

// `Interface` is one of session/network.h.
template <class Interface, class Model_, class Config_, class Dev>
class HeldNetwork : public Interface {
 public:
  using Model = Model_;
  using Config = Config_;
  static constexpr bool kManyRows = true;
  HeldNetwork(StageRunner<Dev>& runner, std::unique_ptr<Loaded<Model, Dev>> loaded)
      : runner_(runner), loaded_(std::move(loaded)) {}
  [[nodiscard]] std::size_t weight_bytes() const override { return loaded_->weights.capacity(); }

 protected:
  [[nodiscard]] StageRunner<Dev>& runner() { return runner_; }
  [[nodiscard]] const Model& model() const { return *loaded_->model; }
  // The structured latent [rows, channels] in the scratch arena.
  [[nodiscard]] View<Dev, float, 2> place_latent(std::span<const float> latent, std::int64_t rows) {
    require(rows > 0 && static_cast<std::int64_t>(latent.size()) % rows == 0, "place_latent", latent.size(),
            " latent values for ", rows, " voxels");
    return runner_.template place_values<2>(latent, {rows, static_cast<std::int64_t>(latent.size()) / rows});
  }

 private:
  StageRunner<Dev>& runner_;
  std::unique_ptr<Loaded<Model, Dev>> loaded_;
};

}  // namespace espalier
