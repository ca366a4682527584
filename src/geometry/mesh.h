// Assets on the host.
#pragma once

#include <cstdint>
#include <vector>

namespace espalier {

// Triangles in the coordinate system of TRELLIS (Z up, unit cube centred at the origin).
struct Mesh {
  std::vector<float> vertices;      // [V * 3]
  std::vector<std::int32_t> faces;  // [F * 3], counter-clockwise seen from outside
  std::vector<float> colours;       // [V * 3] sRGB in [0, 1], or empty
  std::vector<float> normals;       // [V * 3], or empty
  std::vector<float> uvs;           // [V * 2], or empty; (0, 0) is the outer corner of the texture's first texel, v goes down
  [[nodiscard]] std::int64_t vertex_count() const { return static_cast<std::int64_t>(vertices.size() / 3); }
  [[nodiscard]] std::int64_t face_count() const { return static_cast<std::int64_t>(faces.size() / 3); }
};

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

// Strivec radiance field (Gao et al. 2023): per voxel `rank` components, each a product of three vectors of `dim` samples.
struct RadianceField {
  int resolution = 0, rank = 0, dim = 0;
  std::vector<float> position;     // [N * 3] in [0, 1]
  std::vector<float> trivec;       // [N * rank * 3 * dim]
  std::vector<float> density;      // [N * rank]
  std::vector<float> features_dc;  // [N * rank * 3]
  // Octree depth of the voxels: log2 of the resolution.
  [[nodiscard]] int depth() const {
    int d = 0;
    while ((resolution >> (d + 1)) > 0) ++d;
    return d;
  }
};

}  // namespace espalier
