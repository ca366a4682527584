#include "parallel/cuda/for_each.cuh"
#include "render/raster/downsample.h"

namespace espalier {
namespace {

// One value of the coarse image.
struct Downsample {
  const float* fine;
  float* coarse;
  std::int64_t height, width, channels, factor;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t pixel = i / channels, channel = i - pixel * channels;
    const std::int64_t y = pixel / width, x = pixel - y * width;
    const DownsampleWindow rows(y, factor, height * factor), columns(x, factor, width * factor);
    float sum = 0.0F;
    for (std::int64_t v = rows.begin; v < rows.end; ++v) {
      const float* const row = fine + v * width * factor * channels + channel;
      float across = 0.0F;
      for (std::int64_t u = columns.begin; u < columns.end; ++u) across += columns.weight(u) * row[u * channels];
      sum += rows.weight(v) * across;
    }
    coarse[i] = sum / (rows.total() * columns.total());
  }
};

}  // namespace

template <class Dev>
void downsample(Queue<Dev>& queue, In<Dev, float, 3> fine, int factor, View<Dev, float, 3> coarse) {
  const std::int64_t height = coarse.extent(0), width = coarse.extent(1), channels = coarse.extent(2);
  require(factor >= 1 && fine.extent(0) == height * factor && fine.extent(1) == width * factor && fine.extent(2) == channels &&
              fine.contiguous() && coarse.contiguous(),
          "downsample", "the images' sizes are not ", factor, " to 1");
  for_each(queue, "downsample", coarse.size(), Downsample{fine.data(), coarse.data(), height, width, channels, factor});
}
template void downsample(Queue<Cuda>&, In<Cuda, float, 3>, int, View<Cuda, float, 3>);

}  // namespace espalier
