// Runs the plan of a background network on one device.
#pragma once

#include <string>
#include <vector>

#include "models/matting/plan.h"
#include "runtime/queue.h"

namespace espalier {

template <class Dev, class T>
class MattingNetwork {
 public:
  // Reads the weights; the file of the plan's graph need not outlive this. `label` names it in errors. Throws out_of_memory,
  // and what onnx_floats throws.
  MattingNetwork(Queue<Dev>& queue, const std::string& label, const MattingPlan& plan);
  // What bytes() would be, without any of it and without a look at the weights' values. Throws as plan_network does.
  [[nodiscard]] static std::size_t planned_bytes(Queue<Dev>& queue, const std::string& label, const MattingPlan& plan) {
    return MattingNetwork(queue, label, plan, Measured()).planned_.all();
  }

  // Extents of the input, and of a result.
  [[nodiscard]] const MapShape& input() const { return shapes_.front(); }
  [[nodiscard]] const MapShape& output(std::size_t i) const { return shapes_[i + 1]; }
  // input [channels, height, width]; the results in the order of the plan, laid out likewise.
  [[nodiscard]] std::vector<std::vector<float>> run(const std::vector<float>& input);
  // Device memory: weights, feature maps and working memory.
  [[nodiscard]] std::size_t bytes() const { return weights_.capacity() + maps_.bytes() + scratch_.capacity(); }

 private:
  struct Measured {};
  struct Sizes {
    std::size_t maps = 0, weights = 0, working = 0;
    [[nodiscard]] std::size_t all() const { return maps + weights + working; }
  };
  // Layers without memory, and what they would need.
  MattingNetwork(Queue<Dev>& queue, const std::string& label, const MattingPlan& plan, Measured);

  using Map = View<Dev, T, 4>;  // [1, height, width, channels]
  struct Layer {
    StepKind kind;
    std::vector<Map> inputs;
    Map output;
    Window window;
    Sampling rows, columns;
    Activation activation;
    View<Dev, const T, 4> weight;       // of a convolution
    View<Dev, const T, 1> scale, bias;  // of a batch norm; bias of a convolution too
  };

  [[nodiscard]] Map map_of(const MattingPlan& plan, int map) const;
  void load(const std::string& label, const MattingPlan& plan, Arena<Dev>& arena);
  void load_convolution(const std::string& label, const MattingStep& step, Arena<Dev>& arena, Layer& layer);
  void load_norm(const std::string& label, const MattingStep& step, Arena<Dev>& arena, Layer& layer);
  template <int Rank>
  [[nodiscard]] View<Dev, const T, Rank> place(const std::vector<float>& values, const Extents<Rank>& extents,
                                               Arena<Dev>& arena);
  void step(const Layer& layer);
  void concat(const Layer& layer);
  void round_to_half(const Map& x, const Map& out);
  // Sends the input and runs all layers; nothing but measuring on a metering queue.
  void forward(const std::vector<float>& input);
  [[nodiscard]] std::vector<float> fetch(Map map);

  Queue<Dev>& queue_;
  Sizes planned_;
  std::vector<MapShape> shapes_;  // of the input, then of the results
  Buffer<Dev> maps_;
  Arena<Dev> weights_, scratch_;
  std::vector<Layer> layers_;
  Map input_;
  std::vector<Map> outputs_;
};

}  // namespace espalier
