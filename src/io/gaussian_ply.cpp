#include "io/gaussian_ply.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "io/byte_writer.h"
#include "io/checks.h"

namespace espalier {

namespace {

constexpr const char* kFormat = "Gaussian PLY";
constexpr std::array kColumns = {"x",       "y",       "z",       "nx",      "ny",    "nz",    "f_dc_0", "f_dc_1", "f_dc_2",
                                 "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2",  "rot_3"};

void check(const Gaussians& g) {
  const auto n = static_cast<std::size_t>(g.count());
  if (n == 0) fail(ErrorCode::invalid_argument, kFormat, ": there are no Gaussians to write; try another seed or picture");
  if (g.xyz.size() != 3 * n || g.dc.size() != 3 * n || g.scale.size() != 3 * n || g.rotation.size() != 4 * n) {
    fail(ErrorCode::invalid_argument, kFormat, ": the arrays of ", n, " Gaussians differ in length");
  }
  check_finite(g.xyz, 3, kFormat, "the position of Gaussian");
  check_finite(g.dc, 3, kFormat, "the colour of Gaussian");
  check_finite(g.scale, 3, kFormat, "the scale of Gaussian");
  check_finite(g.rotation, 4, kFormat, "the rotation of Gaussian");
  check_finite(g.opacity, 1, kFormat, "the opacity of Gaussian");
  for (std::size_t i = 0; i < g.scale.size(); ++i) {
    if (g.scale[i] <= 0.0F)
      fail(ErrorCode::invalid_argument, kFormat, ": the scale of Gaussian ", i / 3, " is ", g.scale[i], ", not positive");
  }
}

float logit(float opacity) {
  constexpr float kStep = 0x1p-24F;  // float32 cannot come closer to 1
  const float p = std::clamp(opacity, kStep, 1.0F - kStep);
  return std::log(p / (1.0F - p));
}

using Quaternion = std::array<double, 4>;  // w, x, y, z

// The rotation M R as a quaternion, M being a quarter turn about x. M maps to (h, h, 0, 0) with h = sqrt(1/2), and the
// product of quaternions is the product of rotations; the sign that makes the largest component positive is the one a
// conversion by way of the matrix gives.
Quaternion turned(const float* r, std::size_t index) {
  const double length = std::sqrt(double{r[0]} * r[0] + double{r[1]} * r[1] + double{r[2]} * r[2] + double{r[3]} * r[3]);
  if (length == 0.0) fail(ErrorCode::invalid_argument, kFormat, ": the rotation of Gaussian ", index, " is a zero quaternion");
  const double h = std::sqrt(0.5) / length;
  Quaternion q = {h * (r[0] - double{r[1]}), h * (r[1] + double{r[0]}), h * (r[2] - double{r[3]}), h * (r[3] + double{r[2]})};
  const double largest = *std::max_element(q.begin(), q.end(), [](double a, double b) { return std::abs(a) < std::abs(b); });
  if (largest < 0.0) {
    for (double& v : q) v = -v;
  }
  return q;
}

std::string header(std::int64_t count, std::span<const std::string> comments) {
  std::string text = "ply\nformat binary_little_endian 1.0\n";
  for (const std::string& comment : comments) text += "comment " + comment + "\n";
  text += "element vertex " + std::to_string(count) + "\n";
  for (const char* column : kColumns) text += std::string("property float ") + column + "\n";
  return text + "end_header\n";
}

}  // namespace

std::vector<std::byte> encode_gaussian_ply(const Gaussians& gaussians, std::span<const std::string> comments) {
  check(gaussians);
  check_comments(comments, kFormat);
  const std::string head = header(gaussians.count(), comments);
  const auto n = static_cast<std::size_t>(gaussians.count());
  ByteWriter out(head.size() + n * kColumns.size() * sizeof(float));
  out.text(head);
  for (std::size_t i = 0; i < n; ++i) {
    const float* p = &gaussians.xyz[i * 3];
    const float* dc = &gaussians.dc[i * 3];
    const float* s = &gaussians.scale[i * 3];
    const Quaternion q = turned(&gaussians.rotation[i * 4], i);
    const std::array<float, 17> row = {p[0],
                                       -p[2],
                                       p[1],
                                       0.0F,
                                       0.0F,
                                       0.0F,
                                       dc[0],
                                       dc[1],
                                       dc[2],
                                       logit(gaussians.opacity[i]),
                                       std::log(s[0]),
                                       std::log(s[1]),
                                       std::log(s[2]),
                                       static_cast<float>(q[0]),
                                       static_cast<float>(q[1]),
                                       static_cast<float>(q[2]),
                                       static_cast<float>(q[3])};
    out.raw(row.data(), sizeof(row));
  }
  return out.take();
}

}  // namespace espalier
