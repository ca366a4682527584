// Submanifold convolution (Graham and van der Maaten 2017): outputs exist where inputs exist.
#pragma once

#include "runtime/queue.h"

namespace espalier {

// out[r] = bias + residual[r] + sum_k w[:, k, :] x[neighbours[r, k]], cross-correlation without flip.
// x [n, in]; w [out, 27, in] with tap k = (kx * 3 + ky) * 3 + kz and offset (kx, ky, kz) - 1; bias [out];
// neighbours [m, 27], -1 where there is no voxel; residual [m, out] or empty; out [m, out], may be residual.
// m may be a range of the rows of the map, so that a large tensor can be done in tiles. Takes scratch from the queue's
// arena. Accumulates in float32.
template <class Dev, class T>
void submanifold_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 3> w, In<Dev, T, 1> bias,
                      In<Dev, std::int32_t, 2> neighbours, In<Dev, T, 2> residual, View<Dev, T, 2> out);

// The same, without a residual, where rows of x are neighbours of many rows each (m is several times n), as after voxels took
// over the features of coarser cells. Halves on a GPU: every row meets every weight once, and the products, rounded to halves,
// are added up in the order of the taps.
template <class Dev, class T>
void shared_rows_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 3> w, In<Dev, T, 1> bias,
                      In<Dev, std::int32_t, 2> neighbours, View<Dev, T, 2> out);

// The neighbour map after every voxel was divided into its 8 children (child row = 8 * parent + 4 i + 2 j + k).
// parents [n, 27], which may be a range of the rows of a map, -> out [8 n, 27]. Every child of an existing parent exists.
template <class Dev>
void subdivide_neighbours(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out);

// The weights of a submanifold convolution right after a subdivision, when all children still have the features of their
// parent: for each child, the taps that meet the same parent added up (ops/child_taps.h). Sums in float32.
// w [out, 27, in] -> folded [8 children, out, 8, in].
template <class Dev, class T>
void fold_child_taps(Queue<Dev>& queue, In<Dev, T, 3> w, View<Dev, T, 4> folded);
// That convolution: what submanifold_conv makes of repeat_children(x), up to the rounding of the folded weights.
// x [n, in]; parents [m, 27], a range of the rows of their map; out [8 m, out]. Takes scratch from the queue's arena.
template <class Dev, class T>
void child_conv(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 4> folded, In<Dev, T, 1> bias, In<Dev, std::int32_t, 2> parents,
                View<Dev, T, 2> out);

// Coordinates of the children: parents [n, 4] (batch, x, y, z) -> out [8 n, 4], z fastest.
template <class Dev>
void subdivide_coords(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out);

// out[8 r + i, :] = x[r, :].  x [n, c], out [8 n, c].
template <class Dev, class T>
void repeat_children(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> out);

}  // namespace espalier
