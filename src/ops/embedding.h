// Sinusoidal embeddings.
#pragma once

#include "runtime/queue.h"

namespace espalier {

// out[b] = [cos(t_b f_0) ... cos(t_b f_{h-1}), sin(t_b f_0) ... sin(t_b f_{h-1})] with h = width / 2 and
// f_i = exp(-ln(10000) i / h); an odd width ends with a zero. t [batch], out [batch, width]. (GLIDE, Nichol et al. 2021.)
template <class Dev>
void timestep_embedding(Queue<Dev>& queue, In<Dev, float, 1> t, View<Dev, float, 2> out);

// Position embedding of integer coordinates: per axis sines then cosines of c * 10000^(-i / f), f = width / axes / 2;
// axes one after another; zeros at the end. coords [rows, 1 + axes] with the batch index first, which is ignored;
// out [rows, width]. Takes scratch from the queue's arena.
template <class Dev, class T>
void position_embedding(Queue<Dev>& queue, In<Dev, std::int32_t, 2> coords, View<Dev, T, 2> out);

}  // namespace espalier
