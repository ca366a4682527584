// Times splatting of the 383,296 Gaussians of docs/performance.md: splat_bench [cpu|cuda] [views] [side] [ssaa] [repetitions]
//
// Cameras stand at distance 2 on the sphere sequence that baking uses, with a field of view of 40 degrees. On the card the
// time is that of the stream from the first kernel to the last, waits for counts that the host reads included.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "render/splat_renderer.h"
#include "runtime/stopwatch.h"
#include "splat_scene.h"

namespace espalier {
namespace {

struct Work {
  int views = 0, repetitions = 0;
  SplatOptions options;
};

template <class Dev>
void bench(const Work& work) {
  Queue<Dev> queue;
  const Gaussians gaussians = tube_gaussians();
  SplatRenderer<Dev> renderer(queue, gaussians);
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
  std::printf("%s: %lld Gaussians, %d views of %d x %d, %d samples: wall %.2f ms, stream %.2f ms; per view %.3f ms\n",
              Dev::name, static_cast<long long>(gaussians.count()), work.views, work.options.width, work.options.height,
              work.options.ssaa * work.options.ssaa, wall[wall.size() / 2], device[device.size() / 2],
              wall[wall.size() / 2] / work.views);
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
