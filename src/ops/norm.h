// Normalisations. Statistics and arithmetic are float32 whatever T is; one rounding to the output type at the end.
#pragma once

#include "ops/gemm.h"
#include "runtime/queue.h"

namespace espalier {

// What follows the normalisation n of a row: n * gain + bias, then n * (1 + scale) + shift, then the activation; each
// part only when its views are not empty.
template <class Dev, class T>
struct NormTail {
  View<Dev, const float, 1> gain, bias;        // [channels]
  View<Dev, const T, 2> shift, scale;          // [batch, channels], rows may be strided
  View<Dev, const std::int32_t, 1> row_batch;  // [rows]: batch element of each row; empty means element 0
  Activation activation = Activation::none;
};

// out = tail((x - mean(x)) / sqrt(var(x) + eps)) for each row.  x [rows, channels], out [rows, channels] of type U; rows
// may be strided; out may be x when the types agree. Variance is the biased one (Ba et al. 2016, eq. 4).
template <class Dev, class T, class U>
void layer_norm(Queue<Dev>& queue, View<Dev, const T, 2> x, const std::type_identity_t<NormTail<Dev, T>>& tail, float eps,
                View<Dev, U, 2> out);

// x += gate * h (gate [batch, channels], 1 when empty, rows by tail.row_batch), then out = layer_norm(x). The pair that
// joins every two parts of a transformer block, in one pass over memory. x, out [rows, channels]; h the same, or the first rows
// of that, and the others of h are all `rest` [1, channels].
template <class Dev, class T>
void add_layer_norm(Queue<Dev>& queue, View<Dev, T, 2> x, In<Dev, T, 2> h, In<Dev, T, 2> gate,
                    const std::type_identity_t<NormTail<Dev, T>>& tail, float eps, View<Dev, T, 2> out,
                    In<Dev, T, 2> rest = {});

// x[r, h, :] = x / max(||x||_2, 1e-12) * gamma[h, :] * sqrt(width), in place.  x [rows, heads, width], rows may be strided.
template <class Dev, class T>
void rms_norm_heads(Queue<Dev>& queue, View<Dev, T, 3> x, In<Dev, float, 2> gamma);

// Group norm over all rows of a batch element and the channels of a group (Wu and He 2018), then gain, bias, activation.
// x, out [rows, channels] contiguous; begin [batch + 1] on the host: rows of element b are begin[b] ... begin[b + 1] - 1.
// gain and bias may be empty (1 and 0). Takes scratch from the queue's arena (the sums of chunks of rows); deterministic.
template <class Dev, class T, class U>
void group_norm(Queue<Dev>& queue, View<Dev, const T, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                In<Dev, float, 1> gain, In<Dev, float, 1> bias, float eps, Activation activation, View<Dev, U, 2> out);

}  // namespace espalier
