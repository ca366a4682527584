// What baking keeps of an asset: bake_bench [VIEWSxSIZE] ASSET... finishes each file of --save-asset with both ways of baking
// and prints the peak signal-to-noise ratio of the textured mesh against the Gaussians from 20 views that were not baked, and
// the share of the texture that was seen. VIEWSxSIZE, such as 64x768: how many views of how many pixels are baked.
#include <cstdio>
#include <exception>

#include "api/asset.h"
#include "bake/bake.h"
#include "espalier/espalier.h"
#include "render/raster/splat_renderer.h"

namespace {

using namespace espalier;

class Splats final : public ViewSource<Cpu> {
 public:
  Splats(Queue<Cpu>& queue, const Gaussians& gaussians) : renderer_(queue, gaussians) {}
  void render(const Camera& camera, View<Cpu, float, 3> colour, View<Cpu, float, 2> alpha) override {
    renderer_.render(camera, {.width = static_cast<int>(alpha.extent(1)), .height = static_cast<int>(alpha.extent(0))}, colour,
                     alpha);
  }

 private:
  SplatRenderer<Cpu> renderer_;
};

double fidelity(const Asset& asset) {
  Queue<Cpu> queue;
  const Asset::Data& data = asset.data();
  Splats source(queue, *data.gaussians);
  return bake_fidelity(queue, data.finished->mesh, data.finished->texture, source,
                       sphere_cameras(20, 2.0F, 40.0F, {0.37F, 0.41F}), 1024, nullptr);
}

}  // namespace

int main(int argc, char** argv) {
  FinishRequest request;
  const bool told = argc > 1 && std::sscanf(argv[1], "%dx%d", &request.views, &request.view_size) == 2;
  try {
    for (int i = told ? 2 : 1; i < argc; ++i) {
      const Asset asset = load_asset(argv[i]);
      std::printf("%s:", argv[i]);
      for (const BakeMode mode : {BakeMode::best, BakeMode::fast}) {
        request.bake = mode;
        const Asset finished = finish(asset, request, "cpu");
        std::printf("  %s %.2f dB, %.2f %% seen", mode == BakeMode::best ? "best" : "fast", fidelity(finished),
                    100 * finished.data().finished->report.texels_seen);
      }
      std::printf("\n");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bake_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
