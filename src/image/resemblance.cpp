#include "image/resemblance.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"

namespace espalier {
namespace {

constexpr int kLight = 6, kChroma = 10;  // cells
constexpr std::size_t kCells = std::size_t{kLight} * kChroma * kChroma;

// A colour counts in the two nearest cells of each axis, so that a slightly other light changes little.
void spread(std::array<double, kCells>& histogram, const std::array<double, 3>& place, double weight) {
  std::array<int, 3> low{};
  std::array<double, 3> share{};
  constexpr std::array kSides{kLight, kChroma, kChroma};
  for (std::size_t k = 0; k < 3; ++k) {
    const double at = std::clamp(place[k], 0.0, 1.0) * (kSides[k] - 1);
    low[k] = std::min(static_cast<int>(at), kSides[k] - 2);
    share[k] = at - low[k];
  }
  for (unsigned corner = 0; corner < 8; ++corner) {
    double part = weight;
    std::size_t cell = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      const unsigned up = corner >> k & 1U;
      part *= up != 0 ? share[k] : 1.0 - share[k];
      cell = cell * static_cast<std::size_t>(kSides[k]) + static_cast<std::size_t>(low[k]) + up;
    }
    histogram[cell] += part;
  }
}

std::array<double, kCells> histogram_of(const Image& rgba) {
  require(rgba.channels == 4, "shared_colours", "a foreground has four channels");
  std::array<double, kCells> histogram{};
  double total = 0.0;
  for (std::size_t i = 0; i + 3 < rgba.pixels.size(); i += 4) {
    const double alpha = rgba.pixels[i + 3] / 255.0;
    if (alpha < 0.5) continue;
    const double r = rgba.pixels[i] / 255.0, g = rgba.pixels[i + 1] / 255.0, b = rgba.pixels[i + 2] / 255.0;
    spread(histogram, {(r + g + b) / 3, 0.5 + (r - b), 0.5 + (2 * g - r - b) / 2}, alpha);
    total += alpha;
  }
  for (double& cell : histogram) cell = total > 0.0 ? cell / total : 0.0;
  return histogram;
}

}  // namespace

double shared_colours(const Image& a, const Image& b) {
  const auto first = histogram_of(a), second = histogram_of(b);
  double shared = 0.0;
  for (std::size_t i = 0; i < kCells; ++i) shared += std::min(first[i], second[i]);
  return shared;
}

}  // namespace espalier
