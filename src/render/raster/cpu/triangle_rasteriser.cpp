#include "render/raster/triangle_rasteriser.h"

#include <atomic>
#include <numeric>

#include "parallel/parallel_for.h"
#include "render/raster/triangle_rasteriser_impl.h"

namespace espalier {

namespace raster {

namespace {

// Calls draw(face, row_begin, row_end) for every face and every band of rows that it can reach; bands run in parallel.
template <class Draw>
void for_bands(const Scene& scene, std::vector<RowRange>& rows, const Draw& draw) {
  constexpr std::int64_t kGrain = 4096;
  constexpr std::int64_t kLeastRows = 8;
  const std::int64_t height = scene.frame.height;
  rows.resize(static_cast<std::size_t>(scene.face_count));
  parallel_for(scene.face_count, kGrain, [&](std::int64_t f) { rows[static_cast<std::size_t>(f)] = rows_of(scene, f); });
  const std::int64_t band = std::max(kLeastRows, (height + worker_count() * 4 - 1) / (worker_count() * 4));
  parallel_for((height + band - 1) / band, 1, [&](std::int64_t i) {
    const auto begin = static_cast<std::int32_t>(i * band);
    const auto end = static_cast<std::int32_t>(std::min(height, (i + 1) * band));
    for (std::int64_t f = 0; f < scene.face_count; ++f) {
      const RowRange& r = rows[static_cast<std::size_t>(f)];
      if (r.begin < end && r.end > begin) draw(f, begin, end);
    }
  });
}

struct DrawKeys {
  const Scene& scene;
  std::int64_t* keys;

  void operator()(std::int64_t face, std::int32_t row_begin, std::int32_t row_end) const {
    const auto index = static_cast<std::int32_t>(face);
    draw_face(scene, face, row_begin, row_end, [&](std::int32_t x, std::int32_t y, float d) {
      std::int64_t& at = keys[std::int64_t{y} * scene.frame.width + x];
      at = std::min(at, key_of(d, index));
    });
  }
};

}  // namespace

template <>
struct Backend<Cpu> {
  using Workspace = std::vector<RowRange>;

  static void clear(Queue<Cpu>& /*queue*/, std::int64_t* keys, std::int64_t n) {
    parallel_ranges(n, 65536, [&](std::int64_t begin, std::int64_t end) { std::fill(keys + begin, keys + end, kEmptyKey); });
  }
  static void draw_keys(Queue<Cpu>& /*queue*/, Workspace& rows, const Scene& scene, std::int64_t* keys) {
    for_bands(scene, rows, DrawKeys{scene, keys});
  }
  static void draw_counts(Queue<Cpu>& /*queue*/, Workspace& rows, const Scene& scene, std::int32_t* counts,
                          std::int64_t stride) {
    for_bands(scene, rows, [&](std::int64_t face, std::int32_t row_begin, std::int32_t row_end) {
      draw_face(scene, face, row_begin, row_end,
                [&](std::int32_t x, std::int32_t y, float /*d*/) { ++counts[y * stride + x]; });
    });
  }
};

namespace {

// Draws whole views in one thread.
class ViewCounter {
 public:
  static std::int64_t bytes(const Mesh& mesh, int size) {
    return mesh.vertex_count() * std::int64_t{sizeof(ScreenVertex)} +
           std::int64_t{size} * size * std::int64_t{sizeof(std::int64_t)} +
           mesh.face_count() * std::int64_t{sizeof(std::int32_t)};
  }
  ViewCounter(const Mesh& mesh, int size)
      : mesh_(mesh),
        frame_{size, size, kNearPlane},
        screen_(static_cast<std::size_t>(mesh.vertex_count())),
        keys_(static_cast<std::size_t>(size) * static_cast<std::size_t>(size)),
        last_seen_(static_cast<std::size_t>(mesh.face_count()), -1) {}

  // Adds 1 to the count of every face that the camera sees. Counters of other threads may do so at the same time.
  void add(const Camera& camera, std::int32_t view, std::vector<std::int32_t>& counts) {
    const ProjectVertices<CameraStep> project{camera_step(camera, frame_), mesh_.vertices.data(), 3, frame_, screen_.data()};
    for (std::int64_t i = 0; i < mesh_.vertex_count(); ++i) project(i);
    std::fill(keys_.begin(), keys_.end(), kEmptyKey);
    const Scene scene{screen_.data(), mesh_.faces.data(), mesh_.face_count(), frame_};
    const DrawKeys draw{scene, keys_.data()};
    for (std::int64_t f = 0; f < scene.face_count; ++f) draw(f, 0, frame_.height);
    for (const std::int64_t key : keys_) {
      if (key == kEmptyKey) continue;
      const auto face = static_cast<std::size_t>(face_of(key));
      if (last_seen_[face] == view) continue;
      last_seen_[face] = view;
      std::atomic_ref<std::int32_t>(counts[face]).fetch_add(1, std::memory_order_relaxed);
    }
  }

 private:
  const Mesh& mesh_;
  Frame frame_;
  std::vector<ScreenVertex> screen_;
  std::vector<std::int64_t> keys_;
  std::vector<std::int32_t> last_seen_;
};

}  // namespace
}  // namespace raster

template class TriangleRasteriser<Cpu>;

template <class Dev>
std::vector<std::int32_t> face_visibility(Queue<Dev>& /*queue*/, const Mesh& mesh, std::span<const Camera> cameras, int size,
                                          const Monitor* monitor) {
  raster::check_faces(mesh);
  raster::check_sides("face_visibility", size, size);
  std::vector<std::int32_t> counts(static_cast<std::size_t>(mesh.face_count()));
  // One view per core at a time, so that the monitor hears from the calling thread between them; fewer where their depth
  // buffers would take too much memory.
  constexpr std::int64_t kMemory = std::int64_t{2} << 30;
  const std::int64_t fitting = std::max<std::int64_t>(1, kMemory / raster::ViewCounter::bytes(mesh, size));
  const auto round = std::min({std::int64_t{worker_count()}, fitting, static_cast<std::int64_t>(cameras.size())});
  std::vector<raster::ViewCounter> counters;
  for (std::int64_t i = 0; i < round; ++i) counters.emplace_back(mesh, size);
  const auto total = static_cast<std::int64_t>(cameras.size());
  for (std::int64_t begin = 0; begin < total; begin += round) {
    if (monitor != nullptr) monitor->check();
    parallel_for(std::min(round, total - begin), 1, [&](std::int64_t i) {
      counters[static_cast<std::size_t>(i)].add(cameras[static_cast<std::size_t>(begin + i)],
                                                static_cast<std::int32_t>(begin + i), counts);
    });
    if (monitor != nullptr) {
      monitor->progress(static_cast<int>(std::min(total, begin + round)), static_cast<int>(total));
    }
  }
  return counts;
}
template std::vector<std::int32_t> face_visibility(Queue<Cpu>&, const Mesh&, std::span<const Camera>, int, const Monitor*);

}  // namespace espalier
