// Times rendering of a radiance field, as view_bench.h says. The field has the 11,978 voxels of docs/performance.md, rank 16
// and vectors of 8; raw densities of either sign and noise for colours.
#include "render/raster/radiance_field_renderer.h"
#include "splat_scene.h"
#include "view_bench.h"

namespace espalier {
namespace {

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

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  using namespace espalier;
  return bench::time_views<RadianceFieldRenderer, RadianceFieldOptions>(argc, argv, "radiance_field", tube_field);
}
