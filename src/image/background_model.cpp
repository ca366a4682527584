#include "image/background_model.h"

#include <algorithm>
#include <cmath>

#include "image/colour.h"

namespace espalier {

namespace {

constexpr float kScale = 100.0F;

Lab lab_of_linear(float r, float g, float b) {
  const float l = std::cbrt(0.4122214708F * r + 0.5363325363F * g + 0.0514459929F * b);
  const float m = std::cbrt(0.2119034982F * r + 0.6806995451F * g + 0.1073969566F * b);
  const float s = std::cbrt(0.0883024619F * r + 0.2817188376F * g + 0.6299787005F * b);
  return {kScale * (0.2104542553F * l + 0.7936177850F * m - 0.0040720468F * s),
          kScale * (1.9779984951F * l - 2.4285922050F * m + 0.4505937099F * s),
          kScale * (0.0259040371F * l + 0.7827717662F * m - 0.8086757660F * s)};
}

}  // namespace

Plane<Lab> lab_of(const Image& rgb) {
  std::array<float, 256> linear;
  for (std::size_t i = 0; i < 256; ++i) linear[i] = linear_of_srgb(static_cast<float>(i) / 255.0F);
  Plane<Lab> out(rgb.width, rgb.height);
  const std::uint8_t* p = rgb.pixels.data();
  for (Lab& lab : out.values) {
    lab = lab_of_linear(linear[p[0]], linear[p[1]], linear[p[2]]);
    p += rgb.channels;
  }
  return out;
}

std::array<float, 3> srgb_of_lab(const Lab& lab) {
  const float lightness = lab[0] / kScale, a = lab[1] / kScale, b = lab[2] / kScale;
  const auto cube = [](float v) { return v * v * v; };
  const float l = cube(lightness + 0.3963377774F * a + 0.2158037573F * b);
  const float m = cube(lightness - 0.1055613458F * a - 0.0638541728F * b);
  const float s = cube(lightness - 0.0894841775F * a - 1.2914855480F * b);
  const auto byte = [](float v) { return 255.0F * srgb_of_linear(std::clamp(v, 0.0F, 1.0F)); };
  return {byte(4.0767416621F * l - 3.3077115913F * m + 0.2309699292F * s),
          byte(-1.2684380046F * l + 2.6097574011F * m - 0.3413193965F * s),
          byte(-0.0041960863F * l - 0.7034186147F * m + 1.7076147010F * s)};
}

float distance(const Lab& a, const Lab& b) {
  const float x = a[0] - b[0], y = a[1] - b[1], z = a[2] - b[2];
  return std::sqrt(x * x + y * y + z * z);
}

BackgroundModel::BackgroundModel(const Plane<Lab>& image) : width_(image.width), height_(image.height) {
  cell_ = std::max(8, std::max(width_, height_) / 48);
  corrections_ = Plane<Lab>((width_ + cell_ - 1) / cell_, (height_ + cell_ - 1) / cell_);
  fit(image);
}

BackgroundModel::Terms BackgroundModel::terms(int x, int y) const {
  const double u = (2.0 * x + 1.0) / width_ - 1.0, v = (2.0 * y + 1.0) / height_ - 1.0;
  return {1.0, u, v, u * u, u * v, v * v};
}

Lab BackgroundModel::polynomial(int x, int y) const {
  const Terms t = terms(x, y);
  Lab lab;
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0.0;
    for (std::size_t i = 0; i < kTerms; ++i) sum += coefficients_[c][i] * t[i];
    lab[c] = static_cast<float>(sum);
  }
  return lab;
}

// Weighted least squares by the normal equations; a little ridge keeps images of a few pixels solvable.
void BackgroundModel::solve(const Plane<Lab>& image, const std::vector<std::array<int, 2>>& pixels,
                            const std::vector<double>& weights) {
  std::array<std::array<double, kTerms + 3>, kTerms> rows{};
  for (std::size_t p = 0; p < pixels.size(); ++p) {
    const auto [x, y] = pixels[p];
    const Terms t = terms(x, y);
    for (std::size_t i = 0; i < kTerms; ++i) {
      for (std::size_t j = 0; j < kTerms; ++j) rows[i][j] += weights[p] * t[i] * t[j];
      for (std::size_t c = 0; c < 3; ++c) rows[i][kTerms + c] += weights[p] * t[i] * image(x, y)[c];
    }
  }
  for (std::size_t i = 0; i < kTerms; ++i) rows[i][i] += i == 0 ? 1e-9 : 1e-4 * rows[0][0] + 1e-9;
  // The matrix is positive definite, so elimination needs no pivots.
  for (std::size_t i = 0; i < kTerms; ++i) {
    for (std::size_t k = i + 1; k < kTerms; ++k) {
      const double factor = rows[k][i] / rows[i][i];
      for (std::size_t j = i; j < kTerms + 3; ++j) rows[k][j] -= factor * rows[i][j];
    }
  }
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = kTerms; i-- > 0;) {
      double value = rows[i][kTerms + c];
      for (std::size_t j = i + 1; j < kTerms; ++j) value -= rows[i][j] * coefficients_[c][j];
      coefficients_[c][i] = value / rows[i][i];
    }
  }
}

namespace {

// The median bend of the colour along the border, over short and longer distances: smooth changes do not bend, edges are
// rare, so it is the grain of the image and the blocks that JPEG makes of it. Capped, because a texture is no noise.
float noise_of(const Plane<Lab>& image, const std::vector<std::array<int, 2>>& pixels) {
  float largest = 0.0F;
  for (const int step : {2, 9}) {
    std::vector<float> bends;
    const auto add = [&](const Lab& before, const Lab& here, const Lab& after) {
      const Lab middle = {0.5F * (before[0] + after[0]), 0.5F * (before[1] + after[1]), 0.5F * (before[2] + after[2])};
      bends.push_back(distance(here, middle));
    };
    for (const auto& [x, y] : pixels) {
      const bool beside = x - step >= 0 && x + step < image.width, above = y - step >= 0 && y + step < image.height;
      if (beside) add(image(x - step, y), image(x, y), image(x + step, y));
      if (above) add(image(x, y - step), image(x, y), image(x, y + step));
    }
    if (bends.empty()) continue;
    const auto middle = bends.begin() + static_cast<std::ptrdiff_t>(bends.size() / 2);
    std::nth_element(bends.begin(), middle, bends.end());
    largest = std::max(largest, *middle * 0.8165F);  // the bend of three independent values is sqrt(3/2) of one
  }
  return std::min(largest, 4.0F);
}

}  // namespace

void BackgroundModel::fit(const Plane<Lab>& image) {
  const int band = std::max(1, std::min({width_, height_, std::max(2, std::max(width_, height_) / 64)}));
  std::vector<std::array<int, 2>> pixels;
  for (int y = 0; y < height_; ++y) {
    for (int x = 0; x < width_; ++x) {
      const bool inner = x >= band && x < width_ - band && y >= band && y < height_ - band;
      if (!inner && (x + y) % 2 == 0) pixels.push_back({x, y});
    }
  }
  noise_ = noise_of(image, pixels);
  // Iteratively reweighted least squares (Geman and McClure's weights) under a tightening scale: the first rounds follow
  // the bulk of the border, the last ignore whatever does not belong to it.
  std::vector<double> weights(pixels.size(), 1.0);
  std::vector<float> residuals(pixels.size());
  for (const double scale : {1e6, 20.0, 14.0, 10.0, 7.0, 5.0, 4.0, 3.0, 3.0, 3.0}) {
    solve(image, pixels, weights);
    for (std::size_t i = 0; i < pixels.size(); ++i) {
      const auto [x, y] = pixels[i];
      residuals[i] = distance(image(x, y), polynomial(x, y));
      const double q = residuals[i] / std::max(scale, 2.0 * noise_);
      weights[i] = 1.0 / ((1.0 + q * q) * (1.0 + q * q));
    }
  }
  const float limit = 3.0F * noise_ + 4.0F;
  const auto near = std::count_if(residuals.begin(), residuals.end(), [limit](float r) { return r <= limit; });
  explained_ = static_cast<float>(near) / static_cast<float>(residuals.size());
  const auto third_quarter = residuals.begin() + static_cast<std::ptrdiff_t>(residuals.size() * 3 / 4);
  std::nth_element(residuals.begin(), third_quarter, residuals.end());
  spread_ = *third_quarter;
}

void BackgroundModel::follow(const Plane<Lab>& image, const Mask& background) {
  Plane<Lab> sums(corrections_.width, corrections_.height);
  Plane<float> counts(corrections_.width, corrections_.height);
  for (int y = 0; y < height_; ++y) {
    for (int x = 0; x < width_; ++x) {
      if (background(x, y) == 0) continue;
      const Lab expected = polynomial(x, y);
      for (std::size_t c = 0; c < 3; ++c) sums(x / cell_, y / cell_)[c] += image(x, y)[c] - expected[c];
      counts(x / cell_, y / cell_) += 1.0F;
    }
  }
  // Cells with enough background keep their mean; the others relax to the mean of their neighbours.
  const float enough = 0.1F * static_cast<float>(cell_ * cell_);
  for (std::size_t i = 0; i < counts.values.size(); ++i) {
    for (std::size_t c = 0; c < 3 && counts.values[i] >= enough; ++c)
      corrections_.values[i][c] = sums.values[i][c] / counts.values[i];
  }
  constexpr int kRounds = 200;
  for (int round = 0; round < kRounds; ++round) {
    for (int y = 0; y < corrections_.height; ++y) {
      for (int x = 0; x < corrections_.width; ++x) {
        if (counts(x, y) >= enough) continue;
        const Lab& left = corrections_(std::max(x - 1, 0), y);
        const Lab& right = corrections_(std::min(x + 1, corrections_.width - 1), y);
        const Lab& above = corrections_(x, std::max(y - 1, 0));
        const Lab& below = corrections_(x, std::min(y + 1, corrections_.height - 1));
        for (std::size_t c = 0; c < 3; ++c) corrections_(x, y)[c] = 0.25F * (left[c] + right[c] + above[c] + below[c]);
      }
    }
  }
}

Lab BackgroundModel::at(int x, int y) const {
  const auto place = [this](int position, int cells, int& low, int& high) {
    const float p = (static_cast<float>(position) + 0.5F) / static_cast<float>(cell_) - 0.5F;
    low = std::clamp(static_cast<int>(std::floor(p)), 0, cells - 1);
    high = std::min(low + 1, cells - 1);
    return std::clamp(p - static_cast<float>(low), 0.0F, 1.0F);
  };
  int x0 = 0, x1 = 0, y0 = 0, y1 = 0;
  const float u = place(x, corrections_.width, x0, x1), v = place(y, corrections_.height, y0, y1);
  Lab lab = polynomial(x, y);
  for (std::size_t c = 0; c < 3; ++c) {
    const float above = corrections_(x0, y0)[c] * (1 - u) + corrections_(x1, y0)[c] * u;
    const float below = corrections_(x0, y1)[c] * (1 - u) + corrections_(x1, y1)[c] * u;
    lab[c] += above * (1 - v) + below * v;
  }
  return lab;
}

}  // namespace espalier
