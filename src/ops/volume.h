// Rearrangements of dense volumes and images. Volumes inside the networks are channels-last [batch, x, y, z, channels]; files
// and latents are channels-first [batch, channels, x, y, z], as in the reference.
#pragma once

#include "runtime/queue.h"

namespace espalier {

// Channels-first volume -> tokens: out[b * g^3 + (i g + j) g + k, ((c p + px) p + py) p + pz] with g = side / p.
// x [batch, c, side, side, side], out [batch * g^3, c p^3].
template <class Dev, class T>
void patchify(Queue<Dev>& queue, In<Dev, T, 5> x, int patch, View<Dev, T, 2> out);
// The inverse: tokens [batch * g^3, c p^3] -> out [batch, c, side, side, side].
template <class Dev, class T>
void unpatchify(Queue<Dev>& queue, In<Dev, T, 2> tokens, int patch, View<Dev, T, 5> out);

// x [batch, c, n0, n1, n2] -> out [batch, n0, n1, n2, c], and back. The three sides may differ.
template <class Dev, class T>
void to_channels_last(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out);
template <class Dev, class T>
void to_channels_first(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out);

// Pixel shuffle by 2 of a channels-last volume: channel c * 8 + 4 i + 2 j + k goes to offset (i, j, k).
// x [batch, n0, n1, n2, 8 c] -> out [batch, 2 n0, 2 n1, 2 n2, c].
template <class Dev, class T>
void pixel_shuffle(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out);
// Blocks of 2^3 cells side by side: x [batch, n0, n1, n2, c] -> out [batch, n0/2, n1/2, n2/2, 8 c], cell (i, j, k) at
// channels (4 i + 2 j + k) c ...; a convolution with kernel and stride 2 is this and a linear layer.
template <class Dev, class T>
void space_to_depth(Queue<Dev>& queue, In<Dev, T, 5> x, View<Dev, T, 5> out);

// Patches of channels-first images as rows: x [batch, c, h, w] -> out [batch * (h/p) * (w/p), c p p], row-major in
// patches and (c, py, px) inside.
template <class Dev, class T>
void image_patches(Queue<Dev>& queue, In<Dev, T, 4> x, int patch, View<Dev, T, 2> out);

}  // namespace espalier
