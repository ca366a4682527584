// One face to pixels, in a single thread: what the CPU does with every face.
#pragma once

#include <algorithm>

#include "render/raster/camera.h"
#include "render/raster/raster_steps.h"

namespace espalier::raster {

[[nodiscard]] CameraStep camera_step(const Camera& camera, const Frame& frame);

// A mesh on the screen.
struct Scene {
  const ScreenVertex* vertices = nullptr;
  const std::int32_t* faces = nullptr;  // [F * 3]
  std::int64_t face_count = 0;
  Frame frame;
  float margin = -1.0F;  // pixels around the faces that take part, or negative for exact coverage
};

[[nodiscard]] ESPALIER_DEVICE_CODE std::int32_t margin_subpixels(float margin) {
  return margin < 0.0F ? 0 : static_cast<std::int32_t>(ceilf(margin * static_cast<float>(kSubpixels)));
}

namespace detail {

// Columns [begin, end) of a row in which right * k + first is not negative, as part of [begin, end).
inline void narrow(std::int64_t right, std::int64_t first, std::int64_t& begin, std::int64_t& end) {
  if (right == 0) {
    if (first < 0) end = begin;
  } else if (right > 0) {
    if (first < 0) begin = std::max(begin, (-first + right - 1) / right);
  } else {
    end = first < 0 ? begin : std::min(end, first / -right + 1);
  }
}

template <class Int, class Pixel>
void fill_box(const Triangle& t, const Bounds& b, const Pixel& pixel) {
  const Edges<Int> edges(t, b.x0, b.y0);
  for (std::int32_t y = b.y0; y < b.y1; ++y) {
    Int e0 = edges.at(0, b.x0, y), e1 = edges.at(1, b.x0, y), e2 = edges.at(2, b.x0, y);
    for (std::int32_t x = b.x0; x < b.x1; ++x) {
      if ((e0 | e1 | e2) >= 0) pixel(x, y, edges.depth(e0, e1));
      e0 += edges.right[0];
      e1 += edges.right[1];
      e2 += edges.right[2];
    }
  }
}

template <class Pixel>
void fill_spans(const Triangle& t, const Bounds& b, const Pixel& pixel) {
  const Edges<std::int64_t> edges(t, b.x0, b.y0);
  for (std::int32_t y = b.y0; y < b.y1; ++y) {
    const std::int64_t row[3] = {edges.at(0, b.x0, y), edges.at(1, b.x0, y), edges.at(2, b.x0, y)};
    std::int64_t begin = 0, end = b.x1 - b.x0;
    for (int i = 0; i < 3; ++i) narrow(edges.right[i], row[i], begin, end);
    for (std::int64_t k = begin; k < end; ++k) {
      pixel(b.x0 + static_cast<std::int32_t>(k), y, edges.depth(row[0] + k * edges.right[0], row[1] + k * edges.right[1]));
    }
  }
}

template <class Pixel>
void fill_near(const Triangle& t, const Bounds& b, float margin, const Pixel& pixel) {
  const NearTriangle near(t, b.x0, b.y0, margin);
  for (std::int32_t y = b.y0; y < b.y1; ++y) {
    for (std::int32_t x = b.x0; x < b.x1; ++x) {
      float d = 0.0F;
      if (near.covers(x, y, d)) pixel(x, y, d);
    }
  }
}

template <class Pixel>
void fill(const ScreenVertex& a, const ScreenVertex& b, const ScreenVertex& c, const Scene& scene, std::int32_t row_begin,
          std::int32_t row_end, const Pixel& pixel) {
  const Bounds bounds = pixel_bounds(a, b, c, scene.frame.width, row_begin, row_end, margin_subpixels(scene.margin));
  Triangle t;
  if (bounds.empty() || !make_triangle(a, b, c, t)) return;
  if (scene.margin >= 0.0F) {
    fill_near(t, bounds, scene.margin, pixel);
  } else if (is_small(t)) {
    fill_box<std::int32_t>(t, bounds, pixel);
  } else {
    fill_spans(t, bounds, pixel);
  }
}

}  // namespace detail

// Calls pixel(x, y, z / w) for every pixel of a face in rows [row_begin, row_end).
template <class Pixel>
void draw_face(const Scene& scene, std::int64_t face, std::int32_t row_begin, std::int32_t row_end, const Pixel& pixel) {
  const std::int32_t* corners = scene.faces + face * 3;
  const ScreenVertex& a = scene.vertices[corners[0]];
  const ScreenVertex& b = scene.vertices[corners[1]];
  const ScreenVertex& c = scene.vertices[corners[2]];
  if (drawable(a, b, c)) {
    detail::fill(a, b, c, scene, row_begin, row_end, pixel);
    return;
  }
  if (outside(a.p, b.p, c.p, scene.frame)) return;
  const Polygon polygon = clipped(a.p, b.p, c.p, scene.frame);
  for (int i = 2; i < polygon.count; ++i) {
    detail::fill(polygon.corner[0], polygon.corner[i - 1], polygon.corner[i], scene, row_begin, row_end, pixel);
  }
}

// Rows [begin, end) that a face can reach; all of them for a face that has to be clipped.
struct RowRange {
  std::uint16_t begin = 0, end = 0;
};
inline RowRange rows_of(const Scene& scene, std::int64_t face) {
  const std::int32_t* corners = scene.faces + face * 3;
  const ScreenVertex& a = scene.vertices[corners[0]];
  const ScreenVertex& b = scene.vertices[corners[1]];
  const ScreenVertex& c = scene.vertices[corners[2]];
  if (!drawable(a, b, c) && outside(a.p, b.p, c.p, scene.frame)) return {};
  if (!drawable(a, b, c)) return {0, static_cast<std::uint16_t>(scene.frame.height)};
  const Bounds bounds = pixel_bounds(a, b, c, scene.frame.width, 0, scene.frame.height, margin_subpixels(scene.margin));
  if (bounds.empty()) return {};
  return {static_cast<std::uint16_t>(bounds.y0), static_cast<std::uint16_t>(bounds.y1)};
}

}  // namespace espalier::raster
