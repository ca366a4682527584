#include "ops/cuda/convolution.h"
#include "tensor/dtype.h"

namespace espalier {

template <class Dev, class T>
void conv3d(Queue<Dev>& queue, In<Dev, T, 5> x, In<Dev, T, 5> w, In<Dev, T, 1> bias, In<Dev, T, 5> residual,
            View<Dev, T, 5> out) {
  constexpr const char* kName = "conv3d";
  const std::int64_t rows = x.extent(0) * x.extent(1) * x.extent(2) * x.extent(3);
  const std::int64_t in = x.extent(4);
  const std::int64_t channels = out.extent(4);
  require(w.extents() == Extents<5>{channels, 3, 3, 3, in}, kName, "w is [", w.extent(0), ", ", w.extent(1), ", ", w.extent(2),
          ", ", w.extent(3), ", ", w.extent(4), "] for ", in, " channels in and ", channels, " out");
  for (int i = 0; i < 4; ++i) {
    require(out.extent(i) == x.extent(i), kName, "extent ", i, " of out is ", out.extent(i), ", of x ", x.extent(i));
  }
  cuda::Neighbours cells;
  cells.n0 = static_cast<int>(x.extent(1));
  cells.n1 = static_cast<int>(x.extent(2));
  cells.n2 = static_cast<int>(x.extent(3));
  // An absent residual has no extents to reshape.
  View<Dev, const T, 2> addend;
  if (residual.data() != nullptr) addend = residual.template reshape<2>({rows, channels});
  cuda::convolve<T>(queue, kName, x.template reshape<2>({rows, in}), w.template reshape<3>({channels, cuda::kTaps, in}), bias,
                    cells, addend, out.template reshape<2>({rows, channels}));
}

template void conv3d(Queue<Cuda>&, In<Cuda, half, 5>, In<Cuda, half, 5>, In<Cuda, half, 1>, In<Cuda, half, 5>,
                     View<Cuda, half, 5>);
template void conv3d(Queue<Cuda>&, In<Cuda, float, 5>, In<Cuda, float, 5>, In<Cuda, float, 1>, In<Cuda, float, 5>,
                     View<Cuda, float, 5>);

}  // namespace espalier
