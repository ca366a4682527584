// Triangles on the GPU. The depth buffer holds 64-bit keys of depth and face; fragments lower them by atomicMin on
// integers, whose result does not depend on their order. Faces with few pixels, which is most of them, are drawn by one
// thread each; wider ones are listed and drawn by a warp each; the widest, and those that have to be clipped, by all
// blocks, tile by tile (after Laine and Karras 2011, who also part triangles by size).
#include "parallel/cuda/for_each.cuh"
#include "render/raster/triangle_rasteriser.h"
#include "render/raster/triangle_rasteriser_impl.h"

namespace espalier {

namespace raster {

namespace {

constexpr int kThreads = 256;
constexpr std::int32_t kThreadPixels = 48;     // of a box that one thread walks through
constexpr std::int32_t kWarpPixels = 1 << 14;  // of a box that one warp walks through
constexpr std::int32_t kTile = 16;             // side of what a block draws at once; kTile^2 threads

// Views of one mesh that are drawn together; each has its own vertices, list and output.
struct Batch {
  const ScreenVertex* vertices;  // [views, V]
  const std::int32_t* faces;
  std::int64_t vertex_count, face_count;
  Frame frame;
  float margin;          // negative for exact coverage
  std::int32_t* list;    // [views, F] from the front faces for warps, from the back faces for all blocks
  std::int32_t* counts;  // [views, 2] of both
};

struct KeySink {
  std::int64_t* keys;
  std::int64_t stride, view_stride;

  __device__ void operator()(unsigned view, std::int32_t x, std::int32_t y, float d, std::int32_t face) const {
    std::int64_t* at = keys + view * view_stride + y * stride + x;
    const std::int64_t key = key_of(d, face);
    // Keys only ever fall: one that is not lower than an older value is not lower than the present one either.
    if (key < __ldcg(at)) atomicMin(reinterpret_cast<long long*>(at), static_cast<long long>(key));
  }
};

struct CountSink {
  std::int32_t* counts;
  std::int64_t stride;

  __device__ void operator()(unsigned /*view*/, std::int32_t x, std::int32_t y, float /*d*/, std::int32_t /*face*/) const {
    atomicAdd(counts + y * stride + x, 1);
  }
};

struct Corners {
  ScreenVertex a, b, c;
};
__device__ Corners corners_of(const Batch& batch, unsigned view, std::int64_t face) {
  const ScreenVertex* vertices = batch.vertices + view * batch.vertex_count;
  const std::int32_t* at = batch.faces + face * 3;
  return {vertices[at[0]], vertices[at[1]], vertices[at[2]]};
}

template <class Shape, class Sink>
__device__ void walk(const Shape& shape, const Bounds& box, unsigned view, std::int32_t face, const Sink& sink) {
  for (std::int32_t y = box.y0; y < box.y1; ++y) {
    for (std::int32_t x = box.x0; x < box.x1; ++x) {
      float d = 0.0F;
      if (shape.covers(x, y, d)) sink(view, x, y, d, face);
    }
  }
}

// By a warp: 8 x 4 pixels at a time.
template <class Shape, class Sink>
__device__ void walk_by_warp(const Shape& shape, const Bounds& box, unsigned view, std::int32_t face, const Sink& sink) {
  const auto lane = static_cast<std::int32_t>(threadIdx.x % 32);
  for (std::int32_t y = box.y0 + lane / 8; y < box.y1; y += 4) {
    for (std::int32_t x = box.x0 + lane % 8; x < box.x1; x += 8) {
      float d = 0.0F;
      if (shape.covers(x, y, d)) sink(view, x, y, d, face);
    }
  }
}

// By all blocks of a row of the grid: a tile each at a time.
template <class Shape, class Sink>
__device__ void walk_by_grid(const Shape& shape, const Bounds& box, unsigned view, std::int32_t face, const Sink& sink) {
  const std::int32_t across = (box.x1 - box.x0 + kTile - 1) / kTile;
  const std::int32_t tiles = across * ((box.y1 - box.y0 + kTile - 1) / kTile);
  for (auto tile = static_cast<std::int32_t>(blockIdx.x); tile < tiles; tile += static_cast<std::int32_t>(gridDim.x)) {
    const std::int32_t x = box.x0 + tile % across * kTile + static_cast<std::int32_t>(threadIdx.x) % kTile;
    const std::int32_t y = box.y0 + tile / across * kTile + static_cast<std::int32_t>(threadIdx.x) / kTile;
    float d = 0.0F;
    if (x < box.x1 && y < box.y1 && shape.covers(x, y, d)) sink(view, x, y, d, face);
  }
}

template <bool Near, class Sink>
__global__ void __launch_bounds__(kThreads) draw_narrow(Batch batch, Sink sink) {
  const unsigned view = blockIdx.y;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  std::int32_t* list = batch.list + view * batch.face_count;
  for (std::int64_t f = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; f < batch.face_count; f += step) {
    const Corners v = corners_of(batch, view, f);
    const auto face = static_cast<std::int32_t>(f);
    if (!drawable(v.a, v.b, v.c)) {
      if (!outside(v.a.p, v.b.p, v.c.p, batch.frame)) {
        list[batch.face_count - 1 - atomicAdd(batch.counts + 2 * view + 1, 1)] = face;
      }
      continue;
    }
    const Bounds box =
        pixel_bounds(v.a, v.b, v.c, batch.frame.width, 0, batch.frame.height, Near ? margin_subpixels(batch.margin) : 0);
    if (box.empty()) continue;
    const std::int32_t pixels = (box.x1 - box.x0) * (box.y1 - box.y0);
    if (pixels > kWarpPixels) {
      list[batch.face_count - 1 - atomicAdd(batch.counts + 2 * view + 1, 1)] = face;
    } else if (pixels > kThreadPixels) {
      list[atomicAdd(batch.counts + 2 * view, 1)] = face;
    } else {
      Triangle t;
      if (!make_triangle(v.a, v.b, v.c, t)) continue;
      if constexpr (Near) {
        walk(NearTriangle(t, box.x0, box.y0, batch.margin), box, view, face, sink);
      } else if (is_small(t)) {
        walk(Edges<std::int32_t>(t, box.x0, box.y0), box, view, face, sink);
      } else {
        walk(Edges<std::int64_t>(t, box.x0, box.y0), box, view, face, sink);
      }
    }
  }
}

template <bool Near, class Sink>
__global__ void __launch_bounds__(kThreads) draw_wide(Batch batch, Sink sink) {
  const unsigned view = blockIdx.y;
  const std::int32_t* list = batch.list + view * batch.face_count;
  const std::int32_t margin = Near ? margin_subpixels(batch.margin) : 0;
  const auto warps = static_cast<std::int32_t>(gridDim.x * (kThreads / 32));
  const std::int32_t for_warps = batch.counts[2 * view], for_grid = batch.counts[2 * view + 1];
  for (auto i = static_cast<std::int32_t>(blockIdx.x * (kThreads / 32) + threadIdx.x / 32); i < for_warps; i += warps) {
    const std::int32_t face = list[i];
    const Corners v = corners_of(batch, view, face);
    const Bounds box = pixel_bounds(v.a, v.b, v.c, batch.frame.width, 0, batch.frame.height, margin);
    Triangle t;
    if (!make_triangle(v.a, v.b, v.c, t)) continue;
    if constexpr (Near) {
      walk_by_warp(NearTriangle(t, box.x0, box.y0, batch.margin), box, view, face, sink);
    } else {
      walk_by_warp(Edges<std::int64_t>(t, box.x0, box.y0), box, view, face, sink);
    }
  }
  __shared__ Polygon polygon;
  for (std::int32_t i = 0; i < for_grid; ++i) {
    const std::int32_t face = list[batch.face_count - 1 - i];
    __syncthreads();
    if (threadIdx.x == 0) {
      const Corners v = corners_of(batch, view, face);
      if (drawable(v.a, v.b, v.c)) {
        polygon.corner[0] = v.a;
        polygon.corner[1] = v.b;
        polygon.corner[2] = v.c;
        polygon.count = 3;
      } else {
        polygon = clipped(v.a.p, v.b.p, v.c.p, batch.frame);
      }
    }
    __syncthreads();
    for (int k = 2; k < polygon.count; ++k) {
      const ScreenVertex &a = polygon.corner[0], &b = polygon.corner[k - 1], &c = polygon.corner[k];
      const Bounds box = pixel_bounds(a, b, c, batch.frame.width, 0, batch.frame.height, margin);
      Triangle t;
      if (box.empty() || !make_triangle(a, b, c, t)) continue;
      if constexpr (Near) {
        walk_by_grid(NearTriangle(t, box.x0, box.y0, batch.margin), box, view, face, sink);
      } else {
        walk_by_grid(Edges<std::int64_t>(t, box.x0, box.y0), box, view, face, sink);
      }
    }
  }
}

// Draws all views of the batch. The counts are zero before.
template <class Sink>
void draw(Queue<Cuda>& queue, const char* where, const Batch& batch, int views, const Sink& sink) {
  if (batch.face_count == 0) return;
  const auto rows = static_cast<unsigned>(views);
  const dim3 narrow(cuda::striding_blocks(queue, batch.face_count, kThreads), rows);
  const dim3 wide(static_cast<unsigned>(queue.native().properties.multiProcessorCount) * 2, rows);
  if (batch.margin >= 0.0F) {
    cuda::launch(queue, where, draw_narrow<true, Sink>, narrow, dim3(kThreads), 0, batch, sink);
    cuda::launch(queue, where, draw_wide<true, Sink>, wide, dim3(kThreads), 0, batch, sink);
  } else {
    cuda::launch(queue, where, draw_narrow<false, Sink>, narrow, dim3(kThreads), 0, batch, sink);
    cuda::launch(queue, where, draw_wide<false, Sink>, wide, dim3(kThreads), 0, batch, sink);
  }
}

void clear_keys(Queue<Cuda>& queue, std::int64_t* keys, std::int64_t n) {
  const cudaStream_t stream = cuda::activate(queue);
  ESPALIER_CHECK_CUDA(cudaMemsetAsync(keys, kEmptyByte, static_cast<std::size_t>(n) * sizeof(std::int64_t), stream));
}

}  // namespace

template <>
struct Backend<Cuda> {
  // The list of wide faces behind its two counts.
  using Workspace = Array<Cuda, std::int32_t>;

  static void clear(Queue<Cuda>& queue, std::int64_t* keys, std::int64_t n) { clear_keys(queue, keys, n); }
  static void draw_keys(Queue<Cuda>& queue, Workspace& memory, const Scene& scene, std::int64_t* keys) {
    draw(queue, "TriangleRasteriser", batch_of(queue, memory, scene), 1, KeySink{keys, scene.frame.width, 0});
  }
  static void draw_counts(Queue<Cuda>& queue, Workspace& memory, const Scene& scene, std::int32_t* counts,
                          std::int64_t stride) {
    draw(queue, "TriangleRasteriser", batch_of(queue, memory, scene), 1, CountSink{counts, stride});
  }

 private:
  static Batch batch_of(Queue<Cuda>& queue, Workspace& memory, const Scene& scene) {
    std::int32_t* const counts = memory.resize(queue, scene.face_count + 2, "a list of faces");
    zero_bytes(queue, counts, 2 * sizeof(std::int32_t));
    return {scene.vertices, scene.faces, 0, scene.face_count, scene.frame, scene.margin, counts + 2, counts};
  }
};

namespace {

// --- Visibility -----------------------------------------------------------------------------------------------------

constexpr int kMostViews = 16;                              // drawn together
constexpr std::int64_t kKeyBytes = std::int64_t{32} << 20;  // of their depth buffers: they should stay in the GPU's cache
constexpr int kViewsBetweenChecks = 16;

struct CameraBatch {
  CameraStep camera[kMostViews];
};

__global__ void __launch_bounds__(kThreads)
    project_views(CameraBatch cameras, const float* vertices, std::int64_t n, Frame frame, ScreenVertex* out) {
  const unsigned view = blockIdx.y;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  const ProjectVertices<CameraStep> project{cameras.camera[view], vertices, 3, frame, out + view * n};
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < n; i += step) project(i);
}

// Counts every face that a view shows once for it, and empties the depth buffers and lists for the next views.
__global__ void __launch_bounds__(kThreads)
    count_seen(std::int64_t* keys, std::int64_t pixels, std::int64_t faces, std::int32_t first_view, std::int32_t* last_seen,
               std::int32_t* list_counts, std::int32_t* seen) {
  const unsigned view = blockIdx.y;
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  const std::int32_t stamp = first_view + static_cast<std::int32_t>(view) + 1;
  std::int64_t* at = keys + view * pixels;
  std::int32_t* last = last_seen + view * faces;
  if (blockIdx.x == 0 && threadIdx.x < 2) list_counts[2 * view + threadIdx.x] = 0;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < pixels; i += step) {
    const std::int64_t key = at[i];
    if (key == kEmptyKey) continue;
    at[i] = kEmptyKey;
    const std::int32_t face = face_of(key);
    if (last[face] != stamp && atomicExch(last + face, stamp) != stamp) atomicAdd(seen + face, 1);
  }
}

}  // namespace
}  // namespace raster

template class TriangleRasteriser<Cuda>;

template <class Dev>
std::vector<std::int32_t> face_visibility(Queue<Dev>& queue, const Mesh& mesh, std::span<const Camera> cameras, int size,
                                          const Monitor* monitor) {
  constexpr const char* kWhere = "face_visibility";
  raster::check_faces(mesh);
  raster::check_sides(kWhere, size, size);
  const std::int64_t faces = mesh.face_count(), vertices = mesh.vertex_count(), pixels = std::int64_t{size} * size;
  const auto total = static_cast<int>(cameras.size());
  std::vector<std::int32_t> counts(static_cast<std::size_t>(faces));
  if (faces == 0 || total == 0) return counts;

  const auto fitting = raster::kKeyBytes / (pixels * static_cast<std::int64_t>(sizeof(std::int64_t)));
  const auto together = static_cast<int>(std::clamp<std::int64_t>(fitting, 1, std::min(raster::kMostViews, total)));
  const Array<Dev, float> positions(queue, mesh.vertices, "vertices of a mesh to look at");
  const Array<Dev, std::int32_t> corners(queue, mesh.faces, "faces of a mesh to look at");
  const Array<Dev, raster::ScreenVertex> screen(queue, vertices * together, "vertices on the screen");
  const Array<Dev, std::int64_t> keys(queue, pixels * together, "depth buffers");
  const Array<Dev, std::int32_t> lists(queue, faces * together, "lists of faces");
  const Array<Dev, std::int32_t> list_counts(queue, std::int64_t{2} * together, "lengths of lists of faces");
  const Array<Dev, std::int32_t> last_seen(queue, faces * together, "faces seen last");
  const Array<Dev, std::int32_t> seen(queue, faces, "counts of faces");
  raster::clear_keys(queue, keys.data(), keys.size());
  for (const auto* array : {&list_counts, &last_seen, &seen}) array->zero(queue);

  const raster::Frame frame{size, size, kNearPlane};
  const raster::Batch batch{screen.data(), corners.data(), vertices, faces, frame, -1.0F, lists.data(), list_counts.data()};
  const auto blocks = [&](std::int64_t n) { return cuda::striding_blocks(queue, n, raster::kThreads); };
  for (int begin = 0; begin < total; begin += together) {
    const int views = std::min(together, total - begin);
    const auto rows = static_cast<unsigned>(views);
    raster::CameraBatch step{};
    for (int i = 0; i < views; ++i) step.camera[i] = raster::camera_step(cameras[static_cast<std::size_t>(begin + i)], frame);
    cuda::launch(queue, kWhere, raster::project_views, dim3(blocks(vertices), rows), dim3(raster::kThreads), 0, step,
                 positions.data(), vertices, frame, screen.data());
    raster::draw(queue, kWhere, batch, views, raster::KeySink{keys.data(), size, pixels});
    cuda::launch(queue, kWhere, raster::count_seen, dim3(blocks(pixels), rows), dim3(raster::kThreads), 0, keys.data(), pixels,
                 faces, begin, last_seen.data(), list_counts.data(), seen.data());
    const bool last = begin + views == total;
    if (monitor != nullptr && (last || begin / raster::kViewsBetweenChecks != (begin + views) / raster::kViewsBetweenChecks)) {
      queue.synchronize();
      monitor->check();
      monitor->progress(begin + views, total);
    }
  }
  return seen.host(queue);
}
template std::vector<std::int32_t> face_visibility(Queue<Cuda>&, const Mesh&, std::span<const Camera>, int, const Monitor*);

}  // namespace espalier
