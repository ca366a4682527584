// The steps of splatting that both devices share: projection, colour, and which pixels a splat can reach.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "parallel/device_code.h"

namespace espalier::splat {

inline constexpr int kTile = 16;       // pixels
inline constexpr float kNear = 0.2F;   // of the centre of a Gaussian
inline constexpr float kGuard = 1.3F;  // times the field of view: where derivatives are held
inline constexpr float kLeastAlpha = 1.0F / 255.0F;
inline constexpr float kMostAlpha = 0.99F;
inline constexpr float kLeastTransmittance = 1e-4F;

// A camera and a sample grid.
struct ViewPoint {
  float rotation[9], translation[3], position[3];
  float fx, fy, cx, cy;                // samples
  float low_x, high_x, low_y, high_y;  // of x / z and y / z in derivatives
  float kernel_size;
  int width, height, columns, rows;  // samples, tiles
};

// The Gaussians of a scene in the form that rendering reads. All pointers to memory of the device.
struct Scene {
  const float* centre;      // [G, 3]
  const float* covariance;  // [G, 6]: xx xy xz yy yz zz
  const float* opacity;     // [G]
  const float* harmonics;   // [G, coefficients, 3]
  int coefficients;         // 1, 4, 9 or 16
};

// A Gaussian on the screen. At an offset (u, v) in samples from the centre it has alpha = opacity * exp(power),
// power = (a u + b v) u + c v v; below `least` of that it is not drawn. The box holds all that is drawn.
struct Splat {
  float x, y;  // samples; the centre of the first is at 0.5
  float a, b, c;
  float opacity;
  float red, green, blue;
  float least;
  float half_width, half_height;
};

// Tiles [x0, x1) x [y0, y1).
struct TileBox {
  int x0, y0, x1, y1;
};

// Upper triangle of S^T S for the scaled rotation S of a quaternion w x y z.
ESPALIER_DEVICE_CODE void covariance_of(const float* q, const float* scale, float* out) {
  const float w = q[0], x = q[1], y = q[2], z = q[3];
  const float axes[3][3] = {{1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)},
                            {2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)},
                            {2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)}};
  int at = 0;
  for (int row = 0; row < 3; ++row) {
    for (int column = row; column < 3; ++column) {
      float sum = 0.0F;
      for (int i = 0; i < 3; ++i) sum += (axes[i][row] * scale[i]) * (axes[i][column] * scale[i]);
      out[at++] = sum;
    }
  }
}

// Real spherical harmonics with the signs of the Condon-Shortley phase, by degree and order (Sloan 2013). (x, y, z) has
// unit length; basis gets `coefficients` values.
ESPALIER_DEVICE_CODE void harmonics_of(float x, float y, float z, int coefficients, float* basis) {
  basis[0] = 0.28209479F;
  if (coefficients < 4) return;
  constexpr float k1 = 0.48860251F;
  basis[1] = -k1 * y;
  basis[2] = k1 * z;
  basis[3] = -k1 * x;
  if (coefficients < 9) return;
  const float xx = x * x, yy = y * y, zz = z * z;
  constexpr float k2 = 1.09254843F;
  basis[4] = k2 * x * y;
  basis[5] = -k2 * y * z;
  basis[6] = 0.31539157F * (3 * zz - 1);
  basis[7] = -k2 * x * z;
  basis[8] = 0.54627422F * (xx - yy);
  if (coefficients < 16) return;
  basis[9] = -0.59004359F * y * (3 * xx - yy);
  basis[10] = 2.89061144F * x * y * z;
  basis[11] = -0.45704580F * y * (5 * zz - 1);
  basis[12] = 0.37317633F * z * (5 * zz - 3);
  basis[13] = -0.45704580F * x * (5 * zz - 1);
  basis[14] = 1.44530572F * z * (xx - yy);
  basis[15] = -0.59004359F * x * (xx - 3 * yy);
}

// Sets the colour of a splat. False where it is not finite.
ESPALIER_DEVICE_CODE bool colour_of(const Scene& scene, std::int64_t i, const ViewPoint& view, Splat& s) {
  float basis[16];
  float x = 0.0F, y = 0.0F, z = 1.0F;
  if (scene.coefficients > 1) {
    x = scene.centre[3 * i] - view.position[0];
    y = scene.centre[3 * i + 1] - view.position[1];
    z = scene.centre[3 * i + 2] - view.position[2];
    const float scale = 1.0F / std::sqrt(x * x + y * y + z * z);
    x *= scale;
    y *= scale;
    z *= scale;
  }
  harmonics_of(x, y, z, scene.coefficients, basis);
  const float* const weights = scene.harmonics + i * scene.coefficients * 3;
  float rgb[3] = {0.5F, 0.5F, 0.5F};
  for (int k = 0; k < scene.coefficients; ++k) {
    for (int c = 0; c < 3; ++c) rgb[c] += basis[k] * weights[3 * k + c];
  }
  s.red = std::max(0.0F, rgb[0]);
  s.green = std::max(0.0F, rgb[1]);
  s.blue = std::max(0.0F, rgb[2]);
  return std::isfinite(rgb[0] + rgb[1] + rgb[2]);
}

// x / kTile rounded towards zero, within [0, limit].
ESPALIER_DEVICE_CODE int tile_at(float x, int limit) {
  return static_cast<int>(std::min(std::max(x / static_cast<float>(kTile), 0.0F), static_cast<float>(limit)));
}

// Projects Gaussian i. Returns its tiles (none when it is not drawn), and its depth.
ESPALIER_DEVICE_CODE TileBox project(const Scene& scene, std::int64_t i, const ViewPoint& view, Splat& s, float& depth) {
  constexpr TileBox kNothing{0, 0, 0, 0};
  const float* const p = scene.centre + 3 * i;
  const float* const r = view.rotation;
  const float px = r[0] * p[0] + r[1] * p[1] + r[2] * p[2] + view.translation[0];
  const float py = r[3] * p[0] + r[4] * p[1] + r[5] * p[2] + view.translation[1];
  depth = r[6] * p[0] + r[7] * p[1] + r[8] * p[2] + view.translation[2];
  if (!(depth > kNear)) return kNothing;
  const float inverse = 1.0F / depth;
  const float tx = px * inverse, ty = py * inverse;
  s.x = view.fx * tx + view.cx;
  s.y = view.fy * ty + view.cy;

  // Rows of the derivative of the projection, turned into the world: d(x, y) / d(world).
  const float hx = std::min(std::max(tx, view.low_x), view.high_x), hy = std::min(std::max(ty, view.low_y), view.high_y);
  const float gx = view.fx * inverse, gy = view.fy * inverse;
  const float u[3] = {gx * (r[0] - hx * r[6]), gx * (r[1] - hx * r[7]), gx * (r[2] - hx * r[8])};
  const float v[3] = {gy * (r[3] - hy * r[6]), gy * (r[4] - hy * r[7]), gy * (r[5] - hy * r[8])};
  const float* const m = scene.covariance + 6 * i;
  const float mu[3] = {m[0] * u[0] + m[1] * u[1] + m[2] * u[2], m[1] * u[0] + m[3] * u[1] + m[4] * u[2],
                       m[2] * u[0] + m[4] * u[1] + m[5] * u[2]};
  const float mv[3] = {m[0] * v[0] + m[1] * v[1] + m[2] * v[2], m[1] * v[0] + m[3] * v[1] + m[4] * v[2],
                       m[2] * v[0] + m[4] * v[1] + m[5] * v[2]};
  float xx = u[0] * mu[0] + u[1] * mu[1] + u[2] * mu[2];
  float yy = v[0] * mv[0] + v[1] * mv[1] + v[2] * mv[2];
  const float xy = u[0] * mv[0] + u[1] * mv[1] + u[2] * mv[2];
  const float before = std::max(xx * yy - xy * xy, 0.0F);
  xx += view.kernel_size;
  yy += view.kernel_size;
  const float after = xx * yy - xy * xy;
  if (!(after > 0.0F)) return kNothing;
  s.opacity = scene.opacity[i] * std::sqrt(before / after);
  if (!(s.opacity >= kLeastAlpha)) return kNothing;
  const float scale = 1.0F / after;
  s.a = -0.5F * yy * scale;
  s.b = xy * scale;
  s.c = -0.5F * xx * scale;
  s.least = -std::log(s.opacity * 255.0F);
  // A little more than what is drawn, so that rounding never cuts.
  const float reach = std::sqrt(2.0002F * -s.least + 1e-4F);
  s.half_width = reach * std::sqrt(xx);
  s.half_height = reach * std::sqrt(yy);
  if (!std::isfinite(s.x + s.y + s.half_width + s.half_height + scale)) return kNothing;

  const float middle = 0.5F * (xx + yy);
  const float radius = std::ceil(3.0F * std::sqrt(middle + std::sqrt(std::max(0.1F, middle * middle - after))));
  // In the convention of the reference, the centre of the first sample is at 0.
  const float ox = s.x - 0.5F, oy = s.y - 0.5F;
  constexpr float kLast = static_cast<float>(kTile - 1);
  TileBox box{tile_at(ox - radius, view.columns), tile_at(oy - radius, view.rows), tile_at(ox + radius + kLast, view.columns),
              tile_at(oy + radius + kLast, view.rows)};
  // Of these only the ones with samples inside the box of what is drawn.
  box.x0 = std::max(box.x0, tile_at(ox - s.half_width, view.columns));
  box.y0 = std::max(box.y0, tile_at(oy - s.half_height, view.rows));
  box.x1 = std::min(box.x1, tile_at(ox + s.half_width + static_cast<float>(kTile), view.columns));
  box.y1 = std::min(box.y1, tile_at(oy + s.half_height + static_cast<float>(kTile), view.rows));
  if (box.x0 >= box.x1 || box.y0 >= box.y1 || !colour_of(scene, i, view, s)) return kNothing;
  return box;
}

// False when no sample with centre in [x0, x1] x [y0, y1] is drawn. The distance is convex, so its least value over a box
// that does not hold the centre lies on a side that faces the centre.
ESPALIER_DEVICE_CODE bool touches(const Splat& s, float x0, float y0, float x1, float y1) {
  const float u0 = x0 - s.x, u1 = x1 - s.x, v0 = y0 - s.y, v1 = y1 - s.y;
  const float u = std::min(std::max(0.0F, u0), u1), v = std::min(std::max(0.0F, v0), v1);  // closest to the centre
  if (u == 0.0F && v == 0.0F) return true;
  const float limit = s.least * 1.0001F - 1e-4F;
  float most = -1e30F;
  if (u != 0.0F) {
    const float best = std::min(std::max(-0.5F * s.b * u / s.c, v0), v1);
    most = (s.a * u + s.b * best) * u + s.c * best * best;
  }
  if (v != 0.0F) {
    const float best = std::min(std::max(-0.5F * s.b * v / s.a, u0), u1);
    most = std::max(most, (s.a * best + s.b * v) * best + s.c * v * v);
  }
  return most >= limit;
}

// The tiles of a splat: of a box of up to 64 those whose bit is set, row by row; of a larger box all. None when drawn is 0.
struct Tiles {
  std::uint16_t x0, y0, x1, y1;
  std::uint64_t drawn;

  [[nodiscard]] ESPALIER_DEVICE_CODE int area() const { return (x1 - x0) * (y1 - y0); }
  [[nodiscard]] ESPALIER_DEVICE_CODE bool large() const { return area() > 64; }
  // The tile at a place of the box, in an image of `columns` tiles a row.
  [[nodiscard]] ESPALIER_DEVICE_CODE int tile(int place, int columns) const {
    const int wide = x1 - x0, row = place / wide;
    return (y0 + row) * columns + x0 + place - row * wide;
  }
};

// Centres of the first and last samples of a tile along one direction.
ESPALIER_DEVICE_CODE float first_centre(int tile) { return static_cast<float>(tile * kTile) + 0.5F; }
ESPALIER_DEVICE_CODE float last_centre(int tile, int limit) {
  return static_cast<float>(std::min((tile + 1) * kTile, limit)) - 0.5F;
}

ESPALIER_DEVICE_CODE Tiles tiles_of(const Splat& s, const TileBox& box, const ViewPoint& view) {
  Tiles tiles{static_cast<std::uint16_t>(box.x0), static_cast<std::uint16_t>(box.y0), static_cast<std::uint16_t>(box.x1),
              static_cast<std::uint16_t>(box.y1), 0};
  if (tiles.large()) {
    tiles.drawn = ~std::uint64_t{0};
    return tiles;
  }
  std::uint64_t bit = 1;
  for (int y = box.y0; y < box.y1; ++y) {
    for (int x = box.x0; x < box.x1; ++x, bit <<= 1U) {
      if (touches(s, first_centre(x), first_centre(y), last_centre(x, view.width), last_centre(y, view.height))) {
        tiles.drawn |= bit;
      }
    }
  }
  return tiles;
}

}  // namespace espalier::splat
