#include "bake/delight.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <vector>

#include "bake/fill.h"
#include "bake/texels.h"
#include "base/error.h"
#include "image/colour.h"

namespace espalier {
namespace {

constexpr int kTerms = 9;
constexpr double kDark = 0.004, kBright = 0.98;  // luminance of texels that tell nothing of the light
constexpr double kLeastLight = 0.2;              // of the mean: darker light is none that could be divided out
constexpr int kRounds = 16, kPlainRounds = 6;
constexpr std::size_t kMostSamples = 60'000, kFewestSamples = 64;

using Terms = Eigen::Matrix<double, kTerms, 1>;

Terms terms_of(const std::array<double, 3>& n) {
  Terms t;
  t << 1.0, n[0], n[1], n[2], n[0] * n[1], n[1] * n[2], 3.0 * n[2] * n[2] - 1.0, n[0] * n[2], n[0] * n[0] - n[1] * n[1];
  return t;
}

double luminance(const std::array<double, 3>& rgb) { return 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2]; }

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Sample {
  Terms terms;
  double luminance;
  int colour;  // index of its chromaticity
  double weight = 1;
};

// Albedo of each chromaticity and light, found in turns.
class Fit {
 public:
  explicit Fit(std::vector<Sample> samples, int colours)
      : samples_(std::move(samples)), albedo_(static_cast<std::size_t>(colours), 1.0) {
    light_ = Terms::Zero();
    light_[0] = 1;
    for (int round = 0; round < kRounds; ++round) {
      find_albedos();
      // At first everything counts: half of an object in the shade would have the other half taken for outliers.
      if (round >= kPlainRounds) weigh();
      find_light();
    }
  }
  [[nodiscard]] const Terms& light() const { return light_; }

 private:
  [[nodiscard]] double shown(const Sample& s) const { return std::max(light_.dot(s.terms), kLeastLight); }

  void find_albedos() {
    std::vector<std::vector<double>> ratios(albedo_.size());
    for (const Sample& s : samples_) ratios[static_cast<std::size_t>(s.colour)].push_back(s.luminance / shown(s));
    for (std::size_t c = 0; c < ratios.size(); ++c) {
      if (!ratios[c].empty()) albedo_[c] = std::max(median(std::move(ratios[c])), kDark);
    }
  }

  // Tukey's biweight of what is left, in units of its own spread.
  void weigh() {
    constexpr double kWidth = 4.685, kNormal = 1.4826, kLeastSpread = 0.02;
    std::vector<double> left;
    left.reserve(samples_.size());
    for (const Sample& s : samples_) left.push_back(std::abs(relative(s) - shown(s)));
    const double width = kWidth * std::max(kNormal * median(left), kLeastSpread);
    for (std::size_t i = 0; i < samples_.size(); ++i) {
      const double u = left[i] / width;
      samples_[i].weight = u < 1 ? (1 - u * u) * (1 - u * u) : 0;
    }
  }
  [[nodiscard]] double relative(const Sample& s) const { return s.luminance / albedo_[static_cast<std::size_t>(s.colour)]; }

  // Least squares, held a little to an even light where normals tell too little.
  void find_light() {
    constexpr double kEven = 2e-3;
    Eigen::Matrix<double, kTerms, kTerms> normal = Eigen::Matrix<double, kTerms, kTerms>::Zero();
    Terms right = Terms::Zero();
    double sum = 0;
    for (const Sample& s : samples_) {
      normal += s.weight * s.terms * s.terms.transpose();
      right += s.weight * relative(s) * s.terms;
      sum += s.weight;
    }
    if (!(sum > 0)) return;
    normal.diagonal().tail<kTerms - 1>().array() += kEven * sum;
    normal(0, 0) += 1e-9 * sum;
    light_ = normal.ldlt().solve(right);
    double mean = 0;
    for (const Sample& s : samples_) mean += shown(s);
    light_ /= mean / static_cast<double>(samples_.size());
  }

  std::vector<Sample> samples_;
  std::vector<double> albedo_;
  Terms light_;
};

class Delighting {
 public:
  Delighting(const Mesh& mesh, Image& texture) : mesh_(mesh), texture_(texture), texels_(texels_of(mesh, texture.width)) {}

  SurfaceLight run(double strength, const Monitor* monitor) {
    SurfaceLight light;
    std::vector<Sample> samples = samples_of();
    if (samples.size() < kFewestSamples) return light;
    if (monitor != nullptr) monitor->check();
    const Fit fit(std::move(samples), static_cast<int>(colours_.size()));
    for (std::size_t k = 0; k < light.coefficients.size(); ++k)
      light.coefficients[k] = fit.light()[static_cast<Eigen::Index>(k)];
    divide(light, strength, monitor);
    return light;
  }

 private:
  [[nodiscard]] std::array<double, 3> linear_at(std::size_t texel) const {
    std::array<double, 3> rgb{};
    for (std::size_t k = 0; k < 3; ++k)
      rgb[k] = double{linear_of_srgb(static_cast<float>(texture_.pixels[channels() * texel + k]) / 255.0F)};
    return rgb;
  }
  [[nodiscard]] std::size_t channels() const { return static_cast<std::size_t>(texture_.channels); }
  [[nodiscard]] std::array<double, 3> normal_at(std::size_t texel) const {
    std::array<double, 3> n = value_at<3>(mesh_, mesh_.normals, texels_.face[texel] - 1, texels_.weights(texel));
    const double length = std::hypot(n[0], n[1], n[2]);
    if (!(length > 0)) return {0, 0, 0};
    for (double& x : n) x /= length;
    return n;
  }

  // Chromaticities in steps of which a change of light leaves texels in one or two.
  int colour_of(const std::array<double, 3>& rgb) {
    constexpr double kSteps = 12;
    const double sum = rgb[0] + rgb[1] + rgb[2];
    const auto step = [&](double x) { return static_cast<int>(std::lround(kSteps * x / sum)); };
    return colours_.try_emplace({step(rgb[0]), step(rgb[1])}, static_cast<int>(colours_.size())).first->second;
  }

  [[nodiscard]] std::vector<Sample> samples_of() {
    const auto covered = static_cast<std::size_t>(
        std::count_if(texels_.face.begin(), texels_.face.end(), [](std::int32_t face) { return face != 0; }));
    const std::size_t stride = covered / kMostSamples + 1;
    std::vector<Sample> samples;
    std::size_t number = 0;
    for (std::size_t i = 0; i < texels_.face.size(); ++i) {
      if (texels_.face[i] == 0 || number++ % stride != 0) continue;
      const std::array<double, 3> rgb = linear_at(i), n = normal_at(i);
      const double y = luminance(rgb);
      if (y < kDark || y > kBright || (n[0] == 0 && n[1] == 0 && n[2] == 0)) continue;
      samples.push_back({terms_of(n), y, colour_of(rgb)});
    }
    return samples;
  }

  void divide(SurfaceLight& light, double strength, const Monitor* monitor) {
    const std::size_t count = texels_.face.size();
    std::vector<double> factor(count, 1.0);
    for_rows(texels_.size, monitor, [&](int row) {
      for (std::size_t i = static_cast<std::size_t>(row) * static_cast<std::size_t>(texels_.size),
                       end = i + static_cast<std::size_t>(texels_.size);
           i < end; ++i) {
        if (texels_.face[i] != 0) factor[i] = light.at(normal_at(i));
      }
    });
    double before = 0, after = 0;
    bool first = true;
    for (std::size_t i = 0; i < count; ++i) {
      if (texels_.face[i] == 0) continue;
      light.least = first ? factor[i] : std::min(light.least, factor[i]);
      light.most = first ? factor[i] : std::max(light.most, factor[i]);
      first = false;
      factor[i] = std::pow(factor[i], -strength);
      const double y = luminance(linear_at(i));
      before += y;
      after += y * factor[i];
    }
    const double scale = after > 0 ? before / after : 1.0;
    std::vector<float> values(3 * count, 0.0F);
    for (std::size_t i = 0; i < count; ++i) {
      if (texels_.face[i] == 0) continue;
      const std::array<double, 3> rgb = linear_at(i);
      for (std::size_t k = 0; k < 3; ++k)
        values[3 * i + k] = srgb_of_linear(static_cast<float>(std::clamp(rgb[k] * factor[i] * scale, 0.0, 1.0)));
    }
    fill_outside(texels_.face, texels_.size, values);
    const Image made = image_of(values, texels_.size);
    for (std::size_t i = 0; i < count; ++i) std::copy_n(&made.pixels[3 * i], 3, &texture_.pixels[channels() * i]);
  }

  const Mesh& mesh_;
  Image& texture_;
  Texels texels_;
  std::map<std::pair<int, int>, int> colours_;
};

}  // namespace

double SurfaceLight::at(const std::array<double, 3>& normal) const {
  const Terms t = terms_of(normal);
  double sum = 0;
  for (std::size_t k = 0; k < coefficients.size(); ++k) sum += coefficients[k] * t[static_cast<Eigen::Index>(k)];
  return std::max(sum, kLeastLight);
}

SurfaceLight delight(const Mesh& mesh, double strength, Image& texture, const Monitor* monitor) {
  if (!(strength >= 0.0 && strength <= 1.0))
    fail(ErrorCode::invalid_argument, "delight: a strength of ", strength, hint("it must be from 0 to 1"));
  if (texture.width != texture.height || texture.channels < 3 || mesh.normals.size() != mesh.vertices.size())
    fail(ErrorCode::invalid_argument, "delight: a square RGB texture of a mesh with normals is needed");
  if (strength == 0.0) return {};
  return Delighting(mesh, texture).run(strength, monitor);
}

}  // namespace espalier
