#include "ops/cuda/convolution.h"
#include "tensor/dtype.h"

namespace espalier {

template <class Dev, class T>
void conv2d(Queue<Dev>& queue, In<Dev, T, 4> x, In<Dev, T, 4> w, In<Dev, T, 1> bias, const Window& window,
            Activation activation, View<Dev, T, 4> out) {
  check_conv2d(x.extents(), w.extents(), bias.extent(0), window, activation, out.extents());
  const std::int64_t in = x.extent(3), channels = out.extent(3);
  cuda::Neighbours pixels;
  pixels.taps = window.kernel[0] * window.kernel[1];
  pixels.images = {static_cast<int>(x.extent(1)), static_cast<int>(x.extent(2)), static_cast<int>(out.extent(1)),
                   static_cast<int>(out.extent(2)), window};
  cuda::convolve<T>(queue, "conv2d", x.template reshape<2>({x.extent(0) * x.extent(1) * x.extent(2), in}),
                    w.template reshape<3>({channels, pixels.taps, in}), bias, pixels, {},
                    out.template reshape<2>({out.extent(0) * out.extent(1) * out.extent(2), channels}), activation);
}

template void conv2d(Queue<Cuda>&, In<Cuda, half, 4>, In<Cuda, half, 4>, In<Cuda, half, 1>, const Window&, Activation,
                     View<Cuda, half, 4>);
template void conv2d(Queue<Cuda>&, In<Cuda, float, 4>, In<Cuda, float, 4>, In<Cuda, float, 1>, const Window&, Activation,
                     View<Cuda, float, 4>);

}  // namespace espalier
