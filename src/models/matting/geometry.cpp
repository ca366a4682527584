// Extents and positions of the operators that look at neighbouring pixels.
#include "models/matting/operators.h"

namespace espalier {
namespace {

constexpr std::int64_t kMostKernel = 7, kMostStride = 16, kMostDilation = 256;

int checked(const NodeReader& node, const char* what, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value < least || value > most) node.unsupported(what, " ", value);
  return static_cast<int>(value);
}

}  // namespace

WindowedShape read_window(const NodeReader& node, const MapShape& in, std::vector<std::int64_t> kernel, bool ceil) {
  node.only("auto_pad", "NOTSET");
  if (node.integers("kernel_shape", kernel) != kernel) node.broken("kernel_shape is not that of the weight");
  const auto strides = node.integers("strides", {1, 1}), dilations = node.integers("dilations", {1, 1});
  const auto pads = node.integers("pads", {0, 0, 0, 0});  // above, left, below, right
  WindowedShape result;
  for (std::size_t axis = 0; axis < 2; ++axis) {
    Window& w = result.window;
    w.kernel[axis] = checked(node, "a kernel of", kernel[axis], 1, kMostKernel);
    w.stride[axis] = checked(node, "stride", strides[axis], 1, kMostStride);
    w.dilation[axis] = checked(node, "dilation", dilations[axis], 1, kMostDilation);
    const int most = w.reach(axis) - 1;
    w.before[axis] = checked(node, "padding", pads[axis], 0, most);
    const int behind = checked(node, "padding", pads[axis + 2], 0, most);
    const std::int64_t extent = axis == 0 ? in.height : in.width;
    const std::int64_t room = extent + w.before[axis] + behind - w.reach(axis);
    if (room < 0) node.broken("a map of ", in.height, " x ", in.width, " is smaller than the kernel");
    std::int64_t out = (room + (ceil ? w.stride[axis] - 1 : 0)) / w.stride[axis] + 1;
    if ((out - 1) * w.stride[axis] >= extent + w.before[axis]) --out;  // a window that would start behind the image
    (axis == 0 ? result.height : result.width) = out;
  }
  if (kernel[0] * kernel[1] > kMostWindowTaps) node.unsupported("a kernel of ", kernel[0], " x ", kernel[1]);
  return result;
}

Sampling read_sampling(const NodeReader& node, std::int64_t in, std::int64_t out, float scale) {
  const std::string_view mode = node.text("coordinate_transformation_mode", "half_pixel");
  const double step = scale > 0.0F ? 1.0 / static_cast<double>(scale) : static_cast<double>(in) / static_cast<double>(out);
  if (mode == "half_pixel" || (mode == "pytorch_half_pixel" && out > 1)) {
    return {static_cast<float>(step), static_cast<float>(0.5 * step - 0.5)};
  }
  if (mode == "pytorch_half_pixel") return {0.0F, 0.0F};
  if (mode == "align_corners") {
    return {out > 1 ? static_cast<float>(static_cast<double>(in - 1) / static_cast<double>(out - 1)) : 0.0F, 0.0F};
  }
  node.unsupported("coordinate_transformation_mode ", printable(mode));
}

}  // namespace espalier
