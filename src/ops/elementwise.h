// Small elementwise operations. Views are contiguous unless said; `out` may be an input of the same type.
#pragma once

#include "ops/gemm.h"
#include "runtime/queue.h"

namespace espalier {

// The only conversion between element types. Rounds to nearest even.
template <class Dev, class From, class To>
void cast(Queue<Dev>& queue, View<Dev, const From, 1> x, View<Dev, To, 1> out);

// out = activation(x)
template <class Dev, class T>
void activate(Queue<Dev>& queue, In<Dev, T, 1> x, Activation activation, View<Dev, T, 1> out);

// out = a x + b y (+ nothing else): guidance, Euler steps, averages. x, y, out [n].
template <class Dev, class T>
void combine(Queue<Dev>& queue, float a, In<Dev, T, 1> x, float b, In<Dev, T, 1> y, View<Dev, T, 1> out);

// x[r, :] += gate[batch(r), :] * h[r, :]; gate empty means 1; row_batch empty means element 0.
template <class Dev, class T>
void add_gated(Queue<Dev>& queue, View<Dev, T, 2> x, In<Dev, T, 2> h, In<Dev, T, 2> gate, In<Dev, std::int32_t, 1> row_batch);

// out[r, c] = x[r, c] * scale[c] + shift[c]; scale or shift may be empty (1 and 0). All [rows, channels]; rows of x and
// out may be strided, so this also copies columns.
template <class Dev, class T>
void scale_columns(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 1> scale, In<Dev, T, 1> shift, View<Dev, T, 2> out);

// x[r, :] += table[r mod period, :] with table [period, channels]: position embeddings of equal batch elements.
template <class Dev, class T>
void add_rows(Queue<Dev>& queue, View<Dev, T, 2> x, In<Dev, T, 2> table);

// out[i, :] = x[index[i], :]; an index of -1 gives zeros. x [n, c] (rows may be strided), out [m, c] (rows may be strided).
template <class Dev, class T>
void gather_rows(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, std::int32_t, 1> index, View<Dev, T, 2> out);

// out[m, :] = sum of x[child[i], :] for i in [begin[m], begin[m + 1]), in that order, divided by their number + 1.
// The reference's sparse downsampling (its scatter mean counts a zero row). begin [m + 1], child [n].
template <class Dev, class T>
void mean_children(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, std::int32_t, 1> begin, In<Dev, std::int32_t, 1> child,
                   View<Dev, T, 2> out);

// out[r, c] = silu(x[r, c]) * x[r, hidden + c].  x [rows, 2 hidden], out [rows, hidden]: the gate of SwiGLU (Shazeer 2020).
template <class Dev, class T>
void gated_silu(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> out);

}  // namespace espalier
