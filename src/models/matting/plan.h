// What it takes to run the graph of an ONNX file: a list of steps over feature maps of one image, worked out completely
// (shapes, constants, memory) before anything is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ops/convolution.h"
#include "ops/pooling.h"
#include "weights/onnx_file.h"

namespace espalier {

struct MapShape {
  std::int64_t channels = 0, height = 0, width = 0;
  [[nodiscard]] std::int64_t elements() const { return channels * height * width; }
  bool operator==(const MapShape&) const = default;
};

// (x - mean) scale / sqrt(variance + epsilon) + shift, by channel. Null without one.
struct BatchNorm {
  const OnnxTensor *scale = nullptr, *shift = nullptr, *mean = nullptr, *variance = nullptr;
  float epsilon = 1e-5F;
};

enum class StepKind : std::uint8_t { convolution, max_pool, resize, concat, add, batch_norm, activate, round };

// `round`: to the numbers that float16 has; nothing where maps are float16 already.
struct MattingStep {
  StepKind kind = StepKind::activate;
  std::vector<int> inputs;  // feature maps, by number
  int output = 0;
  Window window{};                                      // of convolution and max_pool
  Sampling rows{}, columns{};                           // of resize
  Activation activation = Activation::none;             // of activate, and what a convolution ends with
  const OnnxTensor *weight = nullptr, *bias = nullptr;  // of convolution; a bias may be absent
  BatchNorm norm{};                                     // of batch_norm, and what follows a convolution
};

struct MattingPlan {
  std::vector<MapShape> maps;
  std::vector<MattingStep> steps;
  int input = 0;
  std::vector<int> outputs;
  std::vector<std::int64_t> offsets;  // of each map that is needed, in elements of one block of memory
  std::int64_t elements = 0;          // of that block
};

// The plan for one image. height and width: of the input where the file leaves them open. wanted: names of values to compute;
// the first output of the graph when empty. Only what they need becomes a step, but every node is checked. Convolutions absorb
// the batch norm and the ReLU behind them. The plan points into the graph. Throws unsupported for operators, attributes and
// sizes that are left out, format for a graph that contradicts itself; the message names file and node.
[[nodiscard]] MattingPlan plan_network(const std::string& label, const OnnxGraph& graph, std::int64_t height,
                                       std::int64_t width, const std::vector<std::string>& wanted = {});

// The steps in plan_network: what the operators say, before anything is left out or joined.
[[nodiscard]] MattingPlan read_operators(const std::string& label, const OnnxGraph& graph, std::int64_t height,
                                         std::int64_t width, const std::vector<std::string>& wanted);
// Drops steps that no output needs and joins convolutions with what follows them.
void simplify_steps(MattingPlan& plan);
// Gives every map its place: maps whose uses do not overlap in time share memory. Throws unsupported when it is too much.
void place_maps(const std::string& label, MattingPlan& plan);

// An order in which every node comes after those it reads from, otherwise that of the file. Throws format naming a value that
// nothing makes, that two nodes make, or that depends on itself.
[[nodiscard]] std::vector<std::size_t> execution_order(const std::string& label, const OnnxGraph& graph);

}  // namespace espalier
