// The colour that the background of an image would have behind the object.
#pragma once

#include <array>

#include "image/image.h"
#include "image/plane.h"

namespace espalier {

// OKLab (Ottosson 2020) times 100: lightness, green to red, blue to yellow. A difference of 1 is about the smallest that
// one sees side by side.
using Lab = std::array<float, 3>;

[[nodiscard]] Plane<Lab> lab_of(const Image& rgb);
[[nodiscard]] std::array<float, 3> srgb_of_lab(const Lab& lab);  // to bytes, clipped
[[nodiscard]] float distance(const Lab& a, const Lab& b);

// A smooth colour: a quadratic polynomial of the position, which the border of the image decides, plus corrections on a
// coarse grid, which the background found so far decides.
class BackgroundModel {
 public:
  // Fits the polynomial to a band along the border, so that what differs from the rest of it (the object, where it
  // touches the border) counts little.
  explicit BackgroundModel(const Plane<Lab>& image);

  // Sets the corrections so that the colour follows the pixels of `background`; between and behind them it is
  // interpolated.
  void follow(const Plane<Lab>& image, const Mask& background);

  [[nodiscard]] Lab at(int x, int y) const;
  // Grain along the border: the typical difference of a pixel from a smooth colour.
  [[nodiscard]] float noise() const { return noise_; }
  // Part of the border that the model explains, 0 to 1.
  [[nodiscard]] float explained() const { return explained_; }
  // How far the border is from the smooth colour: the distance that three quarters of its pixels stay below.
  [[nodiscard]] float spread() const { return spread_; }

 private:
  static constexpr int kTerms = 6;
  using Terms = std::array<double, kTerms>;

  [[nodiscard]] Terms terms(int x, int y) const;
  [[nodiscard]] Lab polynomial(int x, int y) const;
  void fit(const Plane<Lab>& image);
  void solve(const Plane<Lab>& image, const std::vector<std::array<int, 2>>& pixels, const std::vector<double>& weights);

  int width_, height_;
  std::array<Terms, 3> coefficients_{};
  Plane<Lab> corrections_;  // at the centres of cells
  int cell_ = 1;
  float noise_ = 0.0F;
  float explained_ = 0.0F;
  float spread_ = 0.0F;
};

}  // namespace espalier
