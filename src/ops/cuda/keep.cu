#include "ops/keep.h"
#include "parallel/cuda/for_each.cuh"

namespace espalier {
namespace {

struct KeepStep {
  const float *known, *noise;
  const std::uint8_t* kept;
  float t;
  float* x;

  __device__ void operator()(std::int64_t i) const {
    if (kept[i] != 0) x[i] = t == 0.0F ? known[i] : (1.0F - t) * known[i] + t * noise[i];
  }
};

}  // namespace

template <class Dev, class T>
void keep_known(Queue<Dev>& queue, In<Dev, T, 1> known, In<Dev, T, 1> noise, In<Dev, std::uint8_t, 1> kept, float t,
                View<Dev, T, 1> x) {
  require(known.size() == x.size() && noise.size() == x.size() && kept.size() == x.size(), "keep_known", known.size(),
          " values, ", noise.size(), " of noise and ", kept.size(), " marks for ", x.size());
  cuda::for_each(queue, "keep_known", x.size(), KeepStep{known.data(), noise.data(), kept.data(), t, x.data()});
}
template void keep_known<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 1>, In<Cuda, float, 1>, In<Cuda, std::uint8_t, 1>, float,
                                      View<Cuda, float, 1>);

}  // namespace espalier
