#include "bake/project_impl.h"

namespace espalier::baking {

void check_projection(const Image& texture, const std::vector<Image>& images) {
  require(texture.channels == 3 && texture.width == texture.height && texture.width >= 2, "project_images",
          "a square RGB texture is needed, not ", texture.width, " x ", texture.height, " x ", texture.channels);
  for (const Image& p : images) {
    if (p.channels != 4 || p.width != p.height || p.width < 64) {
      fail(ErrorCode::invalid_argument, "an image to project is ", p.width, " x ", p.height, " with ", p.channels, " channels",
           hint("it must show the foreground as square RGBA of at least 64 pixels"));
    }
  }
}

ImageAgreement agreement_of(const std::vector<double>& rows) {
  // How readily the image's light is taken to differ: weights of (gain - 1)^2 and of offset^2.
  constexpr double kGain = 0.02, kOffset = 0.2;
  constexpr double kFewest = 16.0;  // pixels
  double sums[kJudgeSums] = {};
  for (std::size_t i = 0; i < rows.size(); ++i) sums[i % kJudgeSums] += rows[i];
  ImageAgreement out;
  const double common = sums[0];
  if (sums[1] > 0.0) out.overlap = common / sums[1];
  if (common < kFewest) return out;
  double squared = 0.0;
  for (int c = 0; c < 3; ++c) {
    const double* s = sums + 2 + 5 * c;
    const double r = s[0] / common, p = s[1] / common, rr = s[2] / common, pp = s[3] / common, rp = s[4] / common;
    // The gain g and offset o that minimise the mean of (g r + o - p)^2 + kGain (g - 1)^2 + kOffset o^2.
    const double a = rr + kGain, d = 1.0 + kOffset, det = a * d - r * r;
    const double g = ((rp + kGain) * d - r * p) / det, o = (a * p - r * (rp + kGain)) / det;
    squared += g * g * rr + 2.0 * g * o * r + o * o - 2.0 * g * rp - 2.0 * o * p + pp + kGain * (g - 1.0) * (g - 1.0) +
               kOffset * o * o;
  }
  out.colour_error = std::sqrt(std::max(squared / 3.0, 0.0));
  return out;
}

}  // namespace espalier::baking
