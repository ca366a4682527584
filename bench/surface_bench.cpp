// Times extract_surface on two synthetic assets: surface_bench [cpu|cuda]
//
// An asset is a tube around the curve c(p) = ((R + r cos 3p) cos 2p, (R + r cos 3p) sin 2p, r sin 3p). Voxels of a 64^3
// grid close to its wall become 4^3 cubes of a 256^3 grid each, with a double-walled shell as distances and noise as the
// other channels. reference_ms is of the public Python system on one H100: the sum of its kernels at 12k, its wall time at
// 24k. Times here include the waits for the counts that the host reads.
#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "geometry/surface/surface.h"
#include "parallel/parallel_for.h"
#include "program.h"

namespace espalier {
namespace {

struct Workload {
  const char* name;
  double ring, swing, radius, reach;     // R, r, radius of the tube; voxels whose centre is closer to its wall than reach / 64
  std::int64_t voxels, vertices, faces;  // what must come out
  double reference_ms;                   // of the public Python system
};

constexpr Workload kWorkloads[] = {
    {"12k", 0.28, 0.13, 0.07, 0.766, 11978, 375972, 751944, 23.5},
    {"24k", 0.27, 0.12, 0.10, 1.128, 23978, 509524, 1019048, 39.0},
};

struct Point {
  double x, y, z;
};

double distance(const Point& a, const Point& b) {
  return std::sqrt((a.x - b.x) * (a.x - b.x) + (a.y - b.y) * (a.y - b.y) + (a.z - b.z) * (a.z - b.z));
}

std::vector<Point> curve(const Workload& w) {
  std::vector<Point> points(4096);
  for (std::size_t k = 0; k < points.size(); ++k) {
    const double p = 2 * 3.141592653589793 * static_cast<double>(k) / 4096;
    const double across = w.ring + w.swing * std::cos(3 * p);
    points[k] = {across * std::cos(2 * p), across * std::sin(2 * p), w.swing * std::sin(3 * p)};
  }
  return points;
}

double closest(const std::vector<Point>& points, const Point& at) {
  double best = 1e9;
  for (const Point& p : points) best = std::min(best, distance(p, at));
  return best;
}

struct Asset {
  std::vector<std::int32_t> cubes;  // [n * 4]
  std::vector<float> features;      // [n * 101]
};

// Uniform in [-1, 1].
float noise(std::uint64_t index) {
  std::uint64_t z = (index + 1) * 0x9E3779B97F4A7C15U;
  z = (z ^ z >> 30U) * 0xBF58476D1CE4E5B9U;
  z = (z ^ z >> 27U) * 0x94D049BB133111EBU;
  return static_cast<float>(static_cast<double>((z ^ z >> 31U) >> 40U) / 8388608.0 - 1.0);
}

Point centre_of(const std::array<int, 3>& voxel) {
  return {(voxel[0] + 0.5) / 64 - 0.5, (voxel[1] + 0.5) / 64 - 0.5, (voxel[2] + 0.5) / 64 - 0.5};
}

void fill_voxel(const Workload& w, const std::vector<Point>& points, const std::array<int, 3>& voxel, std::int64_t first,
                Asset& asset) {
  // Only curve points that can be the closest to some corner of this voxel are looked at for each of them.
  const Point centre = centre_of(voxel);
  const double limit = closest(points, centre) + std::sqrt(3.0) / 64 + 1e-9;
  std::vector<Point> near;
  for (const Point& p : points) {
    if (distance(p, centre) <= limit) near.push_back(p);
  }
  for (int child = 0; child < 64; ++child) {
    const std::int64_t row = first + child;
    const int at[3] = {voxel[0] * 4 + child / 16, voxel[1] * 4 + child / 4 % 4, voxel[2] * 4 + child % 4};
    for (int axis = 0; axis < 3; ++axis) asset.cubes[static_cast<std::size_t>(row * 4 + 1 + axis)] = at[axis];
    float* channels = asset.features.data() + row * 101;
    for (int corner = 0; corner < 8; ++corner) {
      const Point p{(at[0] + (corner & 1)) / 256.0 - 0.5, (at[1] + (corner >> 1 & 1)) / 256.0 - 0.5,
                    (at[2] + (corner >> 2)) / 256.0 - 0.5};
      channels[corner] = static_cast<float>(64 * std::abs(closest(near, p) - w.radius) - 0.4);
    }
    for (int c = 8; c < 101; ++c) channels[c] = noise(static_cast<std::uint64_t>(row * 101 + c));
  }
}

Asset make_asset(const Workload& w) {
  const std::vector<Point> points = curve(w);
  const auto voxel_at = [](std::int64_t i) {
    return std::array<int, 3>{static_cast<int>(i / 4096), static_cast<int>(i / 64 % 64), static_cast<int>(i % 64)};
  };
  std::vector<char> active(64 * 64 * 64);
  parallel_for(static_cast<std::int64_t>(active.size()), 64, [&](std::int64_t i) {
    active[static_cast<std::size_t>(i)] = std::abs(closest(points, centre_of(voxel_at(i))) - w.radius) < w.reach / 64 ? 1 : 0;
  });
  std::vector<std::array<int, 3>> voxels;
  for (std::size_t i = 0; i < active.size(); ++i) {
    if (active[i] != 0) voxels.push_back(voxel_at(static_cast<std::int64_t>(i)));
  }
  if (static_cast<std::int64_t>(voxels.size()) != w.voxels) {
    fail(ErrorCode::internal, "workload ", w.name, ": ", voxels.size(), " voxels instead of ", w.voxels);
  }
  Asset asset;
  asset.cubes.resize(voxels.size() * 64 * 4);
  asset.features.resize(voxels.size() * 64 * 101);
  parallel_for(w.voxels, 16,
               [&](std::int64_t v) { fill_voxel(w, points, voxels[static_cast<std::size_t>(v)], v * 64, asset); });
  return asset;
}

template <class Dev, class T>
View<Dev, T, 2> place(Queue<Dev>& queue, Arena<Dev>& arena, const std::vector<T>& values, std::int64_t columns) {
  const auto view = arena.template take<T, 2>({static_cast<std::int64_t>(values.size()) / columns, columns});
  upload_bytes(queue, values.data(), view.data(), values.size() * sizeof(T));
  return view;
}

// A workload in a device's memory.
template <class Dev>
class Extraction {
 public:
  Extraction(const Workload& w, const Asset& asset)
      : workload_(w),
        assets_(asset.cubes.size() * 4 + asset.features.size() * 4 + static_cast<std::size_t>(w.vertices) * 36 +
                    static_cast<std::size_t>(w.faces) * 12 + 8 * kAlignment,
                0, "assets"),
        cubes_(place(queue_, assets_, asset.cubes, 4)),
        features_(place(queue_, assets_, asset.features, 101)),
        scratch_(surface_scratch_bytes<Dev>(cubes_.extent(0), 256, true, 4), 0, "scratch"),
        memory_{assets_.template take<float, 2>({w.vertices, 3}), assets_.template take<std::int32_t, 2>({w.faces, 3}),
                assets_.template take<float, 2>({w.vertices, 6})} {
    queue_.use(&scratch_);
  }

  void add_to(bench::Program& program) {
    program.add(
        str("extract_surface/", Dev::name, "/", workload_.name), queue_, [this] { run(); },
        [this] {
          return bench::Counters{{"cubes", static_cast<double>(cubes_.extent(0))},
                                 {"faces", static_cast<double>(workload_.faces)},
                                 {"reference_ms", workload_.reference_ms},
                                 {"scratch_MiB", static_cast<double>(scratch_.peak()) / 1048576},
                                 {"scratch_bound_MiB", static_cast<double>(scratch_.capacity()) / 1048576}};
        });
  }

 private:
  void run() {
    const auto allocate = [this](std::int64_t vertices, std::int64_t faces, bool /*colour*/) {
      if (vertices != workload_.vertices || faces != workload_.faces) {
        fail(ErrorCode::internal, "workload ", workload_.name, ": ", vertices, " vertices and ", faces, " faces instead of ",
             workload_.vertices, " and ", workload_.faces);
      }
      return memory_;
    };
    extract_surface<Dev>(queue_, cubes_, features_, 256, allocate, nullptr, 4);
  }

  const Workload& workload_;
  Queue<Dev> queue_;
  Arena<Dev> assets_;
  View<Dev, std::int32_t, 2> cubes_;
  View<Dev, float, 2> features_;
  Arena<Dev> scratch_;
  SurfaceMesh<Dev> memory_;
};

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::start(argc, argv, "surface_bench [cpu|cuda]", [](bench::Program& program) {
    program.at_most(1);
    program.on(program.text(0, "cpu"), [&]<class Dev>(std::type_identity<Dev>) {
      std::vector<std::unique_ptr<Extraction<Dev>>> all;
      for (const Workload& w : kWorkloads) {
        all.push_back(std::make_unique<Extraction<Dev>>(w, make_asset(w)));
        all.back()->add_to(program);
      }
      bench::Program::run();
    });
  });
}
