#include "io/formats/gaussian_ply.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "io/formats/byte_writer.h"
#include "io/formats/checks.h"
#include "io/formats/quarter_turn.h"

namespace espalier {

namespace {

constexpr const char* kFormat = "Gaussian PLY";
constexpr std::array kBefore = {"x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"};
constexpr std::array kBehind = {"opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"};

float logit(float opacity) {
  constexpr float kStep = 0x1p-24F;  // float32 cannot come closer to 1
  const float p = std::clamp(opacity, kStep, 1.0F - kStep);
  return std::log(p / (1.0F - p));
}

std::string header(std::int64_t count, std::size_t harmonics, std::span<const std::string> comments) {
  std::string text = "ply\nformat binary_little_endian 1.0\n";
  for (const std::string& comment : comments) text += "comment " + comment + "\n";
  text += "element vertex " + std::to_string(count) + "\n";
  const auto column = [&](const std::string& name) { text += "property float " + name + "\n"; };
  for (const char* name : kBefore) column(name);
  for (std::size_t i = 0; i < 3 * harmonics; ++i) column("f_rest_" + std::to_string(i));
  for (const char* name : kBehind) column(name);
  return text + "end_header\n";
}

}  // namespace

std::vector<std::byte> encode_gaussian_ply(const Gaussians& gaussians, std::span<const std::string> comments) {
  check_gaussians(gaussians, kFormat);
  check_comments(comments, kFormat);
  const auto n = static_cast<std::size_t>(gaussians.count());
  const std::size_t harmonics = gaussians.sh.size() / (3 * n);  // per colour
  const std::string head = header(gaussians.count(), harmonics, comments);
  ByteWriter out(head.size() + n * (kBefore.size() + 3 * harmonics + kBehind.size()) * sizeof(float));
  out.text(head);
  for (std::size_t i = 0; i < n; ++i) {
    const float* dc = &gaussians.dc[i * 3];
    const float* s = &gaussians.scale[i * 3];
    const Quaternion q = turned(&gaussians.rotation[i * 4], Quarter::forward);
    const auto place = turned_point(&gaussians.xyz[i * 3], Quarter::forward);
    const std::array<float, kBefore.size()> before = {place[0], place[1], place[2], 0.0F, 0.0F, 0.0F, dc[0], dc[1], dc[2]};
    out.raw(before.data(), sizeof(before));
    std::array<float, 45> turned_sh{};
    turn_harmonics(gaussians.sh.data() + 3 * harmonics * i, harmonics, Quarter::forward, turned_sh.data());
    for (std::size_t colour = 0; colour < 3; ++colour) {
      for (std::size_t k = 0; k < harmonics; ++k) out.put(turned_sh[3 * k + colour]);
    }
    const std::array<float, kBehind.size()> behind = {
        logit(gaussians.opacity[i]), std::log(s[0]),           std::log(s[1]),           std::log(s[2]),
        static_cast<float>(q[0]),    static_cast<float>(q[1]), static_cast<float>(q[2]), static_cast<float>(q[3])};
    out.raw(behind.data(), sizeof(behind));
  }
  return out.take();
}

}  // namespace espalier
