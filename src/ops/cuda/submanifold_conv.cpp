#include "ops/cuda/convolution.h"
#include "tensor/dtype.h"

namespace espalier {

template <class Dev, class T>
void submanifold_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 3> w, In<Dev, T, 1> bias,
                      In<Dev, std::int32_t, 2> neighbours, In<Dev, T, 2> residual, View<Dev, T, 2> out) {
  constexpr const char* kName = "submanifold_conv";
  require(neighbours.extent(0) == out.extent(0) && neighbours.extent(1) == cuda::kTaps && neighbours.contiguous(), kName,
          "neighbours [", neighbours.extent(0), ", ", neighbours.extent(1), "] for ", out.extent(0), " rows");
  cuda::Neighbours table;
  table.table = neighbours.data();
  cuda::convolve<T>(queue, kName, x, w, bias, table, residual, out);
}

template <class Dev, class T>
void child_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 4> folded, In<Dev, T, 1> bias, In<Dev, std::int32_t, 2> parents,
                View<Dev, T, 2> out) {
  constexpr const char* kName = "child_conv";
  const std::int64_t channels = out.extent(1);
  require(parents.extent(1) == cuda::kTaps && parents.contiguous() && out.extent(0) == kChildren * parents.extent(0), kName,
          "parents [", parents.extent(0), ", ", parents.extent(1), "] for ", out.extent(0), " rows");
  require(folded.extents() == Extents<4>{kChildren, channels, kChildTaps, x.extent(1)}, kName, "weights [", folded.extent(0),
          ", ", folded.extent(1), ", ", folded.extent(2), ", ", folded.extent(3), "] for ", x.extent(1), " inputs and ",
          channels, " outputs");
  cuda::Neighbours table;
  table.table = parents.data();
  table.taps = kChildTaps;
  table.children = kChildren;
  const auto w = folded.template reshape<3>({kChildren * channels, kChildTaps, x.extent(1)});
  cuda::convolve<T>(queue, kName, x, w, bias, table, {}, out);
}

template void child_conv(Queue<Cuda>&, In<Cuda, half, 2>, In<Cuda, half, 4>, In<Cuda, half, 1>, In<Cuda, std::int32_t, 2>,
                         View<Cuda, half, 2>);
template void child_conv(Queue<Cuda>&, In<Cuda, float, 2>, In<Cuda, float, 4>, In<Cuda, float, 1>, In<Cuda, std::int32_t, 2>,
                         View<Cuda, float, 2>);
template void submanifold_conv(Queue<Cuda>&, In<Cuda, half, 2>, In<Cuda, half, 3>, In<Cuda, half, 1>, In<Cuda, std::int32_t, 2>,
                               In<Cuda, half, 2>, View<Cuda, half, 2>);
template void submanifold_conv(Queue<Cuda>&, In<Cuda, float, 2>, In<Cuda, float, 3>, In<Cuda, float, 1>,
                               In<Cuda, std::int32_t, 2>, In<Cuda, float, 2>, View<Cuda, float, 2>);

}  // namespace espalier
