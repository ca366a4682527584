// The arithmetic of the triangle rasteriser, shared by the back ends. Coordinates are homogeneous with the image's
// centre as origin: x / w and y / w are pixels to the right and downwards, z / w orders by depth (nearer is less). A camera
// sets z = -1, so that z / w = -1 / w; w is then the depth itself. Floats round operation by operation, with fma() where
// a product is added to something, so that all devices give the same bits.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "parallel/device_code.h"

namespace espalier::raster {

inline constexpr int kSubpixelBits = 8;
inline constexpr std::int32_t kSubpixels = 1 << kSubpixelBits;
inline constexpr float kGuard = 16384.0F;              // pixels from the centre beyond which triangles are cut
inline constexpr std::int32_t kUnsnapped = INT32_MIN;  // ScreenVertex::sx of a vertex outside of what can be drawn
inline constexpr unsigned char kEmptyByte = 0x7F;
inline constexpr std::int64_t kEmptyKey = 0x7F7F7F7F7F7F7F7F;  // z / w of 3e38
inline constexpr std::int32_t kSmallSpan = 64 * kSubpixels;    // triangles of at most this extent fit 32-bit edge functions

// --- Vertices -------------------------------------------------------------------------------------------------------

struct Homogeneous {
  float x, y, z, w;
};

struct alignas(8) ScreenVertex {
  Homogeneous p;
  std::int32_t sx, sy;  // 1/256 pixels from the upper left corner, or kUnsnapped
};

// What all vertices of an image have in common. `near_z`: what lies at z * near_z + w >= 0 is beyond the near plane.
struct Frame {
  std::int32_t width = 0, height = 0;
  float near_z = 1.0F;
  std::int32_t steps = kSubpixels;  // per pixel, that vertices are rounded to; divides kSubpixels
};

ESPALIER_DEVICE_CODE std::int32_t snapped(double pixels, std::int32_t side, const Frame& frame) {
  return static_cast<std::int32_t>(rint(pixels * frame.steps)) * (kSubpixels / frame.steps) + side * (kSubpixels / 2);
}
ESPALIER_DEVICE_CODE std::int32_t snapped(float pixels, std::int32_t side, const Frame& frame) {
  return static_cast<std::int32_t>(rintf(pixels * static_cast<float>(frame.steps))) * (kSubpixels / frame.steps) +
         side * (kSubpixels / 2);
}

// Half-spaces that a drawable vertex lies in: near, far, and the guard band's four sides. NaN is outside.
inline constexpr int kPlanes = 6;
ESPALIER_DEVICE_CODE float plane_distance(int plane, const Homogeneous& p, float near_z) {
  switch (plane) {
    case 0: return fmaf(p.z, near_z, p.w);
    case 1: return p.w - p.z;
    case 2: return fmaf(kGuard, p.w, p.x);
    case 3: return fmaf(kGuard, p.w, -p.x);
    case 4: return fmaf(kGuard, p.w, p.y);
    default: return fmaf(kGuard, p.w, -p.y);
  }
}

ESPALIER_DEVICE_CODE ScreenVertex screen_vertex(const Homogeneous& p, const Frame& frame) {
  bool inside = p.w > 0.0F;
  for (int plane = 0; plane < kPlanes; ++plane) inside = inside && plane_distance(plane, p, frame.near_z) >= 0.0F;
  if (!inside) return {p, kUnsnapped, kUnsnapped};
  return {p, snapped(p.x / p.w, frame.width, frame), snapped(p.y / p.w, frame.height, frame)};
}

// A camera's projection to homogeneous coordinates.
struct CameraStep {
  float rotation[9];
  float translation[3];
  float scale_x, scale_y, shift_x, shift_y;  // pixels

  ESPALIER_DEVICE_CODE Homogeneous operator()(const float* v) const {
    float q[3];
    for (int i = 0; i < 3; ++i) {
      q[i] = fmaf(rotation[3 * i + 2], v[2], fmaf(rotation[3 * i + 1], v[1], fmaf(rotation[3 * i], v[0], translation[i])));
    }
    return {fmaf(scale_x, q[0], shift_x * q[2]), fmaf(scale_y, q[1], shift_y * q[2]), -1.0F, q[2]};
  }
};
struct ClipStep {
  float half_width, half_height;
  ESPALIER_DEVICE_CODE Homogeneous operator()(const float* v) const {
    return {v[0] * half_width, v[1] * half_height, v[2], v[3]};
  }
};
struct TexelStep {
  float width, height;
  ESPALIER_DEVICE_CODE Homogeneous operator()(const float* v) const {
    return {fmaf(v[0], width, -0.5F * width), fmaf(v[1], height, -0.5F * height), 0.0F, 1.0F};
  }
};

template <class Source>
struct ProjectVertices {
  Source source;
  const float* vertices;
  std::int64_t stride;
  Frame frame;
  ScreenVertex* out;
  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const { out[i] = screen_vertex(source(vertices + i * stride), frame); }
};

// --- Triangles ------------------------------------------------------------------------------------------------------

// On the screen, with positive area: rows grow downwards, so the corners run clockwise.
struct Triangle {
  std::int32_t x[3], y[3];
  float d[3];  // z / w
};

// Pixels [x0, x1) x [y0, y1).
struct Bounds {
  std::int32_t x0, y0, x1, y1;
  [[nodiscard]] ESPALIER_DEVICE_CODE bool empty() const { return x0 >= x1 || y0 >= y1; }
};

ESPALIER_DEVICE_CODE std::int32_t least(std::int32_t a, std::int32_t b) { return a < b ? a : b; }
ESPALIER_DEVICE_CODE std::int32_t most(std::int32_t a, std::int32_t b) { return a > b ? a : b; }

// Pixels whose centres lie inside the triangle's box, grown by `margin` subpixels, and in rows [row_begin, row_end).
ESPALIER_DEVICE_CODE Bounds pixel_bounds(const ScreenVertex& a, const ScreenVertex& b, const ScreenVertex& c,
                                         std::int32_t width, std::int32_t row_begin, std::int32_t row_end,
                                         std::int32_t margin) {
  constexpr std::int32_t kHalf = kSubpixels / 2;
  const std::int32_t x_low = least(least(a.sx, b.sx), c.sx) - margin, x_high = most(most(a.sx, b.sx), c.sx) + margin;
  const std::int32_t y_low = least(least(a.sy, b.sy), c.sy) - margin, y_high = most(most(a.sy, b.sy), c.sy) + margin;
  return {most(0, (x_low + kHalf - 1) >> kSubpixelBits), most(row_begin, (y_low + kHalf - 1) >> kSubpixelBits),
          least(width, (x_high + kHalf) >> kSubpixelBits), least(row_end, (y_high + kHalf) >> kSubpixelBits)};
}

ESPALIER_DEVICE_CODE bool drawable(const ScreenVertex& a, const ScreenVertex& b, const ScreenVertex& c) {
  return a.sx != kUnsnapped && b.sx != kUnsnapped && c.sx != kUnsnapped;
}

ESPALIER_DEVICE_CODE std::int64_t doubled_area(const Triangle& t) {
  return static_cast<std::int64_t>(t.x[1] - t.x[0]) * (t.y[2] - t.y[0]) -
         static_cast<std::int64_t>(t.x[2] - t.x[0]) * (t.y[1] - t.y[0]);
}

// False for a triangle without area. All three vertices are drawable.
ESPALIER_DEVICE_CODE bool make_triangle(const ScreenVertex& a, const ScreenVertex& b, const ScreenVertex& c, Triangle& t) {
  const ScreenVertex* v[3] = {&a, &b, &c};
  for (int i = 0; i < 3; ++i) {
    t.x[i] = v[i]->sx;
    t.y[i] = v[i]->sy;
  }
  const std::int64_t area = doubled_area(t);
  if (area == 0) return false;
  if (area < 0) {
    v[1] = &c;
    v[2] = &b;
    for (int i = 1; i < 3; ++i) {
      t.x[i] = v[i]->sx;
      t.y[i] = v[i]->sy;
    }
  }
  for (int i = 0; i < 3; ++i) t.d[i] = v[i]->p.z / v[i]->p.w;
  return true;
}

// Fits 32-bit edge functions within its bounds.
ESPALIER_DEVICE_CODE bool is_small(const Triangle& t) {
  return most(most(t.x[0], t.x[1]), t.x[2]) - least(least(t.x[0], t.x[1]), t.x[2]) <= kSmallSpan &&
         most(most(t.y[0], t.y[1]), t.y[2]) - least(least(t.y[0], t.y[1]), t.y[2]) <= kSmallSpan;
}

// Edge functions over pixels: e[i] = right[i] * (x - x0) + down[i] * (y - y0) + first[i] is the doubled area of the pixel's
// centre with the edge opposite to corner i, less one when that edge is neither a top nor a left one: the centre is inside
// when no e[i] is negative.
template <class Int>
struct Edges {
  Int right[3], down[3], first[3];
  std::int32_t taken[3];  // what was taken off
  std::int32_t x0, y0;
  float inverse_area, d2, d02, d12;

  ESPALIER_DEVICE_CODE Edges(const Triangle& t, std::int32_t at_x, std::int32_t at_y) : x0(at_x), y0(at_y) {
    constexpr std::int32_t kHalf = kSubpixels / 2;
    const std::int32_t px = at_x * kSubpixels + kHalf, py = at_y * kSubpixels + kHalf;
    for (int i = 0; i < 3; ++i) {
      const int from = i == 2 ? 0 : i + 1, to = i == 0 ? 2 : i - 1;
      const Int dx = t.x[to] - t.x[from], dy = t.y[to] - t.y[from];
      taken[i] = dy < 0 || (dy == 0 && dx > 0) ? 0 : 1;
      right[i] = -dy * kSubpixels;
      down[i] = dx * kSubpixels;
      first[i] = dx * (py - t.y[from]) - dy * (px - t.x[from]) - taken[i];
    }
    inverse_area = 1.0F / static_cast<float>(doubled_area(t));
    d2 = t.d[2];
    d02 = t.d[0] - t.d[2];
    d12 = t.d[1] - t.d[2];
  }

  [[nodiscard]] ESPALIER_DEVICE_CODE Int at(int i, std::int32_t x, std::int32_t y) const {
    return right[i] * (x - x0) + down[i] * (y - y0) + first[i];
  }
  // z / w of the plane where e[0] and e[1] have these values. Never -0, which would sort before 0.
  [[nodiscard]] ESPALIER_DEVICE_CODE float depth(Int e0, Int e1) const {
    const float b0 = static_cast<float>(e0 + taken[0]) * inverse_area;
    const float b1 = static_cast<float>(e1 + taken[1]) * inverse_area;
    return fmaf(b1, d12, fmaf(b0, d02, d2)) + 0.0F;
  }
  // Depth of a pixel that is inside.
  [[nodiscard]] ESPALIER_DEVICE_CODE bool covers(std::int32_t x, std::int32_t y, float& d) const {
    const Int e0 = at(0, x, y), e1 = at(1, x, y), e2 = at(2, x, y);
    if ((e0 | e1 | e2) < 0) return false;
    d = depth(e0, e1);
    return true;
  }
};

// The nearer a fragment the lower its key; among equals the higher face index has the lower key.
ESPALIER_DEVICE_CODE std::int64_t key_of(float d, std::int32_t face) {
  const auto bits = std::bit_cast<std::int32_t>(d);
  const std::int32_t ordered = bits ^ ((bits >> 31) & INT32_MAX);
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(static_cast<std::uint32_t>(ordered)) << 32U |
                                   static_cast<std::uint32_t>(~face));
}
ESPALIER_DEVICE_CODE std::int32_t face_of(std::int64_t key) {
  return static_cast<std::int32_t>(~static_cast<std::uint32_t>(static_cast<std::uint64_t>(key)));
}

// --- Distance to a triangle -----------------------------------------------------------------------------------------

// a b - c d without cancellation of rounded products (Kahan).
ESPALIER_DEVICE_CODE float difference_of_products(float a, float b, float c, float d) {
  const float cd = c * d;
  const float error = fmaf(-c, d, cd);
  return fmaf(a, b, -cd) + error;
}

// Nearest point to the origin on the segment a b, as the weight of b, and its squared distance.
ESPALIER_DEVICE_CODE float nearest_on_segment(float ax, float ay, float bx, float by, float& weight) {
  const float dx = bx - ax, dy = by - ay;
  const float length = fmaf(dx, dx, dy * dy);
  float t = length > 0.0F ? -fmaf(ax, dx, ay * dy) / length : 0.0F;
  t = t < 0.0F ? 0.0F : t > 1.0F ? 1.0F : t;
  weight = t;
  const float x = fmaf(t, dx, ax), y = fmaf(t, dy, ay);
  return fmaf(x, x, y * y);
}

// Covers pixels whose centre is inside (depth 0) or at most `margin` pixels from the triangle (depth: the squared
// distance in pixels, never 0).
struct NearTriangle {
  Edges<std::int64_t> edges;
  Triangle triangle;
  float limit;  // squared margin

  ESPALIER_DEVICE_CODE NearTriangle(const Triangle& t, std::int32_t x0, std::int32_t y0, float margin)
      : edges(t, x0, y0), triangle(t), limit(margin * margin) {}
  [[nodiscard]] ESPALIER_DEVICE_CODE bool covers(std::int32_t x, std::int32_t y, float& d) const {
    if (edges.covers(x, y, d)) {
      d = 0.0F;
      return true;
    }
    constexpr float kPixel = 1.0F / static_cast<float>(kSubpixels);
    constexpr std::int32_t kHalf = kSubpixels / 2;
    float cx[3], cy[3];
    for (int i = 0; i < 3; ++i) {
      cx[i] = static_cast<float>(triangle.x[i] - (x * kSubpixels + kHalf)) * kPixel;
      cy[i] = static_cast<float>(triangle.y[i] - (y * kSubpixels + kHalf)) * kPixel;
    }
    float nearest = nearest_on_segment(cx[2], cy[2], cx[0], cy[0], d);
    for (int i = 0; i < 2; ++i) {
      const float distance = nearest_on_segment(cx[i], cy[i], cx[i + 1], cy[i + 1], d);
      if (distance < nearest) nearest = distance;
    }
    constexpr float kOutside = 1e-20F;
    d = nearest > kOutside ? nearest : kOutside;
    return nearest <= limit;
  }
};

// --- Clipping -------------------------------------------------------------------------------------------------------

inline constexpr int kMaxPolygon = 3 + kPlanes;

// A convex polygon; clipped faces are drawn as its fan of triangles.
struct Polygon {
  ScreenVertex corner[kMaxPolygon];
  int count;
};

struct CutPoint {
  double x, y, z, w;
};
ESPALIER_DEVICE_CODE double plane_distance(int plane, const CutPoint& p, double near_z) {
  if (plane == 0) return fma(p.z, near_z, p.w);
  if (plane == 1) return p.w - p.z;
  const double along = plane < 4 ? p.x : p.y;
  return fma(static_cast<double>(kGuard), p.w, plane % 2 == 0 ? along : -along);
}

// Nothing of the face can be drawn: it is not finite, or lies outside of one plane. False for some others of which nothing is
// left either.
ESPALIER_DEVICE_CODE bool outside(const Homogeneous& a, const Homogeneous& b, const Homogeneous& c, const Frame& frame) {
  // Infinities and NaN do not come out as 0.
  const float sum = (a.x + a.y + a.z + a.w) + (b.x + b.y + b.z + b.w) + (c.x + c.y + c.z + c.w);
  if (!(sum * 0.0F == 0.0F)) return true;
  for (int plane = 0; plane < kPlanes; ++plane) {
    if (plane_distance(plane, a, frame.near_z) < 0.0F && plane_distance(plane, b, frame.near_z) < 0.0F &&
        plane_distance(plane, c, frame.near_z) < 0.0F) {
      return true;
    }
  }
  return false;
}

// Where the edge from `in` (distance a >= 0) to `out` (distance b < 0) meets the plane. Always computed from the inner
// to the outer end, so that faces that share the edge are cut at the same point.
ESPALIER_DEVICE_CODE CutPoint cut(const CutPoint& in, const CutPoint& out, double a, double b) {
  const double t = a / (a - b);
  return {fma(t, out.x - in.x, in.x), fma(t, out.y - in.y, in.y), fma(t, out.z - in.z, in.z), fma(t, out.w - in.w, in.w)};
}

// The part of a face that can be drawn (Sutherland and Hodgman 1974), in float64, because faces may be much larger than the
// image. Empty for faces of which nothing is left. The face is finite.
ESPALIER_DEVICE_CODE Polygon clipped(const Homogeneous& a, const Homogeneous& b, const Homogeneous& c, const Frame& frame) {
  Polygon result;
  result.count = 0;
  CutPoint from[kMaxPolygon] = {{a.x, a.y, a.z, a.w}, {b.x, b.y, b.z, b.w}, {c.x, c.y, c.z, c.w}};
  int count = 3;
  for (int plane = 0; plane < kPlanes; ++plane) {
    CutPoint to[kMaxPolygon];
    int kept = 0;
    for (int i = 0; i < count; ++i) {
      const CutPoint& p = from[i];
      const CutPoint& q = from[i + 1 == count ? 0 : i + 1];
      const double dp = plane_distance(plane, p, frame.near_z), dq = plane_distance(plane, q, frame.near_z);
      // Rounding can make a sliver cross a plane more than twice; what does not fit is less than a subpixel.
      if (dp >= 0.0 && kept < kMaxPolygon) to[kept++] = p;
      if ((dp >= 0.0) != (dq >= 0.0) && kept < kMaxPolygon) to[kept++] = dp >= 0.0 ? cut(p, q, dp, dq) : cut(q, p, dq, dp);
    }
    for (int i = 0; i < kept; ++i) from[i] = to[i];
    count = kept;
  }
  for (int i = 0; i < count; ++i) {
    const CutPoint& p = from[i];
    const double x = p.x / p.w, y = p.y / p.w;
    constexpr double kLimit = static_cast<double>(kGuard) * 1.01;  // cut points may lie a rounding outside
    if (!(p.w > 0.0) || !(fabs(x) <= kLimit) || !(fabs(y) <= kLimit)) return result;
    result.corner[i] = {{static_cast<float>(p.x), static_cast<float>(p.y), static_cast<float>(p.z), static_cast<float>(p.w)},
                        snapped(x, frame.width, frame),
                        snapped(y, frame.height, frame)};
  }
  result.count = count;
  return result;
}

// --- Pixels ---------------------------------------------------------------------------------------------------------

struct Weights {
  float b0, b1;
};

// Perspective-correct weights of the first two vertices at a point in pixels from the centre.
ESPALIER_DEVICE_CODE Weights weights_at(const Homogeneous v[3], float x, float y) {
  float px[3], py[3], area[3];
  for (int i = 0; i < 3; ++i) {
    px[i] = fmaf(-x, v[i].w, v[i].x);
    py[i] = fmaf(-y, v[i].w, v[i].y);
  }
  for (int i = 0; i < 3; ++i) {
    const int j = i == 2 ? 0 : i + 1, k = i == 0 ? 2 : i - 1;
    area[i] = difference_of_products(px[j], py[k], px[k], py[j]);
  }
  const float sum = area[0] + area[1] + area[2];
  const float b0 = area[0] / sum, b1 = area[1] / sum;
  if (!(fabsf(b0) <= 3e38F) || !(fabsf(b1) <= 3e38F)) return {1.0F / 3.0F, 1.0F / 3.0F};
  return {b0, b1};
}

// Into the triangle: for centres that rounding of the vertices has let in.
ESPALIER_DEVICE_CODE Weights clamped(const Weights& w) {
  const float b0 = w.b0 < 0.0F ? 0.0F : w.b0 > 1.0F ? 1.0F : w.b0;
  const float b1 = w.b1 < 0.0F ? 0.0F : w.b1 > 1.0F ? 1.0F : w.b1;
  const float sum = b0 + b1;
  return sum > 1.0F ? Weights{b0 / sum, b1 / sum} : Weights{b0, b1};
}

// Weights of the triangle's nearest point to (x, y), for w = 1, where `inside` are the weights at (x, y).
ESPALIER_DEVICE_CODE Weights nearest_weights(const Homogeneous v[3], const Weights& inside, float x, float y) {
  if (inside.b0 >= 0.0F && inside.b1 >= 0.0F && inside.b0 + inside.b1 <= 1.0F) return inside;
  float best = INFINITY;
  Weights result{};
  for (int i = 0; i < 3; ++i) {
    const int j = i == 2 ? 0 : i + 1;
    float t = 0.0F;
    const float distance = nearest_on_segment(v[i].x - x, v[i].y - y, v[j].x - x, v[j].y - y, t);
    if (distance < best) {
      best = distance;
      result = {i == 0 ? 1.0F - t : j == 0 ? t : 0.0F, i == 1 ? 1.0F - t : j == 1 ? t : 0.0F};
    }
  }
  return result;
}

struct ZeroRows {
  std::int32_t* out;
  std::int64_t width, stride;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const std::int64_t row = i / width;
    out[row * stride + i - row * width] = 0;
  }
};

enum class Output : std::uint8_t { camera, clip, texels };

// From the key of each pixel to its fragment.
struct ResolvePixels {
  const std::int64_t* keys;  // [H * W]
  const ScreenVertex* vertices;
  const std::int32_t* faces;
  Frame frame;
  Output output;
  std::int32_t* face;
  float* barycentric;  // may be null
  float* depth;        // may be null
  std::int64_t face_stride, barycentric_stride, depth_stride;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const std::int64_t row = i / frame.width, column = i - row * frame.width;
    const std::int64_t key = keys[i];
    const bool empty = key == kEmptyKey;
    const std::int32_t f = face_of(key);
    face[row * face_stride + column] = empty ? 0 : f + 1;
    Weights w{};
    float d = 0.0F;
    if (!empty && (barycentric != nullptr || depth != nullptr)) {
      Homogeneous v[3];
      for (int k = 0; k < 3; ++k) v[k] = vertices[faces[static_cast<std::int64_t>(f) * 3 + k]].p;
      const float x = static_cast<float>(2 * column + 1 - frame.width) * 0.5F;
      const float y = static_cast<float>(2 * row + 1 - frame.height) * 0.5F;
      const Weights exact = weights_at(v, x, y);
      w = output == Output::texels ? nearest_weights(v, exact, x, y) : clamped(exact);
      // In clip space the plane's own depth at the centre, as the reference gives it; a camera's is that of the point with
      // the weights.
      const Weights& at = output == Output::clip ? exact : w;
      const float b2 = 1.0F - at.b0 - at.b1;
      const float depth_w = fmaf(b2, v[2].w, fmaf(at.b1, v[1].w, at.b0 * v[0].w));
      const float depth_z = fmaf(b2, v[2].z, fmaf(at.b1, v[1].z, at.b0 * v[0].z));
      d = output == Output::camera ? depth_w : output == Output::clip ? depth_z / depth_w : 0.0F;
    }
    if (barycentric != nullptr) {
      barycentric[row * barycentric_stride + 2 * column] = w.b0;
      barycentric[row * barycentric_stride + 2 * column + 1] = w.b1;
    }
    if (depth != nullptr) depth[row * depth_stride + column] = d;
  }
};

struct Interpolate {
  const std::int32_t* face;
  const float* barycentric;
  const std::int32_t* faces;
  const float* attributes;  // [V, channels]
  float* out;               // [H, W, channels]
  std::int64_t width, channels;
  std::int64_t face_stride, barycentric_stride, attribute_stride, out_stride;

  ESPALIER_DEVICE_CODE void operator()(std::int64_t i) const {
    const std::int64_t row = i / width, column = i - row * width;
    const std::int32_t f = face[row * face_stride + column];
    float* to = out + row * out_stride + column * channels;
    if (f == 0) {
      for (std::int64_t c = 0; c < channels; ++c) to[c] = 0.0F;
      return;
    }
    const float b0 = barycentric[row * barycentric_stride + 2 * column];
    const float b1 = barycentric[row * barycentric_stride + 2 * column + 1];
    const float* v[3];
    for (int k = 0; k < 3; ++k) v[k] = attributes + faces[static_cast<std::int64_t>(f - 1) * 3 + k] * attribute_stride;
    for (std::int64_t c = 0; c < channels; ++c) {
      to[c] = fmaf(b0, v[0][c] - v[2][c], fmaf(b1, v[1][c] - v[2][c], v[2][c]));
    }
  }
};

}  // namespace espalier::raster
