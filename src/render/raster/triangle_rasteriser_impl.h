// TriangleRasteriser's members, shared by the back ends. A back end specialises raster::Backend:
//
//   Workspace                                                                    what drawing keeps between calls
//   static void clear(Queue&, std::int64_t* keys, std::int64_t n);               all keys empty
//   static void draw_keys(Queue&, Workspace&, const Scene&, std::int64_t* keys); lowers keys [H * W] to those drawn
//   static void draw_counts(Queue&, Workspace&, const Scene&, std::int32_t* counts, std::int64_t stride);  adds 1 per hit
#pragma once

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "parallel/for_each.h"
#include "render/raster/raster_draw.h"
#include "render/raster/triangle_rasteriser.h"
#include "runtime/array.h"

namespace espalier {

namespace raster {

template <class Dev>
struct Backend;

// Throws invalid_argument, naming the face, for an index outside of the vertices.
void check_faces(const Mesh& mesh);
// Throws invalid_argument for sides that are not in [1, kMaxRasterSide].
void check_sides(const char* where, std::int64_t height, std::int64_t width);

}  // namespace raster

template <class Dev>
struct TriangleRasteriser<Dev>::State {
  using Backend = raster::Backend<Dev>;

  State(Queue<Dev>& q, const Mesh& mesh) : queue(q), vertex_count(mesh.vertex_count()), face_count(mesh.face_count()) {
    raster::check_faces(mesh);
    vertices = {queue, mesh.vertices, "vertices of a mesh to draw"};
    faces = {queue, mesh.faces, "faces of a mesh to draw"};
    if (!mesh.uvs.empty()) {
      require(mesh.uvs.size() / 2 * 3 == mesh.vertices.size(), "TriangleRasteriser", "texture coordinates of ",
              mesh.uvs.size() / 2, " vertices, but the mesh has ", vertex_count);
      uvs = {queue, mesh.uvs, "texture coordinates of a mesh to draw"};
      has_uvs = true;
    }
  }

  template <class Source>
  raster::Scene project(const raster::Frame& frame, const Source& source, const float* positions, std::int64_t stride) {
    raster::ScreenVertex* const out = screen.resize(queue, vertex_count, "vertices on the screen");
    for_each(queue, "TriangleRasteriser", vertex_count, raster::ProjectVertices<Source>{source, positions, stride, frame, out});
    return {out, faces.data(), face_count, frame};
  }
  raster::Scene camera_scene(const Camera& camera, const raster::Frame& frame) {
    return project(frame, raster::camera_step(camera, frame), vertices.data(), 3);
  }
  raster::Scene texel_scene(const raster::Frame& frame) {
    if (!has_uvs) {
      fail(ErrorCode::invalid_argument, "the mesh has no texture coordinates", hint("unwrap it first"));
    }
    return project(frame, raster::TexelStep{static_cast<float>(frame.width), static_cast<float>(frame.height)}, uvs.data(), 2);
  }

  void fragments(const raster::Scene& scene, raster::Output output, const Fragments<Dev>& out) {
    const std::int64_t pixels = std::int64_t{scene.frame.width} * scene.frame.height;
    std::int64_t* const key = keys.resize(queue, pixels, "a depth buffer");
    Backend::clear(queue, key, pixels);
    Backend::draw_keys(queue, workspace, scene, key);
    for_each(queue, "TriangleRasteriser", pixels,
             raster::ResolvePixels{key, scene.vertices, scene.faces, scene.frame, output, out.face.data(),
                                   out.barycentric.data(), out.depth.data(), out.face.outer_stride(),
                                   out.barycentric.outer_stride(), out.depth.outer_stride()});
  }
  void counts(const raster::Scene& scene, View<Dev, std::int32_t, 2> out) {
    for_each(queue, "TriangleRasteriser", out.size(), raster::ZeroRows{out.data(), out.extent(1), out.outer_stride()});
    Backend::draw_counts(queue, workspace, scene, out.data(), out.outer_stride());
  }

  Queue<Dev>& queue;
  std::int64_t vertex_count, face_count;
  bool has_uvs = false;
  Array<Dev, float> vertices, uvs;
  Array<Dev, std::int32_t> faces;
  Array<Dev, raster::ScreenVertex> screen;
  Array<Dev, std::int64_t> keys;
  typename Backend::Workspace workspace;
};

namespace raster {

// The frame of images of out's size. Throws where the views do not fit together.
template <class Dev>
Frame frame_of(const char* where, View<Dev, std::int32_t, 2> face, float near_z) {
  check_sides(where, face.extent(0), face.extent(1));
  return {static_cast<std::int32_t>(face.extent(1)), static_cast<std::int32_t>(face.extent(0)), near_z};
}
template <class Dev>
Frame frame_of(const char* where, const Fragments<Dev>& out, float near_z) {
  const auto fits = [&](const auto& view) {
    return view.empty() || (view.extent(0) == out.face.extent(0) && view.extent(1) == out.face.extent(1));
  };
  require(fits(out.barycentric) && fits(out.depth) && (out.barycentric.empty() || out.barycentric.extent(2) == 2), where,
          "images of different sizes");
  return frame_of(where, out.face, near_z);
}

}  // namespace raster

template <class Dev>
TriangleRasteriser<Dev>::TriangleRasteriser(Queue<Dev>& queue, const Mesh& mesh)
    : state_(std::make_unique<State>(queue, mesh)) {}
template <class Dev>
TriangleRasteriser<Dev>::~TriangleRasteriser() = default;
template <class Dev>
TriangleRasteriser<Dev>::TriangleRasteriser(TriangleRasteriser&&) noexcept = default;
template <class Dev>
TriangleRasteriser<Dev>& TriangleRasteriser<Dev>::operator=(TriangleRasteriser&&) noexcept = default;

template <class Dev>
void TriangleRasteriser<Dev>::render(const Camera& camera, const Fragments<Dev>& out) {
  const raster::Frame frame = raster::frame_of("TriangleRasteriser::render", out, kNearPlane);
  state_->fragments(state_->camera_scene(camera, frame), raster::Output::camera, out);
}

template <class Dev>
void TriangleRasteriser<Dev>::render_clip(In<Dev, float, 2> positions, const Fragments<Dev>& out, int steps) {
  constexpr const char* kWhere = "TriangleRasteriser::render_clip";
  raster::Frame frame = raster::frame_of(kWhere, out, 1.0F);
  require(steps >= 1 && steps <= raster::kSubpixels && raster::kSubpixels % steps == 0, kWhere, "1 / ", steps, " pixel");
  frame.steps = steps;
  require(positions.extent(0) == state_->vertex_count && (state_->vertex_count == 0 || positions.extent(1) == 4), kWhere,
          "positions are not [V, 4]");
  const raster::ClipStep source{0.5F * static_cast<float>(frame.width), 0.5F * static_cast<float>(frame.height)};
  state_->fragments(state_->project(frame, source, positions.data(), positions.outer_stride()), raster::Output::clip, out);
}

template <class Dev>
void TriangleRasteriser<Dev>::render_texels(const Fragments<Dev>& out, float margin) {
  constexpr float kMaxMargin = 1024.0F;
  constexpr const char* kWhere = "TriangleRasteriser::render_texels";
  require(margin >= 0.0F && margin <= kMaxMargin, kWhere, "a margin of ", margin, " texels");
  raster::Scene scene = state_->texel_scene(raster::frame_of(kWhere, out, 1.0F));
  if (margin > 0.0F) scene.margin = margin;
  state_->fragments(scene, raster::Output::texels, out);
}

template <class Dev>
void TriangleRasteriser<Dev>::count_layers(const Camera& camera, View<Dev, std::int32_t, 2> out) {
  state_->counts(state_->camera_scene(camera, raster::frame_of("TriangleRasteriser::count_layers", out, kNearPlane)), out);
}

template <class Dev>
void TriangleRasteriser<Dev>::count_texels(View<Dev, std::int32_t, 2> out) {
  state_->counts(state_->texel_scene(raster::frame_of("TriangleRasteriser::count_texels", out, 1.0F)), out);
}

template <class Dev>
void TriangleRasteriser<Dev>::interpolate(const Fragments<Dev>& fragments, In<Dev, float, 2> attributes,
                                          View<Dev, float, 3> out) {
  constexpr const char* kWhere = "TriangleRasteriser::interpolate";
  const raster::Frame frame = raster::frame_of(kWhere, fragments, 1.0F);
  require(attributes.extent(0) == state_->vertex_count, kWhere, attributes.extent(0), " attributes for ", state_->vertex_count,
          " vertices");
  require(!fragments.barycentric.empty() && out.extent(0) == frame.height && out.extent(1) == frame.width &&
              (state_->vertex_count == 0 || out.extent(2) == attributes.extent(1)),
          kWhere, "images of different sizes");
  for_each(state_->queue, kWhere, std::int64_t{frame.width} * frame.height,
           raster::Interpolate{fragments.face.data(), fragments.barycentric.data(), state_->faces.data(), attributes.data(),
                               out.data(), frame.width, out.extent(2), fragments.face.outer_stride(),
                               fragments.barycentric.outer_stride(), attributes.outer_stride(), out.outer_stride()});
}

}  // namespace espalier
