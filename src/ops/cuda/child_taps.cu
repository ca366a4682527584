// Weights of a convolution right after a subdivision.
#include "ops/child_taps.h"
#include "ops/convolution.h"
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"

namespace espalier {
namespace {

template <class T>
struct FoldBody {
  const T* w;
  T* folded;
  std::int64_t channels, in;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t column = i % in;
    const std::int64_t row = i / in;  // of [8 children, channels, 8]
    const int tap = static_cast<int>(row % kChildTaps);
    const std::int64_t channel = row / kChildTaps % channels;
    const int child = static_cast<int>(row / kChildTaps / channels);
    const T* from = w + channel * 27 * in + column;
    folded[i] = cuda::narrow<T>(fold_child_tap(child, tap, [&](int k) { return cuda::widen(from[k * in]); }));
  }
};

}  // namespace

template <class Dev, class T>
void fold_child_taps(Queue<Dev>& queue, In<Dev, T, 3> w, View<Dev, T, 4> folded) {
  constexpr const char* kName = "fold_child_taps";
  const std::int64_t channels = w.extent(0);
  const std::int64_t in = w.extent(2);
  require(w.extent(1) == 27 && w.contiguous() && folded.contiguous() &&
              folded.extents() == Extents<4>{kChildren, channels, kChildTaps, in},
          kName, "w [", channels, ", ", w.extent(1), ", ", in, "], folded [", folded.extent(0), ", ", folded.extent(1), ", ",
          folded.extent(2), ", ", folded.extent(3), "]");
  for_each(queue, kName, folded.size(), FoldBody<T>{w.data(), folded.data(), channels, in});
}
template void fold_child_taps<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 3>, View<Cuda, float, 4>);
template void fold_child_taps<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 3>, View<Cuda, half, 4>);

}  // namespace espalier
