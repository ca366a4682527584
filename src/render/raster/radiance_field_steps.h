// A ray through a field of tri-vectors, as both devices trace it. Lengths are in sides of a voxel; the cube of the asset is
// [0, resolution]^3.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "parallel/device_code.h"

namespace espalier::radiance {

inline constexpr int kBrick = 8;  // voxels along the side of a brick, the unit in which emptiness is skipped
inline constexpr float kLeastTransmittance = 1e-4F;
inline constexpr float kHarmonic = 0.28209479F;

// All pointers to memory of the device. Components are innermost.
struct Field {
  const std::int32_t* bricks;  // [side of bricks ^3]: number of a brick, or -1
  const std::int32_t* voxels;  // [bricks, kBrick^3]: row of a voxel, or -1
  const float* vectors;        // [N, 3, dim, rank]
  const float* density;        // [N, rank]
  const float* colour;         // [N, 3, rank]
  int resolution, side_of_bricks, rank, dim;
};

// A camera in the cube's units. The ray of a sample (x, y) starts at `origin` and has moved by t * (x across + y down + ahead)
// when it is t (in units of the world) along the camera's axis.
struct RayCamera {
  float origin[3], across[3], down[3], ahead[3];
  float background[3];
  float near_plane, far_plane;
  float steps;        // per side of a voxel
  float side;         // of a voxel in the world
  bool at_ends;       // VectorSamples::ends
  int width, height;  // samples
};

struct Traced {
  float red = 0.0F, green = 0.0F, blue = 0.0F;  // without background
  float transmittance = 1.0F;
  float depth = 0.0F;  // sum of weights times t
};

// Sample `before` of a vector counts 1 - `share` at a place, the one after it `share`.
struct Place {
  int before, after;
  float share;
};

ESPALIER_DEVICE_CODE Place place_of(float local, int dim, bool at_ends) {
  const float last = static_cast<float>(dim - 1);
  const float at = std::min(std::max(at_ends ? local * last : local * static_cast<float>(dim) - 0.5F, 0.0F), last);
  const int before = std::min(static_cast<int>(at), std::max(dim - 2, 0));
  return {before, std::min(before + 1, dim - 1), at - static_cast<float>(before)};
}

ESPALIER_DEVICE_CODE float softplus(float x) { return x > 15.0F ? x : std::log1p(std::exp(x)); }

// The weights of the components at a point of a voxel.
struct Weights {
  const float *x0, *x1, *y0, *y1, *z0, *z1;  // the two samples of all vectors along each axis
  float x, y, z;                             // shares of the second ones

  ESPALIER_DEVICE_CODE Weights(const Field& f, std::int64_t voxel, const float* local, bool at_ends) {
    const float* const vectors = f.vectors + voxel * 3 * f.dim * f.rank;
    const Place along_x = place_of(local[0], f.dim, at_ends), along_y = place_of(local[1], f.dim, at_ends),
                along_z = place_of(local[2], f.dim, at_ends);
    x0 = vectors + along_x.before * f.rank;
    x1 = vectors + along_x.after * f.rank;
    y0 = vectors + (f.dim + along_y.before) * f.rank;
    y1 = vectors + (f.dim + along_y.after) * f.rank;
    z0 = vectors + (2 * f.dim + along_z.before) * f.rank;
    z1 = vectors + (2 * f.dim + along_z.after) * f.rank;
    x = along_x.share;
    y = along_y.share;
    z = along_z.share;
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE float of(int r) const {
    return (x0[r] + x * (x1[r] - x0[r])) * (y0[r] + y * (y1[r] - y0[r])) * (z0[r] + z * (z1[r] - z0[r]));
  }
};

// Sums over Rank components, a multiple of 8, in eight lanes, which compilers make vectors of.
template <int Rank>
ESPALIER_DEVICE_CODE float dot(const float* weights, const float* values) {
  static_assert(Rank % 8 == 0);
  float lanes[8] = {};
  for (int r = 0; r < Rank; r += 8) {
    for (int k = 0; k < 8; ++k) lanes[k] += weights[r + k] * values[r + k];
  }
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}

// Adds a part of a ray, `length` of the world long, at a point of a voxel. False when the ray ends.
template <int Rank>
ESPALIER_DEVICE_CODE bool add_part(const Field& field, std::int64_t voxel, const float* local, const RayCamera& camera,
                                   float length, float t, Traced& ray) {
  const Weights mixture(field, voxel, local, camera.at_ends);
  const float* const density = field.density + voxel * field.rank;
  const float* const colour = field.colour + voxel * 3 * field.rank;
  constexpr int kKnown = Rank > 0 ? Rank : 1;
  float weights[kKnown], raw = 0.0F, rgb[3] = {0.0F, 0.0F, 0.0F};
  if constexpr (Rank > 0) {
    for (int r = 0; r < Rank; ++r) weights[r] = mixture.of(r);
    raw = dot<Rank>(weights, density);
  } else {
    for (int r = 0; r < field.rank; ++r) raw += mixture.of(r) * density[r];
  }
  constexpr float kNothing = -16.0F;  // its softplus is below 2^-23
  if (raw < kNothing) return true;
  const float alpha = 1.0F - std::exp(-softplus(raw) * length);
  if (!(alpha > 0.0F)) return true;
  for (int c = 0; c < 3; ++c) {
    const float* const of = colour + c * field.rank;
    if constexpr (Rank > 0) {
      rgb[c] = dot<Rank>(weights, of);
    } else {
      for (int r = 0; r < field.rank; ++r) rgb[c] += mixture.of(r) * of[r];
    }
  }
  const float share = alpha * ray.transmittance;
  ray.red += share * std::max(0.0F, 0.5F + kHarmonic * rgb[0]);
  ray.green += share * std::max(0.0F, 0.5F + kHarmonic * rgb[1]);
  ray.blue += share * std::max(0.0F, 0.5F + kHarmonic * rgb[2]);
  ray.depth += share * t;
  ray.transmittance *= 1.0F - alpha;
  return !(ray.transmittance < kLeastTransmittance);
}

// The box of whole voxels [low, low + size)^3 that a ray is in.
struct Box {
  int low[3];
  int size;
};

// The ray of the sample with centre (x, y).
template <int Rank>
ESPALIER_DEVICE_CODE Traced trace(const Field& field, const RayCamera& camera, float x, float y) {
  Traced ray;
  float direction[3], inverse[3];
  float squares = 0.0F;
  float begin = std::max(camera.near_plane, 0.0F), end = camera.far_plane;
  for (int k = 0; k < 3; ++k) {
    direction[k] = x * camera.across[k] + y * camera.down[k] + camera.ahead[k];
    // A ray along an axis never meets the planes across the others.
    constexpr float kFlat = 1e-9F;
    if (std::abs(direction[k]) < kFlat) direction[k] = direction[k] < 0.0F ? -kFlat : kFlat;
    inverse[k] = 1.0F / direction[k];
    squares += direction[k] * direction[k];
    const float a = (0.0F - camera.origin[k]) * inverse[k];
    const float b = (static_cast<float>(field.resolution) - camera.origin[k]) * inverse[k];
    begin = std::max(begin, std::min(a, b));
    end = std::min(end, std::max(a, b));
  }
  if (!(begin < end)) return ray;
  const float speed = std::sqrt(squares);  // sides of a voxel per t
  int cell[3];
  for (int k = 0; k < 3; ++k) {
    const float at = std::floor(camera.origin[k] + direction[k] * begin);
    cell[k] = static_cast<int>(std::min(std::max(at, 0.0F), static_cast<float>(field.resolution - 1)));
  }
  float t = begin;
  while (t < end) {
    const int side = field.side_of_bricks;
    const std::int32_t brick = field.bricks[((cell[0] / kBrick) * side + cell[1] / kBrick) * side + cell[2] / kBrick];
    Box box{{cell[0], cell[1], cell[2]}, 1};
    std::int32_t voxel = -1;
    if (brick < 0) {
      box = {{cell[0] / kBrick * kBrick, cell[1] / kBrick * kBrick, cell[2] / kBrick * kBrick}, kBrick};
    } else {
      const int inside = ((cell[0] % kBrick) * kBrick + cell[1] % kBrick) * kBrick + cell[2] % kBrick;
      voxel = field.voxels[std::int64_t{brick} * (kBrick * kBrick * kBrick) + inside];
    }
    // The first of the three planes ahead is where the ray leaves the box.
    int axis = 0;
    float leave = 0.0F;
    for (int k = 0; k < 3; ++k) {
      const int plane = direction[k] > 0.0F ? box.low[k] + box.size : box.low[k];
      const float at = (static_cast<float>(plane) - camera.origin[k]) * inverse[k];
      if (k == 0 || at < leave) {
        leave = at;
        axis = k;
      }
    }
    const float stop = std::min(std::max(leave, t), end);
    if (voxel >= 0 && stop > t) {
      // A whole number of parts stays what it is when rounding adds a little.
      const int parts = std::max(1, static_cast<int>(std::ceil((stop - t) * speed * camera.steps - 0.01F)));
      const float part = (stop - t) / static_cast<float>(parts);
      for (int i = 0; i < parts; ++i) {
        const float middle = t + (static_cast<float>(i) + 0.5F) * part;
        float local[3];
        for (int k = 0; k < 3; ++k) {
          local[k] = std::min(std::max(camera.origin[k] + direction[k] * middle - static_cast<float>(cell[k]), 0.0F), 1.0F);
        }
        if (!add_part<Rank>(field, voxel, local, camera, part * speed * camera.side, middle, ray)) return ray;
      }
    }
    t = stop;
    const int entered = direction[axis] > 0.0F ? box.low[axis] + box.size : box.low[axis] - 1;
    if (entered < 0 || entered >= field.resolution) break;
    for (int k = 0; k < 3 && box.size > 1; ++k) {
      const float at = std::floor(camera.origin[k] + direction[k] * t);
      const int high = std::min(box.low[k] + box.size, field.resolution) - 1;
      cell[k] = static_cast<int>(std::min(std::max(at, static_cast<float>(box.low[k])), static_cast<float>(high)));
    }
    cell[axis] = entered;
  }
  return ray;
}

}  // namespace espalier::radiance
