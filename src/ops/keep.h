// Values that a sampler holds.
#pragma once

#include "runtime/queue.h"

namespace espalier {

// x[i] = (1 - t) known[i] + t noise[i] where kept[i] is not 0; elsewhere x stays. At t = 0 that is known, bit for bit. All [n].
template <class Dev, class T>
void keep_known(Queue<Dev>& queue, In<Dev, T, 1> known, In<Dev, T, 1> noise, In<Dev, std::uint8_t, 1> kept, float t,
                View<Dev, T, 1> x);

}  // namespace espalier
