#include "models/matting/operators.h"

#include <algorithm>
#include <cmath>

#include "tensor/tensor.h"

namespace espalier {
namespace {

constexpr std::int64_t kMostSide = 16384;
constexpr std::int64_t kMostElements = std::int64_t{1} << 28U;  // of a map
constexpr double kMostWork = 4e12;                              // of a network; IS-Net at 1024 x 1024 takes 2e11
constexpr std::size_t kMostIntegers = 64;                       // of a list that is computed with

bool is_real(std::int64_t type) { return type == OnnxTensor::kFloat || type == OnnxTensor::kHalf; }
bool is_whole(std::int64_t type) { return type == OnnxTensor::kInt64 || type == OnnxTensor::kInt32; }

}  // namespace

void OperatorReader::begin(std::int64_t height, std::int64_t width) {
  constexpr std::int64_t kOldest = 11, kNewest = 24;
  if (graph_.opset < kOldest || graph_.opset > kNewest) {
    fail(ErrorCode::unsupported, label_, ": operators of version ", graph_.opset, " are not supported, ", kOldest, " to ",
         kNewest, " are", hint("use the published file"));
  }
  for (const OnnxTensor& tensor : graph_.initializers) values_.emplace(tensor.name, value_of(tensor));
  const OnnxValue* image = nullptr;
  for (const OnnxValue& input : graph_.inputs) {
    if (values_.count(input.name) != 0) continue;
    if (image != nullptr) {
      fail(ErrorCode::unsupported, label_, ": the network has more than one input", hint("use a network of one image"));
    }
    image = &input;
  }
  if (image == nullptr)
    fail(ErrorCode::format, label_, ": the network has no input", hint("the graph is not valid, use the published file"));
  const std::vector<std::int64_t>& e = image->extents;
  const auto within = [&](std::size_t i, std::int64_t most) { return e[i] == -1 || (e[i] >= 1 && e[i] <= most); };
  if (!is_real(image->type) || e.size() != 4 || !within(0, 1) || e[1] < 1 || !within(1, kMostSide) || !within(2, kMostSide) ||
      !within(3, kMostSide)) {
    fail(ErrorCode::unsupported, label_, ": the input ", printable(image->name), " has the shape ", to_string(e),
         hint("networks of one image [1, channels, height, width] are supported"));
  }
  plan_.maps.push_back({e[1], e[2] == -1 ? height : e[2], e[3] == -1 ? width : e[3]});
  if (plan_.maps.front().elements() > kMostElements) {
    fail(ErrorCode::unsupported, label_, ": the input is an image of ", e[3], " x ", e[2], " pixels, which is too much");
  }
  plan_.input = 0;
  values_.emplace(image->name, GraphValue{});
}

void OperatorReader::add(const OnnxNode& node) {
  struct Row {
    std::string_view op;
    void (OperatorReader::*read)(const NodeReader&);
  };
  static constexpr Row kOperators[] = {{"Conv", &OperatorReader::convolution},
                                       {"MaxPool", &OperatorReader::max_pool},
                                       {"BatchNormalization", &OperatorReader::batch_normalization},
                                       {"Relu", &OperatorReader::activation},
                                       {"Sigmoid", &OperatorReader::activation},
                                       {"Add", &OperatorReader::add_maps},
                                       {"Concat", &OperatorReader::concat},
                                       {"Resize", &OperatorReader::resize},
                                       {"Cast", &OperatorReader::cast},
                                       {"Constant", &OperatorReader::constant},
                                       {"Shape", &OperatorReader::shape},
                                       {"Gather", &OperatorReader::gather},
                                       {"Slice", &OperatorReader::slice},
                                       {"Unsqueeze", &OperatorReader::unsqueeze},
                                       {"Identity", &OperatorReader::identity}};
  const NodeReader reader(label_, node);
  const auto* row = std::find_if(std::begin(kOperators), std::end(kOperators), [&](const Row& r) { return r.op == node.op; });
  const bool standard = node.domain.empty() || node.domain == "ai.onnx";
  if (row == std::end(kOperators) || !standard) {
    fail(ErrorCode::unsupported, label_, ": the operator ", printable(node.op), standard ? "" : " of the domain ",
         standard ? "" : printable(node.domain), " is not supported",
         hint("use u2net.onnx, u2netp.onnx or isnet-general-use.onnx as rembg has them"));
  }
  (this->*row->read)(reader);
}

int OperatorReader::map_named(std::string_view name) const {
  const auto it = values_.find(name);
  if (it == values_.end() || it->second.kind != GraphValue::Kind::map) {
    fail(ErrorCode::format, label_, ": nothing makes the output ", printable(name),
         hint("the graph is not valid, use the published file"));
  }
  return it->second.map;
}

const GraphValue* OperatorReader::optional(const NodeReader& node, std::size_t place) const {
  const auto& inputs = node.node().inputs;
  if (place >= inputs.size() || inputs[place].empty()) return nullptr;
  const auto it = values_.find(inputs[place]);
  require(it != values_.end(), "OperatorReader", "a node before its input");
  return &it->second;
}

const GraphValue& OperatorReader::input(const NodeReader& node, std::size_t place) const {
  const GraphValue* value = optional(node, place);
  if (value == nullptr) node.broken("input ", place, " is missing");
  return *value;
}

int OperatorReader::map(const NodeReader& node, std::size_t place) const {
  const GraphValue& value = input(node, place);
  if (value.kind != GraphValue::Kind::map) node.unsupported("input ", place, " that is not a feature map");
  return value.map;
}

const std::vector<std::int64_t>& OperatorReader::integers(const NodeReader& node, std::size_t place) const {
  const GraphValue& value = input(node, place);
  if (value.kind != GraphValue::Kind::integers) node.unsupported("input ", place, " that is not a list of known integers");
  return value.integers;
}

const OnnxTensor* OperatorReader::tensor(const NodeReader& node, std::size_t place,
                                         const std::vector<std::int64_t>& extents) const {
  const GraphValue& value = input(node, place);
  if (value.kind != GraphValue::Kind::tensor) node.unsupported("input ", place, " that is not stored in the file");
  check_onnx_floats(label_, *value.tensor);
  if (value.tensor->extents != extents) {
    node.broken("input ", place, " has the shape ", to_string(value.tensor->extents), ", not ", to_string(extents));
  }
  return value.tensor;
}

void OperatorReader::expect(const NodeReader& node, std::size_t least, std::size_t most) const {
  const auto& inputs = node.node().inputs;
  if (inputs.size() < least || inputs.size() > most) node.broken(inputs.size(), " inputs");
  const auto& outputs = node.node().outputs;
  if (outputs.empty() || outputs[0].empty()) node.broken("no output");
  if (std::any_of(outputs.begin() + 1, outputs.end(), [](std::string_view name) { return !name.empty(); })) {
    node.unsupported("a second output");
  }
}

int OperatorReader::new_map(const NodeReader& node, const MapShape& shape) {
  if (shape.channels < 1 || shape.height < 1 || shape.width < 1 || shape.channels > kMostElements || shape.height > kMostSide ||
      shape.width > kMostSide || shape.channels > kMostElements / (shape.height * shape.width)) {
    node.unsupported("a result of ", shape.channels, " x ", shape.height, " x ", shape.width, " numbers");
  }
  work_ += static_cast<double>(shape.elements());
  if (work_ > kMostWork) node.unsupported("a network of so many steps");
  plan_.maps.push_back(shape);
  return static_cast<int>(plan_.maps.size()) - 1;
}

void OperatorReader::emit(const NodeReader& node, MattingStep step, const MapShape& shape) {
  step.output = new_map(node, shape);
  GraphValue value;
  value.map = step.output;
  plan_.steps.push_back(std::move(step));
  define(node, std::move(value));
}

void OperatorReader::define(const NodeReader& node, GraphValue value) {
  values_.insert_or_assign(node.node().outputs.front(), std::move(value));
}

void OperatorReader::define_integers(const NodeReader& node, std::vector<std::int64_t> values, bool scalar) {
  if (values.size() > kMostIntegers) node.unsupported("a list of ", values.size(), " integers");
  GraphValue value;
  value.kind = GraphValue::Kind::integers;
  value.integers = std::move(values);
  value.scalar = scalar;
  define(node, std::move(value));
}

GraphValue OperatorReader::value_of(const OnnxTensor& tensor) const {
  GraphValue value;
  value.kind = GraphValue::Kind::tensor;
  value.tensor = &tensor;
  if (!is_whole(tensor.type) || tensor.extents.size() > 1 || tensor.size > static_cast<std::int64_t>(kMostIntegers))
    return value;
  value.kind = GraphValue::Kind::integers;
  value.integers = onnx_integers(label_, tensor);
  value.scalar = tensor.extents.empty();
  return value;
}

void OperatorReader::convolution(const NodeReader& node) {
  node.allow({"auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"});
  expect(node, 2, 3);
  node.only("group", 1);
  MattingStep step;
  step.kind = StepKind::convolution;
  step.inputs = {map(node, 0)};
  const MapShape& in = shape_of(step.inputs[0]);
  const GraphValue& weight = input(node, 1);
  if (weight.kind != GraphValue::Kind::tensor || weight.tensor->extents.size() != 4) {
    node.unsupported("a weight that is not a stored tensor of four dimensions");
  }
  const std::vector<std::int64_t>& e = weight.tensor->extents;
  step.weight = tensor(node, 1, {e[0], in.channels, e[2], e[3]});
  if (optional(node, 2) != nullptr) step.bias = tensor(node, 2, {e[0]});
  const WindowedShape out = read_window(node, in, {e[2], e[3]}, false);
  step.window = out.window;
  const double taps = static_cast<double>(e[2] * e[3]) * static_cast<double>(in.channels);
  work_ += taps * static_cast<double>(e[0]) * static_cast<double>(out.height) * static_cast<double>(out.width);
  emit(node, std::move(step), {e[0], out.height, out.width});
}

void OperatorReader::max_pool(const NodeReader& node) {
  node.allow({"auto_pad", "ceil_mode", "dilations", "kernel_shape", "pads", "storage_order", "strides"});
  expect(node, 1, 1);
  node.only("storage_order", 0);
  if (node.integers("dilations", {1, 1}) != std::vector<std::int64_t>{1, 1}) node.unsupported("pooling with dilation");
  const auto kernel = node.integers("kernel_shape", {0, 0});
  MattingStep step;
  step.kind = StepKind::max_pool;
  step.inputs = {map(node, 0)};
  const MapShape& in = shape_of(step.inputs[0]);
  const WindowedShape out = read_window(node, in, kernel, node.integer("ceil_mode", 0) != 0);
  step.window = out.window;
  emit(node, std::move(step), {in.channels, out.height, out.width});
}

void OperatorReader::batch_normalization(const NodeReader& node) {
  node.allow({"epsilon", "momentum", "spatial", "training_mode"});
  expect(node, 5, 5);
  node.only("training_mode", 0);
  node.only("spatial", 1);
  MattingStep step;
  step.kind = StepKind::batch_norm;
  step.inputs = {map(node, 0)};
  const MapShape& in = shape_of(step.inputs[0]);
  step.norm = {tensor(node, 1, {in.channels}), tensor(node, 2, {in.channels}), tensor(node, 3, {in.channels}),
               tensor(node, 4, {in.channels}), node.number("epsilon", 1e-5F)};
  emit(node, std::move(step), in);
}

void OperatorReader::activation(const NodeReader& node) {
  node.allow({});
  expect(node, 1, 1);
  MattingStep step;
  step.kind = StepKind::activate;
  step.activation = node.node().op == "Relu" ? Activation::relu : Activation::sigmoid;
  step.inputs = {map(node, 0)};
  const MapShape shape = shape_of(step.inputs[0]);  // before the step is moved: arguments have no order
  emit(node, std::move(step), shape);
}

void OperatorReader::add_maps(const NodeReader& node) {
  node.allow({});
  expect(node, 2, 2);
  MattingStep step;
  step.kind = StepKind::add;
  step.inputs = {map(node, 0), map(node, 1)};
  if (shape_of(step.inputs[0]) != shape_of(step.inputs[1])) node.unsupported("a sum of maps of different shapes");
  const MapShape shape = shape_of(step.inputs[0]);  // before the step is moved: arguments have no order
  emit(node, std::move(step), shape);
}

void OperatorReader::concat(const NodeReader& node) {
  constexpr std::size_t kMostInputs = 256;
  node.allow({"axis"});
  expect(node, 1, kMostInputs);
  const OnnxAttribute* given = node.node().find("axis");
  if (given == nullptr) node.broken("no axis");
  const std::int64_t axis = node.integer("axis", 0);
  if (input(node, 0).kind == GraphValue::Kind::integers) {
    if (axis != 0 && axis != -1) node.broken("axis ", axis, " of a list");
    std::vector<std::int64_t> joined;
    for (std::size_t i = 0; i < node.node().inputs.size(); ++i) {
      const auto& part = integers(node, i);
      joined.insert(joined.end(), part.begin(), part.end());
    }
    return define_integers(node, std::move(joined));
  }
  if (axis != 1 && axis != -3) node.unsupported("joining maps along axis ", axis);
  MattingStep step;
  step.kind = StepKind::concat;
  MapShape out = shape_of(map(node, 0));
  out.channels = 0;
  for (std::size_t i = 0; i < node.node().inputs.size(); ++i) {
    step.inputs.push_back(map(node, i));
    const MapShape& part = shape_of(step.inputs.back());
    if (part.height != out.height || part.width != out.width) node.broken("maps of different sizes are joined");
    out.channels += part.channels;
  }
  emit(node, std::move(step), out);
}

void OperatorReader::resize(const NodeReader& node) {
  node.allow({"coordinate_transformation_mode", "cubic_coeff_a", "exclude_outside", "extrapolation_value", "mode",
              "nearest_mode", "antialias", "keep_aspect_ratio_policy"});
  expect(node, 3, 4);
  node.only("mode", "linear");
  if (node.node().find("mode") == nullptr) node.unsupported("mode nearest");
  node.only("antialias", 0);
  node.only("keep_aspect_ratio_policy", "stretch");
  MattingStep step;
  step.kind = StepKind::resize;
  step.inputs = {map(node, 0)};
  const MapShape& in = shape_of(step.inputs[0]);
  const GraphValue* given = optional(node, 2);
  std::vector<float> scales(4, 0.0F);
  MapShape out = in;
  if (given != nullptr && given->kind == GraphValue::Kind::tensor && given->tensor->size > 0) {
    if (optional(node, 3) != nullptr) node.broken("both scales and sizes");
    scales = onnx_floats(label_, *tensor(node, 2, {4}));
    for (const float s : scales) {
      if (!(s > 0.0F && s <= static_cast<float>(kMostSide))) node.unsupported("scale ", s);
    }
    if (scales[0] != 1.0F || scales[1] != 1.0F) node.unsupported("resampling across channels");
    out.height = static_cast<std::int64_t>(std::floor(static_cast<float>(in.height) * scales[2]));
    out.width = static_cast<std::int64_t>(std::floor(static_cast<float>(in.width) * scales[3]));
  } else {
    const auto& sizes = integers(node, 3);
    if (sizes.size() != 4) node.broken(sizes.size(), " sizes");
    if (sizes[0] != 1 || sizes[1] != in.channels) node.unsupported("resampling across channels");
    out.height = sizes[2];
    out.width = sizes[3];
  }
  if (out.height < 1 || out.width < 1 || out.height > kMostSide || out.width > kMostSide) {
    node.unsupported("a result of ", out.height, " x ", out.width, " pixels");
  }
  step.rows = read_sampling(node, in.height, out.height, scales[2]);
  step.columns = read_sampling(node, in.width, out.width, scales[3]);
  emit(node, std::move(step), out);
}

// Networks are computed in one precision, so of a cast among real types only the rounding is left.
void OperatorReader::cast(const NodeReader& node) {
  node.allow({"to", "saturate"});
  expect(node, 1, 1);
  const GraphValue& value = input(node, 0);
  const std::int64_t to = node.integer("to", 0);
  const bool known = value.kind == GraphValue::Kind::integers ? is_whole(to) : is_real(to);
  if (!known) node.unsupported("a cast to type ", to);
  if (value.kind != GraphValue::Kind::map || to != OnnxTensor::kHalf) return define(node, value);
  MattingStep step;
  step.kind = StepKind::round;
  step.inputs = {value.map};
  emit(node, std::move(step), shape_of(value.map));
}

void OperatorReader::constant(const NodeReader& node) {
  node.allow({"value", "value_int", "value_ints"});
  expect(node, 0, 0);
  if (node.node().attributes.size() != 1) node.broken(node.node().attributes.size(), " values");
  const OnnxAttribute& value = node.node().attributes.front();
  if (value.name == "value_int") return define_integers(node, {node.integer("value_int", 0)}, true);
  if (value.name == "value_ints") {
    if (value.kind != OnnxAttribute::Kind::integers) node.broken("value_ints is not a list of integers");
    return define_integers(node, value.integers);
  }
  if (value.kind != OnnxAttribute::Kind::tensor) node.broken("value is not a tensor");
  define(node, value_of(graph_.attribute_tensors[value.tensor]));
}

void OperatorReader::shape(const NodeReader& node) {
  node.allow({});
  expect(node, 1, 1);
  const MapShape& in = shape_of(map(node, 0));
  define_integers(node, {1, in.channels, in.height, in.width});
}

void OperatorReader::gather(const NodeReader& node) {
  node.allow({"axis"});
  expect(node, 2, 2);
  node.only("axis", 0);
  const auto& list = integers(node, 0);
  const GraphValue& places = input(node, 1);
  std::vector<std::int64_t> chosen;
  const auto count = static_cast<std::int64_t>(list.size());
  for (const std::int64_t place : integers(node, 1)) {
    if (place < -count || place >= count) node.broken("element ", place, " of ", count);
    chosen.push_back(list[static_cast<std::size_t>(place < 0 ? place + count : place)]);
  }
  define_integers(node, std::move(chosen), places.scalar);
}

void OperatorReader::slice(const NodeReader& node) {
  node.allow({});
  expect(node, 3, 5);
  const auto& list = integers(node, 0);
  const auto single = [&](std::size_t place, std::int64_t otherwise) {
    if (optional(node, place) == nullptr) return otherwise;
    const auto& numbers = integers(node, place);
    if (numbers.size() != 1) node.broken(numbers.size(), " ranges of a list");
    return numbers[0];
  };
  if (const std::int64_t axis = single(3, 0); axis != 0 && axis != -1) node.broken("axis ", axis, " of a list");
  if (const std::int64_t step = single(4, 1); step != 1) node.unsupported("step ", step);
  const auto count = static_cast<std::int64_t>(list.size());
  const auto bound = [&](std::int64_t at) {
    const std::int64_t clamped = std::clamp(at, -count, count);
    return clamped < 0 ? clamped + count : clamped;
  };
  const std::int64_t begin = bound(single(1, 0)), end = std::max(bound(single(2, count)), begin);
  define_integers(node, {list.begin() + begin, list.begin() + end});
}

void OperatorReader::unsqueeze(const NodeReader& node) {
  node.allow({"axes"});
  expect(node, 1, 2);
  const auto axes = optional(node, 1) != nullptr ? integers(node, 1) : node.integers("axes", {0});
  const GraphValue& value = input(node, 0);
  if (value.kind != GraphValue::Kind::integers || !value.scalar || axes.size() != 1 || (axes[0] != 0 && axes[0] != -1)) {
    node.unsupported("anything but a number made a list of one");
  }
  define_integers(node, value.integers);
}

void OperatorReader::identity(const NodeReader& node) {
  node.allow({});
  expect(node, 1, 1);
  define(node, GraphValue(input(node, 0)));
}

}  // namespace espalier
