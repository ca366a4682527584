// Pooling and resampling of feature maps, which are channels-last [batch, height, width, channels] and contiguous.
#pragma once

#include "ops/convolution.h"

namespace espalier {

// out = the largest value in the window, ignoring what lies outside the image; every output must see at least one input.
// x [batch, h, w, c], out [batch, h', w', c].
template <class Dev, class T>
void max_pool2d(Queue<Dev>& queue, In<Dev, T, 4> x, const Window& window, View<Dev, T, 4> out);

// Where an output pixel lies in the input, along one axis: step * i + offset, in pixels of the input.
struct Sampling {
  float step = 1.0F;
  float offset = 0.0F;
};

// Bilinear interpolation of the four nearest inputs; positions beyond the border take the border's value.
// rows and columns: vertical and horizontal sampling. x [batch, h, w, c], out [batch, h', w', c].
template <class Dev, class T>
void resize_bilinear(Queue<Dev>& queue, In<Dev, T, 4> x, const Sampling& rows, const Sampling& columns, View<Dev, T, 4> out);

}  // namespace espalier
