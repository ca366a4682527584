// Comparison of decoded representations with the tensors a golden case keeps of them.
#pragma once

#include "geometry/surface/surface.h"
#include "models/trellis/slat_decoder.h"
#include "runner.h"

namespace espalier::golden {

// prefix + gs._*, gs.get_*, ply.header and ply.rows from the decoder's channels.
template <class Dev, class T>
void compare_gaussians(Bench<Dev>& b, Case& c, const GaussianDecoder<Dev, T>& decoder, const std::vector<float>& raw,
                       View<Dev, const std::int32_t, 2> coords, const std::string& prefix = "");

// Surface in memory of the device.
template <class Dev>
struct ExtractedSurface {
  std::vector<float> vertices, attributes;
  std::vector<std::int32_t> faces;
};
template <class Dev>
[[nodiscard]] ExtractedSurface<Dev> extract(Bench<Dev>& b, View<Dev, const std::int32_t, 2> cubes,
                                            View<Dev, const float, 2> features, int resolution, int block,
                                            SurfaceTrace<Dev>* trace);

// prefix + vertices, faces, attrs (all, or every K-th), counts and stats (mean, L2 norm and maximum of each).
void compare_mesh(Case& c, const std::string& prefix, const std::vector<float>& vertices,
                  const std::vector<std::int32_t>& faces, const std::vector<float>& attributes);

// (mean, L2 norm, largest magnitude) of each list, one after another.
[[nodiscard]] std::vector<double> statistics(const std::vector<std::vector<double>>& lists);

}  // namespace espalier::golden
