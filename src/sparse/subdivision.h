// Division of every voxel into its 8 children: tables of neighbours, coordinates and features.
#pragma once

#include "runtime/queue.h"

namespace espalier {

// The neighbour map after every voxel was divided into its 8 children (child row = 8 * parent + 4 i + 2 j + k).
// parents [n, 27], which may be a range of the rows of a map, -> out [8 n, 27]. Every child of an existing parent exists.
template <class Dev>
void subdivide_neighbours(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out);

// Coordinates of the children: parents [n, 4] (batch, x, y, z) -> out [8 n, 4], z fastest.
template <class Dev>
void subdivide_coords(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out);

// out[8 r + i, :] = x[r, :].  x [n, c], out [8 n, c].
template <class Dev, class T>
void repeat_children(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> out);

}  // namespace espalier
