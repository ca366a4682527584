// Face visibility over many views of a tube around the curve ((R + r cos 3p) cos 2p, (R + r cos 3p) sin 2p, r sin 3p), and
// one picture with weights and depth: rasteriser_bench [cpu|cuda] [views] [rings] [sides] [size]. The default is the
// workload of the reference's hidden-face removal: 1000 views of 100,000 faces at 1024 x 1024.
#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <numbers>
#include <string>

#include "render/raster/triangle_rasteriser.h"

namespace espalier {
namespace {

using Point = std::array<double, 3>;

Point curve(double p) {
  constexpr double kMajor = 0.28, kMinor = 0.13;
  const double radius = kMajor + kMinor * std::cos(3 * p);
  return {radius * std::cos(2 * p), radius * std::sin(2 * p), kMinor * std::sin(3 * p)};
}
Point normalised(const Point& v) {
  const double length = std::sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2]);
  return {v[0] / length, v[1] / length, v[2] / length};
}
Point crossed(const Point& a, const Point& b) {
  return {a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]};
}

// Two triangles for each of rings x sides quads.
Mesh tube(int rings, int sides) {
  constexpr double kRadius = 0.07;
  constexpr double kTurn = 2 * std::numbers::pi;
  Mesh mesh;
  for (int i = 0; i < rings; ++i) {
    const double p = kTurn * i / rings, step = 1e-4;
    const Point centre = curve(p), ahead = curve(p + step), behind = curve(p - step);
    const Point tangent = normalised({ahead[0] - behind[0], ahead[1] - behind[1], ahead[2] - behind[2]});
    const Point a = normalised(crossed(tangent, {0, 0, 1}));
    const Point b = crossed(tangent, a);
    for (int j = 0; j < sides; ++j) {
      const double s = kTurn * j / sides;
      for (std::size_t k = 0; k < 3; ++k) {
        mesh.vertices.push_back(static_cast<float>(centre[k] + kRadius * (std::cos(s) * a[k] + std::sin(s) * b[k])));
      }
      const int i1 = (i + 1) % rings, j1 = (j + 1) % sides;
      const std::array<int, 4> quad = {i * sides + j, i1 * sides + j, i1 * sides + j1, i * sides + j1};
      for (const std::size_t k : {0, 1, 2, 0, 2, 3}) mesh.faces.push_back(quad[k]);
    }
  }
  return mesh;
}

template <class Call>
double seconds(const Call& call) {
  const auto begin = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

template <class Dev>
void run(const Mesh& mesh, int views, int size) {
  Queue<Dev> queue(0);
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(views, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
  double best = 1e30;
  std::int64_t seen = 0, sightings = 0;
  constexpr int kRounds = 3;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::int32_t> counts;
    best = std::min(best, seconds([&] { counts = face_visibility<Dev>(queue, mesh, cameras, size, nullptr); }));
    seen = std::count_if(counts.begin(), counts.end(), [](std::int32_t c) { return c > 0; });
    sightings = 0;
    for (const std::int32_t c : counts) sightings += c;
  }
  const std::int64_t pixels = std::int64_t{size} * size;
  Buffer<Dev> memory(static_cast<std::size_t>(pixels) * 16, 0, "a picture");
  const Fragments<Dev> picture{{reinterpret_cast<std::int32_t*>(memory.data()), {size, size}},
                               {reinterpret_cast<float*>(memory.data()) + pixels, {size, size, 2}},
                               {reinterpret_cast<float*>(memory.data()) + 3 * pixels, {size, size}}};
  TriangleRasteriser<Dev> rasteriser(queue, mesh);
  const int pictures = std::min(views, 100);
  double one = 1e30;
  for (int round = 0; round < kRounds; ++round) {
    one = std::min(one, seconds([&] {
                          for (int i = 0; i < pictures; ++i) rasteriser.render(cameras[static_cast<std::size_t>(i)], picture);
                          queue.synchronize();
                        }) / pictures);
  }
  std::printf(
      "rasteriser %s: %lld faces, %d views of %d x %d: visibility %.3f s (%.3f ms a view), %lld faces seen, "
      "%lld sightings; picture with weights and depth %.3f ms\n",
      Dev::name, static_cast<long long>(mesh.face_count()), views, size, size, best, best / views * 1e3,
      static_cast<long long>(seen), static_cast<long long>(sightings), one * 1e3);
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  const bool card = espalier::built_with_cuda() && !espalier::list_cards().empty();
  const std::string device = argc > 1 ? argv[1] : card ? "cuda" : "cpu";
  const auto number = [&](int at, int otherwise) {
    return argc > at ? static_cast<int>(std::strtol(argv[at], nullptr, 10)) : otherwise;
  };
  const int views = number(2, 1000), rings = number(3, 1000), sides = number(4, 50), size = number(5, 1024);
  if ((device != "cpu" && device != "cuda") || (device == "cuda" && !card) || views < 1 || rings < 3 || sides < 3 ||
      rings > 100000 || sides > 10000 || size < 1) {
    std::fprintf(stderr, "usage: rasteriser_bench [cpu|cuda] [views] [rings] [sides] [size]; cuda needs a card\n");
    return 2;
  }
  try {
    const espalier::Mesh mesh = espalier::tube(rings, sides);
#ifdef ESPALIER_WITH_CUDA
    if (device == "cuda") espalier::run<espalier::Cuda>(mesh, views, size);
#endif
    if (device == "cpu") espalier::run<espalier::Cpu>(mesh, views, size);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rasteriser_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
