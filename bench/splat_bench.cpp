// Times splatting of the 383,296 Gaussians of docs/performance.md, as view_bench.h says.
#include "render/raster/splat_renderer.h"
#include "splat_scene.h"
#include "view_bench.h"

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::time_views<SplatRenderer, SplatOptions>(argc, argv, "splat", tube_gaussians);
}
