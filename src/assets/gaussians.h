// 3D Gaussians on the host.
#pragma once

#include <cstdint>
#include <vector>

namespace espalier {

// Activated 3D Gaussians in the same coordinate system.
struct Gaussians {
  std::vector<float> xyz;       // [G * 3] in [-0.5, 0.5]
  std::vector<float> dc;        // [G * 3] spherical harmonics of degree 0; colour = 0.5 + 0.28209479 dc
  std::vector<float> scale;     // [G * 3] standard deviations
  std::vector<float> rotation;  // [G * 4] unit quaternions, w x y z
  std::vector<float> opacity;   // [G] in (0, 1)
  // Spherical harmonics of degree 1 to 3, or empty: [G * K * 3] with K = 3, 8 or 15 coefficients per Gaussian, colours
  // innermost, in the order of the basis (degree by degree, from order -degree to +degree).
  std::vector<float> sh{};
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(opacity.size()); }
};

}  // namespace espalier
