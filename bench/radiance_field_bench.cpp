// Times rendering of a radiance field: radiance_field_bench [cpu|cuda] [views] [side] [ssaa] [repetitions]
//
// The field has the 11,978 voxels of docs/performance.md, rank 16 and vectors of 8: raw density 300 inside the tube and -60 far
// outside, as the decoder that ships gives, and noise for colours. Cameras as in splat_bench.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "render/radiance_field_renderer.h"
#include "runtime/stopwatch.h"
#include "splat_scene.h"

namespace espalier {
namespace {

struct Work {
  int views = 0, repetitions = 0;
  RadianceFieldOptions options;
};

RadianceField tube_field() {
  RadianceField f;
  f.resolution = 64;
  f.rank = 16;
  f.dim = 8;
  std::mt19937_64 generator(0);
  std::normal_distribution<double> normal;
  for (const auto& cell : tube_cells()) {
    for (const int c : cell) f.position.push_back((static_cast<float>(c) + 0.5F) / 64.0F);
    for (int i = 0; i < 16 * 3 * 8; ++i) f.trivec.push_back(static_cast<float>(1.0 + 0.05 * normal(generator)));
    for (int i = 0; i < 16; ++i)
      f.density.push_back(static_cast<float>((i % 2 == 0 ? 300.0 : -260.0) / 8.0 * normal(generator)));
    for (int i = 0; i < 48; ++i) f.features_dc.push_back(static_cast<float>(0.1 * normal(generator)));
  }
  return f;
}

template <class Dev>
void bench(const Work& work) {
  Queue<Dev> queue;
  RadianceFieldRenderer<Dev> renderer(queue, tube_field());
  std::vector<Camera> cameras;
  for (const OrbitCamera& orbit : sphere_cameras(work.views, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
  const std::int64_t views = work.views, height = work.options.height, width = work.options.width;
  const Buffer<Dev> colour(static_cast<std::size_t>(views * height * width) * 12, 0, "colours");
  const Buffer<Dev> alpha(static_cast<std::size_t>(views * height * width) * 4, 0, "alphas");
  std::vector<double> device, wall;
  for (int i = -1; i < work.repetitions; ++i) {
    Stopwatch<Dev> watch(queue);
    const auto begin = std::chrono::steady_clock::now();
    watch.start();
    renderer.render(cameras, work.options, {reinterpret_cast<float*>(colour.data()), {views, height, width, 3}},
                    {reinterpret_cast<float*>(alpha.data()), {views, height, width}});
    queue.synchronize();
    const double stream = watch.stop();
    if (i < 0) continue;
    device.push_back(stream);
    wall.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  std::sort(device.begin(), device.end());
  std::sort(wall.begin(), wall.end());
  std::printf("%s: %d views of %d x %d, %d samples: wall %.2f ms, stream %.2f ms; per view %.3f ms\n", Dev::name, work.views,
              work.options.width, work.options.height, work.options.ssaa * work.options.ssaa, wall[wall.size() / 2],
              device[device.size() / 2], wall[wall.size() / 2] / work.views);
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  const auto number = [&](int at, int otherwise) { return argc > at ? std::max(1, std::atoi(argv[at])) : otherwise; };
  espalier::Work work;
  work.views = number(2, 4);
  work.options.width = work.options.height = number(3, 1024);
  work.options.ssaa = number(4, 1);
  work.repetitions = number(5, 3);
  try {
#ifdef ESPALIER_WITH_CUDA
    if (argc > 1 && std::string(argv[1]) == "cuda") {
      espalier::bench<espalier::Cuda>(work);
      return 0;
    }
#endif
    espalier::bench<espalier::Cpu>(work);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
