// The operators of the graphs that are understood, one function each. For read_operators.
#pragma once

#include <map>
#include <string_view>

#include "models/matting/node.h"
#include "models/matting/plan.h"

namespace espalier {

// What a name of the graph stands for while it is read: a feature map of the plan, a list of integers that is known already
// (shapes and what is computed from them), or stored numbers.
struct GraphValue {
  enum class Kind : std::uint8_t { map, integers, tensor };
  Kind kind = Kind::map;
  int map = 0;
  std::vector<std::int64_t> integers;
  bool scalar = false;  // the integers are one number without dimensions
  const OnnxTensor* tensor = nullptr;
};

class OperatorReader {
 public:
  OperatorReader(const std::string& label, const OnnxGraph& graph) : label_(label), graph_(graph) {}

  // Places the graph's input and its stored tensors.
  void begin(std::int64_t height, std::int64_t width);
  // Adds what a node does; its inputs must have been read.
  void add(const OnnxNode& node);
  // The map that a name stands for.
  [[nodiscard]] int map_named(std::string_view name) const;
  [[nodiscard]] MattingPlan take() { return std::move(plan_); }

 private:
  void convolution(const NodeReader& node);
  void max_pool(const NodeReader& node);
  void batch_normalization(const NodeReader& node);
  void activation(const NodeReader& node);
  void add_maps(const NodeReader& node);
  void concat(const NodeReader& node);
  void resize(const NodeReader& node);
  void cast(const NodeReader& node);
  void constant(const NodeReader& node);
  void shape(const NodeReader& node);
  void gather(const NodeReader& node);
  void slice(const NodeReader& node);
  void unsqueeze(const NodeReader& node);
  void identity(const NodeReader& node);

  // Inputs of a node by place; an optional one that is left out is null.
  [[nodiscard]] const GraphValue* optional(const NodeReader& node, std::size_t place) const;
  [[nodiscard]] const GraphValue& input(const NodeReader& node, std::size_t place) const;
  [[nodiscard]] int map(const NodeReader& node, std::size_t place) const;
  [[nodiscard]] const std::vector<std::int64_t>& integers(const NodeReader& node, std::size_t place) const;
  // A stored tensor of these extents.
  [[nodiscard]] const OnnxTensor* tensor(const NodeReader& node, std::size_t place,
                                         const std::vector<std::int64_t>& extents) const;
  // Refuses other counts of inputs, and more than one output.
  void expect(const NodeReader& node, std::size_t least, std::size_t most) const;

  // Appends a step whose result has this shape.
  void emit(const NodeReader& node, MattingStep step, const MapShape& shape);
  int new_map(const NodeReader& node, const MapShape& shape);
  void define(const NodeReader& node, GraphValue value);
  void define_integers(const NodeReader& node, std::vector<std::int64_t> values, bool scalar = false);
  [[nodiscard]] GraphValue value_of(const OnnxTensor& tensor) const;
  [[nodiscard]] const MapShape& shape_of(int map) const { return plan_.maps[static_cast<std::size_t>(map)]; }

  const std::string& label_;
  const OnnxGraph& graph_;
  MattingPlan plan_;
  std::map<std::string_view, GraphValue> values_;
  double work_ = 0.0;  // multiply-adds and elements so far
};

// The window of a Conv or MaxPool over a map, and the extents of the result. ceil: a last window may hang over the border.
struct WindowedShape {
  Window window;
  std::int64_t height = 0, width = 0;
};
[[nodiscard]] WindowedShape read_window(const NodeReader& node, const MapShape& in, std::vector<std::int64_t> kernel,
                                        bool ceil);

// How Resize maps the pixels of one axis. scale: output over input; the exact one where the graph gives it, else 0.
[[nodiscard]] Sampling read_sampling(const NodeReader& node, std::int64_t in, std::int64_t out, float scale);

}  // namespace espalier
