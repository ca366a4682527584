// Times extract_surface on two synthetic assets: surface_bench [cpu|cuda] [repetitions]
//
// An asset is a tube around the curve c(p) = ((R + r cos 3p) cos 2p, (R + r cos 3p) sin 2p, r sin 3p). Voxels of a 64^3
// grid close to its wall become 4^3 cubes of a 256^3 grid each, with a double-walled shell as distances and noise as the
// other channels. The ratio compares with the public Python system on one H100: the sum of its kernels at 12k, its wall
// time at 24k. Times here include the waits for the counts that the host reads.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "geometry/surface/surface.h"
#include "parallel/parallel_for.h"
#include "runtime/stopwatch.h"

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

template <class Dev>
void run(const Workload& w, const Asset& asset, int repetitions) {
  Queue<Dev> queue(0);
  Arena<Dev> assets(asset.cubes.size() * 4 + asset.features.size() * 4 + static_cast<std::size_t>(w.vertices) * 36 +
                        static_cast<std::size_t>(w.faces) * 12 + 8 * kAlignment,
                    0, "assets");
  const auto cubes = place(queue, assets, asset.cubes, 4);
  const auto features = place(queue, assets, asset.features, 101);
  const std::size_t bound = surface_scratch_bytes<Dev>(cubes.extent(0), 256, true, 4);
  Arena<Dev> scratch(bound, 0, "scratch");
  queue.use(&scratch);
  const SurfaceMesh<Dev> memory{assets.template take<float, 2>({w.vertices, 3}),
                                assets.template take<std::int32_t, 2>({w.faces, 3}),
                                assets.template take<float, 2>({w.vertices, 6})};
  const auto allocate = [&](std::int64_t vertices, std::int64_t faces, bool /*colour*/) {
    if (vertices != w.vertices || faces != w.faces) {
      fail(ErrorCode::internal, "workload ", w.name, ": ", vertices, " vertices and ", faces, " faces instead of ", w.vertices,
           " and ", w.faces);
    }
    return memory;
  };
  Stopwatch<Dev> stopwatch(queue);
  std::vector<double> times;
  constexpr int kWarmUp = 2;
  for (int i = 0; i < kWarmUp + repetitions; ++i) {
    queue.synchronize();
    const auto begin = std::chrono::steady_clock::now();
    stopwatch.start();
    extract_surface<Dev>(queue, cubes, features, 256, allocate, nullptr, 4);
    const double on_card = stopwatch.stop();
    const double on_wall = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count();
    if (i >= kWarmUp) times.push_back(on_card > 0 ? on_card : on_wall);
  }
  std::sort(times.begin(), times.end());
  const double median = times[times.size() / 2];
  std::printf(
      "surface %s %s: %lld cubes, %lld vertices, %lld faces, median %.3f ms (best %.3f), reference %.1f ms, %.2f of it, "
      "scratch %.1f of %.1f MiB\n",
      Dev::name, w.name, static_cast<long long>(cubes.extent(0)), static_cast<long long>(w.vertices),
      static_cast<long long>(w.faces), median, times.front(), w.reference_ms, median / w.reference_ms,
      static_cast<double>(scratch.peak()) / 1048576, static_cast<double>(bound) / 1048576);
}

int run_all(const std::string& device, int repetitions) {
  for (const Workload& w : kWorkloads) {
    const Asset asset = make_asset(w);
    if (device == "cpu") run<Cpu>(w, asset, repetitions);
#ifdef ESPALIER_WITH_CUDA
    if (device == "cuda") run<Cuda>(w, asset, repetitions);
#endif
  }
  return 0;
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  const bool card = espalier::built_with_cuda() && !espalier::list_cards().empty();
  const std::string device = argc > 1 ? argv[1] : card ? "cuda" : "cpu";
  const long repetitions = argc > 2 ? std::strtol(argv[2], nullptr, 10) : 11;
  if ((device != "cpu" && device != "cuda") || repetitions < 1 || repetitions > 1000 || (device == "cuda" && !card)) {
    std::fprintf(stderr, "usage: surface_bench [cpu|cuda] [repetitions]; cuda needs a card and a build with CUDA\n");
    return 2;
  }
  try {
    return espalier::run_all(device, static_cast<int>(repetitions));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "surface_bench: %s\n", error.what());
    return 1;
  }
}
