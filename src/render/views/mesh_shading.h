// Materials and light of mesh images. Colours are linear where not said otherwise.
#pragma once

#include <cmath>

#include "render/raster/vector.h"

namespace espalier {

// Brightness under a light that stands with the camera: a broad key from the upper left, a weak one from the right, and a
// sky. `normal`: unit length, in the camera's axes (right, down, forward), towards the viewer.
[[nodiscard]] float soft_light(const Vec3& normal);

// Checks in the space of a texture, tinted by place so that one finds them again in the texture; sRGB. `footprint` is the
// side of what a sample stands for, in uv: fine checks fade to their mean.
[[nodiscard]] Vec3 checker(float u, float v, float footprint);

// Share of a wireframe's line at a sample: distances to the three edges and the triangle's three heights, all in pixels.
[[nodiscard]] float line_share(const float distances[3], const float heights[3], float line_width);

// linear_of_srgb by a table, to 1e-5; values are clamped to [0, 1].
[[nodiscard]] Vec3 linear_by_table(const Vec3& srgb);

inline constexpr Vec3 kClay = {{0.56F, 0.51F, 0.46F}};
inline constexpr Vec3 kLine = {{0.02F, 0.03F, 0.05F}};
inline constexpr float kLightGray = 0.7977F;  // sRGB of vertices without colour

}  // namespace espalier
