// One value per pixel, and the operations on masks that background removal needs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace espalier {

template <class T>
struct Plane {
  int width = 0;
  int height = 0;
  std::vector<T> values;  // [height * width]

  Plane() = default;
  Plane(int w, int h, T value = T{})
      : width(w), height(h), values(static_cast<std::size_t>(w) * static_cast<std::size_t>(h), value) {}
  [[nodiscard]] std::size_t index(int x, int y) const {
    return static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x);
  }
  [[nodiscard]] T& operator()(int x, int y) { return values[index(x, y)]; }
  [[nodiscard]] const T& operator()(int x, int y) const { return values[index(x, y)]; }
};

using Mask = Plane<std::uint8_t>;  // 0 or 1

[[nodiscard]] std::size_t count(const Mask& mask);
// Mean over the square of side 2 * radius + 1, cut off at the border.
[[nodiscard]] Plane<float> box_mean(const Plane<float>& plane, int radius);
// Largest value in the square of side 2 * radius + 1.
[[nodiscard]] Plane<float> box_maximum(const Plane<float>& plane, int radius);
// Pixels from which no unset pixel is closer than `radius` + 1; what lies outside the image counts as set.
[[nodiscard]] Mask eroded(const Mask& mask, int radius);
// Pixels within `radius` of a set one. Distances are those of squares.
[[nodiscard]] Mask dilated(const Mask& mask, int radius);
// Adds to `reached` every pixel of `open` that a path of neighbours (of four) in `open` connects to it, in at most
// `steps` steps.
void flood(Mask& reached, const Mask& open, int steps);
// Connected components (of four neighbours) of the set pixels: a number from 1 per pixel, 0 where unset, and sizes by
// number (sizes[0] is unused).
struct Components {
  Plane<std::int32_t> label;
  std::vector<std::size_t> sizes;
};
[[nodiscard]] Components components(const Mask& mask);

}  // namespace espalier
