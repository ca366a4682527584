// Images of triangle meshes that the reference's rasteriser drew: every file of mesh_raster/.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "base/with_cuda.h"
#include "render/raster/triangle_rasteriser.h"
#include "runner.h"

namespace espalier::golden {

namespace {

// A file of mesh_raster/.
struct MeshImage {
  Mesh mesh;
  std::vector<float> clip;  // [V * 4]
  std::int64_t width = 0, height = 0;
  std::vector<std::int32_t> face;
  std::vector<float> weights, depth;

  explicit MeshImage(const SafetensorsFile& file)
      : clip(file.load("pos_clip").to_vector<float>("pos_clip")),
        face(file.load("face_id").to_vector<std::int32_t>("face_id")),
        weights(file.load("uv").to_vector<float>("uv")),
        depth(file.load("z_over_w").to_vector<float>("z_over_w")) {
    mesh.vertices.resize(clip.size() / 4 * 3);
    mesh.faces = file.load("tri").to_vector<std::int32_t>("tri");
    const auto size = file.load("size_wh").to_vector<std::int32_t>("size_wh");
    require(size.size() == 2, "MeshImage", "size_wh is not a pair");
    width = size[0];
    height = size[1];
    const auto pixels = static_cast<std::size_t>(width * height);
    require(face.size() == pixels && weights.size() == 2 * pixels && depth.size() == pixels, "MeshImage",
            "the images have another size than they say");
  }

  // Pixels between a pixel's centre and the nearest edge of a face.
  [[nodiscard]] double distance(std::size_t pixel, std::int32_t of) const {
    const std::size_t column = pixel % static_cast<std::size_t>(width), row = pixel / static_cast<std::size_t>(width);
    const double x = static_cast<double>(column) + 0.5, y = static_cast<double>(row) + 0.5;
    std::array<std::array<double, 2>, 3> p{};
    for (std::size_t k = 0; k < 3; ++k) {
      const float* v = &clip[static_cast<std::size_t>(mesh.faces[static_cast<std::size_t>(of) * 3 + k]) * 4];
      p[k] = {(v[0] / static_cast<double>(v[3]) + 1) * 0.5 * static_cast<double>(width) - x,
              (v[1] / static_cast<double>(v[3]) + 1) * 0.5 * static_cast<double>(height) - y};
    }
    double nearest = INFINITY;
    for (std::size_t k = 0; k < 3; ++k) {
      const auto &a = p[k], &b = p[(k + 1) % 3];
      const double dx = b[0] - a[0], dy = b[1] - a[1], length = dx * dx + dy * dy;
      const double t = length > 0 ? std::clamp(-(a[0] * dx + a[1] * dy) / length, 0.0, 1.0) : 0.0;
      nearest = std::min(nearest, std::hypot(a[0] + t * dx, a[1] + t * dy));
    }
    return nearest;
  }
};

struct Differences {
  int faces = 0, near_edges = 0;  // other faces; of these, at pixels whose centre lies near an edge
  double weights = 0.0, depth = 0.0;
};

template <class Dev>
Differences compare_image(Queue<Dev>& queue, const MeshImage& reference) {
  constexpr double kEdge = 1.0 / 256;  // pixels
  constexpr int kGrid = 16;            // of the reference, per pixel
  const std::int64_t pixels = reference.width * reference.height, vertices = reference.mesh.vertex_count();
  const Buffer<Dev> positions(reference.clip.size() * sizeof(float), queue.ordinal(), "positions");
  const Buffer<Dev> memory(static_cast<std::size_t>(4 * pixels) * sizeof(float), queue.ordinal(), "images");
  auto* floats = reinterpret_cast<float*>(memory.data());
  const Extents<2> size{reference.height, reference.width};
  upload_bytes(queue, reference.clip.data(), positions.data(), positions.bytes());
  TriangleRasteriser<Dev> rasteriser(queue, reference.mesh);
  rasteriser.render_clip({reinterpret_cast<const float*>(positions.data()), {vertices, 4}},
                         {{reinterpret_cast<std::int32_t*>(memory.data()), size},
                          {floats + pixels, {reference.height, reference.width, 2}},
                          {floats + 3 * pixels, size}},
                         kGrid);
  std::vector<std::int32_t> face(static_cast<std::size_t>(pixels));
  std::vector<float> rest(3 * face.size());
  download_bytes(queue, memory.data(), face.data(), face.size() * sizeof(std::int32_t));
  download_bytes(queue, floats + pixels, rest.data(), rest.size() * sizeof(float));
  queue.synchronize();

  Differences result;
  for (std::size_t i = 0; i < face.size(); ++i) {
    if (face[i] != reference.face[i]) {
      double nearest = INFINITY;
      for (const std::int32_t f : {face[i], reference.face[i]}) {
        if (f > 0) nearest = std::min(nearest, reference.distance(i, f - 1));
      }
      ++result.faces;
      result.near_edges += nearest <= kEdge ? 1 : 0;
      continue;
    }
    for (const std::size_t k : {2 * i, 2 * i + 1}) {
      result.weights = std::max(result.weights, std::abs(static_cast<double>(rest[k]) - reference.weights[k]));
    }
    result.depth = std::max(result.depth, std::abs(static_cast<double>(rest[2 * face.size() + i]) - reference.depth[i]));
  }
  return result;
}

}  // namespace

template <class Dev>
void run_mesh_renders(Queue<Dev>& queue, const RunOptions& options, Tally& tally) {
  constexpr double kTolerance = 1e-4;
  for (const auto& path : files_of(options.folder / "mesh_raster")) {
    const Differences d = compare_image<Dev>(queue, MeshImage(SafetensorsFile(path)));
    const bool alike = d.faces == d.near_edges && d.weights <= kTolerance && d.depth <= kTolerance;
    ++tally.compared;
    if (!alike) ++tally.failed;
    std::printf("%-18s %-34s %s  %d other faces, %d of them at edges; weights %.1e, depth %.1e\n", "mesh_raster",
                path.stem().c_str(), alike ? "ok  " : "FAIL", d.faces, d.near_edges, d.weights, d.depth);
  }
}

template void run_mesh_renders(Queue<Cpu>&, const RunOptions&, Tally&);
#if ESPALIER_WITH_CUDA
template void run_mesh_renders(Queue<Cuda>&, const RunOptions&, Tally&);
#endif

}  // namespace espalier::golden
