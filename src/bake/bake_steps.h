// The steps of baking, each a function object called once per pixel or texel: on the CPU in a loop, on the GPU by a thread.
#pragma once

#include <atomic>
#include <cmath>
#include <cstdint>

#include "parallel/device_code.h"

namespace espalier::baking {

// Sums are kept as integers of this many parts per unit. A texel can take in 2^20 whole equations before its sum overflows;
// usable_faces keeps it below that.
inline constexpr float kUnit = 4096.0F;
inline constexpr float kLeastAlpha = 0.5F;  // pixels of which less is covered say more about the background

// To two sums in one word, of which the lower never overflows into the upper.
ESPALIER_DEVICE_CODE void add_to(std::uint64_t* sums, std::uint32_t lower, std::uint32_t upper) {
  const std::uint64_t both = lower | static_cast<std::uint64_t>(upper) << 32;
#ifdef __CUDA_ARCH__
  atomicAdd(reinterpret_cast<unsigned long long*>(sums), static_cast<unsigned long long>(both));
#else
  std::atomic_ref<std::uint64_t>(*sums).fetch_add(both, std::memory_order_relaxed);
#endif
}

// NOLINTNEXTLINE(bugprone-incorrect-roundings): never negative, and the same on a GPU
ESPALIER_DEVICE_CODE std::uint32_t parts_of(float value) { return static_cast<std::uint32_t>(value * kUnit + 0.5F); }
ESPALIER_DEVICE_CODE float clamped(float v, float low, float high) { return v < low ? low : (v > high ? high : v); }

// The four texels around a place in the texture, and their bilinear weights.
struct Footprint {
  std::int64_t texel[4];  // (x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)
  float weight[4];
};
ESPALIER_DEVICE_CODE Footprint footprint_at(float u, float v, int size) {
  const float x = clamped(u * static_cast<float>(size) - 0.5F, 0.0F, static_cast<float>(size - 1));
  const float y = clamped(v * static_cast<float>(size) - 0.5F, 0.0F, static_cast<float>(size - 1));
  int column = static_cast<int>(x), row = static_cast<int>(y);
  if (column > size - 2) column = size - 2;
  if (row > size - 2) row = size - 2;
  const float fx = x - static_cast<float>(column), fy = y - static_cast<float>(row);
  const std::int64_t first = static_cast<std::int64_t>(row) * size + column;
  return {{first, first + 1, first + size, first + size + 1}, {(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy}};
}

// Views of what an image of the mesh shows.
struct Seen {
  const std::int32_t* face;  // [pixels] 0 = nothing, else index + 1
  const float* barycentric;  // [pixels, 2]
  const float* colour;       // [pixels, 3] on black
  const float* alpha;        // [pixels]
};

// Per pixel of a view: how far its colour is to be trusted, from the view's own depth.
//
// A surface seen at an angle counts with the square of the cosine. Beside a step of the depth the source shows what the mesh
// does not: splats reach past the mesh's edge and would be painted onto what lies behind, and through their thin rim shines
// what lies behind them. Such pixels count so little that they matter only to texels that nothing else knows.
struct TrustPixels {
  const float* depth;  // [size, size]; 0: nothing
  int size;
  float pixel;   // width of a pixel at depth 1
  float* trust;  // [size, size]

  static constexpr int kReach = 3;            // pixels that splats reach past an edge
  static constexpr float kStep = 8.0F;        // a step of the depth, in widths of a pixel
  static constexpr float kDoubt = 1.0F / 64;  // of a pixel beside one

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const float own = depth[i];
    trust[i] = 0.0F;
    if (!(own > 0.0F)) return;
    const int x = static_cast<int>(i % size), y = static_cast<int>(i / size);
    const float width = own * pixel;
    const float gx = slope(own, at(x - 1, y), at(x + 1, y)), gy = slope(own, at(x, y - 1), at(x, y + 1));
    const float squared = (gx * gx + gy * gy) / (width * width);
    trust[i] = beside_step(x, y, own, gx, gy, kStep * width) ? kDoubt / (1.0F + squared) : 1.0F / (1.0F + squared);
  }

 private:
  [[nodiscard]] ESPALIER_DEVICE_CODE float at(int x, int y) const {
    return x < 0 || y < 0 || x >= size || y >= size ? 0.0F : depth[static_cast<std::int64_t>(y) * size + x];
  }
  // Per pixel, on the side where the surface goes on.
  [[nodiscard]] ESPALIER_DEVICE_CODE static float slope(float own, float before, float behind) {
    if (!(before > 0.0F)) return behind > 0.0F ? behind - own : 0.0F;
    if (!(behind > 0.0F)) return own - before;
    return fabsf(own - before) < fabsf(behind - own) ? own - before : behind - own;
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE bool beside_step(int x, int y, float own, float gx, float gy, float step) const {
    for (int direction = 0; direction < 9; ++direction) {
      const int dx = direction % 3 - 1, dy = direction / 3 - 1;
      for (int reach = 1; reach <= kReach && (dx != 0 || dy != 0); ++reach) {
        const float there = at(x + reach * dx, y + reach * dy);
        if (!(there > 0.0F)) break;
        const float beyond =
            there - (own + static_cast<float>(reach) * (gx * static_cast<float>(dx) + gy * static_cast<float>(dy)));
        if (beyond < -step || (reach == 1 && beyond > step)) return true;
      }
    }
    return false;
  }
};

struct TexturePlace {
  float u, v;
};
// Where in the texture a pixel lies.
ESPALIER_DEVICE_CODE TexturePlace place_of(const std::int32_t* faces, const float* uvs, std::int64_t face,
                                           const float* barycentric) {
  const float b0 = barycentric[0], b1 = barycentric[1], b2 = 1.0F - b0 - b1;
  const float* p0 = uvs + 2 * static_cast<std::int64_t>(faces[3 * face]);
  const float* p1 = uvs + 2 * static_cast<std::int64_t>(faces[3 * face + 1]);
  const float* p2 = uvs + 2 * static_cast<std::int64_t>(faces[3 * face + 2]);
  return {b0 * p0[0] + b1 * p1[0] + b2 * p2[0], b0 * p0[1] + b1 * p1[1] + b2 * p2[1]};
}

// The sums of the normal equations. A texel has eight, side by side, two in a word: what is added to one is mostly added to its
// neighbour as well, and a view's pixels go to texels all over the texture.
enum class Sum : std::uint8_t { diagonal, red, green, blue, right, below, below_right, below_left };
struct Sums {
  static constexpr int kWords = 4;  // of a texel
  std::uint64_t* words;             // [texels, kWords]

  [[nodiscard]] ESPALIER_DEVICE_CODE float at(Sum sum, std::int64_t texel) const {
    const int place = static_cast<int>(sum);
    const std::uint64_t word = words[texel * kWords + place / 2];
    return static_cast<float>(static_cast<std::uint32_t>(place % 2 == 0 ? word : word >> 32));
  }
  [[nodiscard]] ESPALIER_DEVICE_CODE float colour(int channel, std::int64_t texel) const {
    return at(static_cast<Sum>(static_cast<int>(Sum::red) + channel), texel);
  }
  // To `first`, which is a word's lower one, and to the one after it.
  ESPALIER_DEVICE_CODE void add(std::int64_t texel, Sum first, float lower, float upper) const {
    add_to(words + texel * kWords + static_cast<int>(first) / 2, parts_of(lower), parts_of(upper));
  }
};

// Per pixel: adds its equation.
struct AddEquation {
  Seen seen;
  const std::int32_t* faces;
  const float* uvs;
  const std::uint8_t* usable;  // [faces]
  const float* trust;          // [pixels]
  int size;
  Sums sums;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const std::int64_t face = static_cast<std::int64_t>(seen.face[i]) - 1;
    if (face < 0 || usable[face] == 0) return;
    const float alpha = seen.alpha[i];
    if (!(alpha >= kLeastAlpha)) return;
    const TexturePlace place = place_of(faces, uvs, face, seen.barycentric + 2 * i);
    const Footprint foot = footprint_at(place.u, place.v, size);
    const float weight = (alpha < 1.0F ? alpha * alpha : 1.0F) * trust[i];
    const float* w = foot.weight;
    float colour[3];
    for (int c = 0; c < 3; ++c) colour[c] = clamped(seen.colour[3 * i + c] / alpha, 0.0F, 1.0F);
    for (int k = 0; k < 4; ++k) {
      sums.add(foot.texel[k], Sum::diagonal, weight * w[k] * w[k], weight * w[k] * colour[0]);
      sums.add(foot.texel[k], Sum::green, weight * w[k] * colour[1], weight * w[k] * colour[2]);
    }
    sums.add(foot.texel[0], Sum::right, weight * w[0] * w[1], weight * w[0] * w[2]);
    sums.add(foot.texel[0], Sum::below_right, weight * w[0] * w[3], 0);
    sums.add(foot.texel[1], Sum::right, 0, weight * w[1] * w[3]);
    sums.add(foot.texel[1], Sum::below_right, 0, weight * w[1] * w[2]);
    sums.add(foot.texel[2], Sum::right, weight * w[2] * w[3], 0);
  }
};

// The couplings of a texel with its eight neighbours, in the order of kNeighbourX and kNeighbourY.
struct Neighbour {
  int dx, dy;
  Sum coupling;
  bool own;  // it stands at this texel, else at the neighbour
};
ESPALIER_DEVICE_CODE Neighbour neighbour(int k) {
  constexpr Neighbour all[8] = {{1, 0, Sum::right, true},          {0, 1, Sum::below, true},
                                {1, 1, Sum::below_right, true},    {-1, 1, Sum::below_left, true},
                                {-1, 0, Sum::right, false},        {0, -1, Sum::below, false},
                                {-1, -1, Sum::below_right, false}, {1, -1, Sum::below_left, false}};
  return all[k];
}

// Per texel: a first guess, the mean of its equations' colours weighted by their shares in it; known says whether there are
// any. Texels without keep what stands in `texture`.
struct FirstGuess {
  Sums sums;
  int size;
  const std::int32_t* face;  // [texels] of the texel, gutters included; 0 = none
  float* texture;            // [texels, 3]
  std::uint8_t* known;       // [texels]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const int x = static_cast<int>(i % size), y = static_cast<int>(i / size);
    float total = sums.at(Sum::diagonal, i);
    for (int k = 0; k < 8; ++k) {
      const Neighbour n = neighbour(k);
      const int nx = x + n.dx, ny = y + n.dy;
      if (nx < 0 || ny < 0 || nx >= size || ny >= size) continue;
      total += sums.at(n.coupling, n.own ? i : static_cast<std::int64_t>(ny) * size + nx);
    }
    // Less than an eighth of one equation is too little to trust.
    known[i] = face[i] != 0 && total >= kUnit / 8 ? 1 : 0;
    if (known[i] == 0) return;
    for (int c = 0; c < 3; ++c) texture[3 * i + c] = sums.colour(c, i) / total;
  }
};

// Per texel of one colour: the value that solves its own equation, given its neighbours.
struct Relax {
  Sums sums;
  int size;
  const std::int32_t* face;
  float smoothness;  // in parts
  int colour;        // 0 to 3: parity of column and row
  float* texture;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t item) const {
    const int half = (size + 1) / 2;
    const int x = 2 * static_cast<int>(item % half) + (colour & 1), y = 2 * static_cast<int>(item / half) + (colour >> 1);
    if (x >= size || y >= size) return;
    const std::int64_t i = static_cast<std::int64_t>(y) * size + x;
    if (face[i] == 0) return;
    float diagonal = sums.at(Sum::diagonal, i);
    float value[3];
    for (int c = 0; c < 3; ++c) value[c] = sums.colour(c, i);
    for (int k = 0; k < 8; ++k) {
      const Neighbour n = neighbour(k);
      const int nx = x + n.dx, ny = y + n.dy;
      if (nx < 0 || ny < 0 || nx >= size || ny >= size) continue;
      const std::int64_t j = static_cast<std::int64_t>(ny) * size + nx;
      if (face[j] == 0) continue;
      float coupling = sums.at(n.coupling, n.own ? i : j);
      if (n.dx == 0 || n.dy == 0) {
        coupling -= smoothness;
        diagonal += smoothness;
      }
      for (int c = 0; c < 3; ++c) value[c] -= coupling * texture[3 * j + c];
    }
    if (diagonal <= 0.0F) return;
    for (int c = 0; c < 3; ++c) texture[3 * i + c] = clamped(value[c] / diagonal, 0.0F, 1.0F);
  }
};

// Where the texels lie in a view, and whether it sees them. Visible is what the view's own depth says, within a tolerance of
// some pixels that grows as the surface turns away.
struct TexelView {
  float rotation[9], translation[3], eye[3];
  float focal_x, focal_y, centre_x, centre_y;  // pixels
  int view_size;
  float least_cosine;        // of the angle between the surface's normal and the direction to the eye
  const std::int32_t* face;  // [texels]
  const float* position;     // [texels, 3]
  const float* normal;       // [texels, 3]
  const float* depth;        // [pixels]

  struct Place {
    bool seen;
    float u, v;  // in units of the view's sides
    float cosine, squared_distance;
  };

  ESPALIER_DEVICE_CODE Place place(std::int64_t i) const {
    Place out{};
    if (face[i] == 0) return out;
    const float* p = position + 3 * i;
    float q[3], toward[3], length = 0.0F;
    for (int r = 0; r < 3; ++r) {
      q[r] = rotation[3 * r] * p[0] + rotation[3 * r + 1] * p[1] + rotation[3 * r + 2] * p[2] + translation[r];
      toward[r] = eye[r] - p[r];
      length += toward[r] * toward[r];
    }
    if (!(q[2] > 0.05F)) return out;
    const float* n = normal + 3 * i;
    const float cosine = (toward[0] * n[0] + toward[1] * n[1] + toward[2] * n[2]) / sqrtf(length);
    if (!(cosine > least_cosine)) return out;
    const float x = focal_x * q[0] / q[2] + centre_x, y = focal_y * q[1] / q[2] + centre_y;
    const float last = static_cast<float>(view_size - 1);
    if (!(x > 1.0F && y > 1.0F && x < last && y < last)) return out;
    const std::int64_t pixel = static_cast<std::int64_t>(y) * view_size + static_cast<std::int64_t>(x);
    const float pixel_width = q[2] / focal_x;
    const float shown = depth[pixel];
    if (shown <= 0.0F || fabsf(shown - q[2]) > pixel_width * (1.0F + 1.5F / cosine)) return out;
    out.seen = true;
    out.u = x / static_cast<float>(view_size);
    out.v = y / static_cast<float>(view_size);
    out.cosine = cosine;
    out.squared_distance = length;
    return out;
  }
};

// Per texel: takes one view's colour into its weighted mean.
struct GatherView {
  TexelView view;
  const float* colour;  // [pixels, 3]
  const float* alpha;   // [pixels]
  const float* trust;   // [pixels]
  float* sum;           // [texels, 4]: weighted colour, weight

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const TexelView::Place place = view.place(i);
    if (!place.seen) return;
    const Footprint foot = footprint_at(place.u, place.v, view.view_size);
    float a = 0.0F, mixed[3] = {0.0F, 0.0F, 0.0F};
    for (int k = 0; k < 4; ++k) {
      a += foot.weight[k] * alpha[foot.texel[k]];
      for (int c = 0; c < 3; ++c) mixed[c] += foot.weight[k] * colour[3 * foot.texel[k] + c];
    }
    if (!(a >= kLeastAlpha)) return;
    const std::int64_t pixel = static_cast<std::int64_t>(place.v * static_cast<float>(view.view_size)) * view.view_size +
                               static_cast<std::int64_t>(place.u * static_cast<float>(view.view_size));
    const float weight = a * a * place.cosine * trust[pixel] / place.squared_distance;
    for (int c = 0; c < 3; ++c) sum[4 * i + c] += weight * clamped(mixed[c] / a, 0.0F, 1.0F);
    sum[4 * i + 3] += weight;
  }
};

// Per texel: the mean of what was gathered.
struct FinishGather {
  const float* sum;
  float* texture;
  std::uint8_t* known;
  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    known[i] = sum[4 * i + 3] > 0.0F ? 1 : 0;
    if (known[i] == 0) return;
    for (int c = 0; c < 3; ++c) texture[3 * i + c] = sum[4 * i + c] / sum[4 * i + 3];
  }
};

// Per row of a view: the sum of squared errors of the textured mesh against the view, and the number of its pixels.
struct CompareRow {
  Seen seen;
  const std::int32_t* faces;
  const float* uvs;
  const std::uint8_t* texture;  // [size, size, 3]
  int size, view_size;
  double* error;         // [rows]
  std::int64_t* pixels;  // [rows]

  ESPALIER_DEVICE_CODE void operator()(std::int64_t row) const {
    double total = 0.0;
    std::int64_t count = 0;
    for (std::int64_t i = row * view_size; i < (row + 1) * view_size; ++i) {
      const std::int64_t face = static_cast<std::int64_t>(seen.face[i]) - 1;
      const float alpha = seen.alpha[i];
      if (face < 0 || !(alpha >= kLeastAlpha)) continue;
      const TexturePlace place = place_of(faces, uvs, face, seen.barycentric + 2 * i);
      const Footprint foot = footprint_at(place.u, place.v, size);
      ++count;
      for (int c = 0; c < 3; ++c) {
        float value = 0.0F;
        for (int k = 0; k < 4; ++k) value += foot.weight[k] * static_cast<float>(texture[3 * foot.texel[k] + c]);
        const double d = value / 255.0F - clamped(seen.colour[3 * i + c] / alpha, 0.0F, 1.0F);
        total += d * d;
      }
    }
    error[row] += total;
    pixels[row] += count;
  }
};

}  // namespace espalier::baking
