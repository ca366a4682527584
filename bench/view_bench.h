// Times renderers of many views: PROGRAM [cpu|cuda] [views] [side] [ssaa] [repetitions]
//
// Cameras stand at distance 2 on the sphere sequence that baking uses, with a field of view of 40 degrees. On the card the
// time is that of the stream from the first kernel to the last, waits for counts that the host reads included.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "render/raster/camera.h"
#include "runtime/stopwatch.h"

namespace espalier {

template <class Options>
struct ViewBench {
  std::string device = "cpu";
  int views = 0, repetitions = 0;
  Options options;

  ViewBench(int argc, char** argv) {
    const auto number = [&](int at, int otherwise) { return argc > at ? std::max(1, std::atoi(argv[at])) : otherwise; };
    if (argc > 1) device = argv[1];
    views = number(2, 4);
    options.width = options.height = number(3, 1024);
    options.ssaa = number(4, 1);
    repetitions = number(5, 3);
  }

  // Renders all views a few times and prints medians.
  template <class Dev, class Renderer>
  void time(Queue<Dev>& queue, Renderer& renderer) const {
    std::vector<Camera> cameras;
    for (const OrbitCamera& orbit : sphere_cameras(views, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
    const std::int64_t count = views, height = options.height, width = options.width;
    const Buffer<Dev> colour(static_cast<std::size_t>(count * height * width) * 12, 0, "colours");
    const Buffer<Dev> alpha(static_cast<std::size_t>(count * height * width) * 4, 0, "alphas");
    std::vector<double> device_ms, wall_ms;
    for (int i = -1; i < repetitions; ++i) {
      Stopwatch<Dev> watch(queue);
      const auto begin = std::chrono::steady_clock::now();
      watch.start();
      renderer.render(cameras, options, {reinterpret_cast<float*>(colour.data()), {count, height, width, 3}},
                      {reinterpret_cast<float*>(alpha.data()), {count, height, width}});
      queue.synchronize();
      const double stream = watch.stop();
      if (i < 0) continue;
      device_ms.push_back(stream);
      wall_ms.push_back(std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(device_ms.begin(), device_ms.end());
    std::sort(wall_ms.begin(), wall_ms.end());
    const double wall = wall_ms[wall_ms.size() / 2];
    std::printf("%s: %d views of %d x %d, %d samples: wall %.2f ms, stream %.2f ms; wall per view %.3f ms\n", Dev::name, views,
                options.width, options.height, options.ssaa * options.ssaa, wall, device_ms[device_ms.size() / 2],
                wall / views);
  }

  // Calls run.operator()<Dev>() for the device that was asked for. The program's exit code.
  template <class Run>
  int run(const Run& body) const {
    try {
#ifdef ESPALIER_WITH_CUDA
      if (device == "cuda") {
        body.template operator()<Cuda>();
        return 0;
      }
#endif
      body.template operator()<Cpu>();
      return 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "%s\n", error.what());
      return 1;
    }
  }
};

}  // namespace espalier
