// Scaled dot-product attention over packed sequences of any length.
#pragma once

#include "runtime/queue.h"

namespace espalier {

// How rows of a matrix form sequences: sequence s has the rows order[begin[s]] ... order[begin[s + 1] - 1], or those
// indices themselves when `order` is empty. A row belongs to one sequence at most. Windows of a sparse tensor are
// sequences with an `order`; batch elements are sequences without one.
template <class Dev>
struct Packing {
  View<Dev, const std::int32_t, 1> begin;  // [sequences + 1], ascending from 0
  View<Dev, const std::int32_t, 1> order;  // [rows] or empty
  std::int64_t longest = 0;                // the longest sequence, for launch sizes
  [[nodiscard]] std::int64_t sequences() const { return begin.extent(0) - 1; }
};

// out = softmax(scale q k^T) v for each head and sequence; query sequence s sees exactly the keys of key sequence s.
// q [rows, heads, width], k and v [key rows, heads, width], out [rows, heads, width]; the row strides are free, so q, k
// and v may be columns of one projection. Both packings have the same number of sequences. A query whose key sequence is
// empty gives zeros. Softmax in float32. Width up to 256; scale > 0. Takes scratch from the queue's arena.
// Source: Vaswani et al. 2017, eq. 1; the CUDA kernels use the online softmax of Milakov and Gimelshein 2018 and the
// tiling of Dao 2023.
template <class Dev, class T>
void attention(Queue<Dev>& queue, In<Dev, T, 3> q, In<Dev, T, 3> k, In<Dev, T, 3> v,
               const std::type_identity_t<Packing<Dev>>& queries, const std::type_identity_t<Packing<Dev>>& keys, float scale,
               View<Dev, T, 3> out);

// The same where a query sees no later key: row i of a sequence sees its keys 0 ... i. q, k, v and out are packed alike.
// Meant for the short sequences of text: its CUDA kernel has no tiles.
template <class Dev, class T>
void causal_attention(Queue<Dev>& queue, In<Dev, T, 3> q, In<Dev, T, 3> k, In<Dev, T, 3> v,
                      const std::type_identity_t<Packing<Dev>>& packing, float scale, View<Dev, T, 3> out);

}  // namespace espalier
