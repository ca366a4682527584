// Times renderers of many views: PROGRAM [cpu|cuda] [views] [side] [ssaa]
//
// Cameras stand at distance 2 on the sphere sequence that baking uses, with a field of view of 40 degrees. On the GPU the
// time is that of the stream from the first kernel to the last, waits for counts that the host reads included.
#pragma once

#include <string>
#include <vector>

#include "program.h"
#include "render/raster/camera.h"
#include "runtime/array.h"

namespace espalier::bench {

// Renderer<Dev> is made of what make() returns.
template <template <class> class Renderer, class Options, class Make>
int time_views(int argc, char** argv, const std::string& name, const Make& make) {
  return start(argc, argv, name + "_bench [cpu|cuda] [views] [side] [ssaa]", [&](Program& program) {
    program.at_most(4);
    const std::string device = program.text(0, "cpu");
    const int views = program.number(1, 4, 1, 100000);
    Options options;
    options.width = options.height = program.number(2, 1024, 1, 16384);
    options.ssaa = program.number(3, 1, 1, 16);
    program.on(device, [&]<class Dev>(std::type_identity<Dev>) {
      Queue<Dev> queue;
      Renderer<Dev> renderer(queue, make());
      std::vector<Camera> cameras;
      for (const OrbitCamera& orbit : sphere_cameras(views, 2.0F, 40.0F)) cameras.push_back(camera_of(orbit));
      const std::int64_t side = options.width;
      const Array<Dev, float> colour(queue, 3 * side * side * views, "colours"), alpha(queue, side * side * views, "alphas");
      const std::string size =
          str("/", Dev::name, "/", views, " views of ", side, "^2, ", options.ssaa * options.ssaa, " samples");
      program.add(name + size, queue, [&] {
        renderer.render(cameras, options, colour.template view<4>({views, side, side, 3}),
                        alpha.template view<3>({views, side, side}));
      });
      Program::run();
    });
  });
}

}  // namespace espalier::bench
