#include "parallel/parallel_for.h"
#include "render/raster/radiance_field_renderer_impl.h"

namespace espalier {

namespace radiance {

namespace {

// Rows of samples, a tile of columns at a time, so that neighbours share voxels in the caches.
template <int Rank>
void trace_all(Queue<Cpu>& queue, const Field& field, const RayCamera& camera, const Samples& out) {
  constexpr int kTile = 16;
  const std::int64_t columns = (camera.width + kTile - 1) / kTile, rows = (camera.height + kTile - 1) / kTile;
  // Tiles are mixed, so that every range that a core gets has its share of the full ones.
  constexpr std::int64_t kMix = 1000003;
  const std::int64_t tiles = columns * rows;
  const auto trace_tile = [&](std::int64_t i) {
    const std::int64_t tile = i * kMix % tiles;
    const int left = static_cast<int>(tile % columns) * kTile, top = static_cast<int>(tile / columns) * kTile;
    for (int y = top; y < std::min(top + kTile, camera.height); ++y) {
      for (int x = left; x < std::min(left + kTile, camera.width); ++x) {
        const Traced ray = trace<Rank>(field, camera, static_cast<float>(x) + 0.5F, static_cast<float>(y) + 0.5F);
        write_sample(out, camera, std::int64_t{y} * camera.width + x, ray);
      }
    }
  };
  constexpr std::int64_t kBlock = 1024;  // about a tenth of a second of a core
  for (std::int64_t first = 0; first < tiles; first += kBlock) {
    queue.check();
    parallel_for(std::min(kBlock, tiles - first), 1, [&](std::int64_t i) { trace_tile(first + i); });
  }
}

}  // namespace

void trace_samples(Queue<Cpu>& queue, const Field& field, const RayCamera& camera, const Samples& out) {
  switch (field.rank) {
    case 8: trace_all<8>(queue, field, camera, out); break;
    case 16: trace_all<16>(queue, field, camera, out); break;
    default: trace_all<0>(queue, field, camera, out);
  }
}

}  // namespace radiance

template class RadianceFieldRenderer<Cpu>;

}  // namespace espalier
