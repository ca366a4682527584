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

// The neighbour map after every voxel was divided into its 8 children (child row = 8 * parent + 4 i + 2 j + k).
// parents [n, 27] -> out [8 n, 27]. Every child of an existing parent exists.
template <class Dev>
void subdivide_neighbours(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out);
// The same map, but naming the parent of each neighbouring child (its row divided by 8): the map of a convolution whose
// input rows are still those of the parents. `parents` of both functions may be a range of the rows of a map.
template <class Dev>
void subdivide_neighbours_to_parents(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out);

// Coordinates of the children: parents [n, 4] (batch, x, y, z) -> out [8 n, 4], z fastest.
template <class Dev>
void subdivide_coords(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out);

// out[8 r + i, :] = x[r, :].  x [n, c], out [8 n, c].
template <class Dev, class T>
void repeat_children(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> out);

}  // namespace espalier
