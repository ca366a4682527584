#include "ops/keep.h"

#include "parallel/for_each.h"

namespace espalier {

template <class Dev, class T>
void keep_known(Queue<Dev>& queue, In<Dev, T, 1> known, In<Dev, T, 1> noise, In<Dev, std::uint8_t, 1> kept, float t,
                View<Dev, T, 1> x) {
  require(known.size() == x.size() && noise.size() == x.size() && kept.size() == x.size(), "keep_known", known.size(),
          " values, ", noise.size(), " of noise and ", kept.size(), " marks for ", x.size());
  const auto step = [=](std::int64_t i) {
    if (kept.data()[i] == 0) return;
    x.data()[i] = t == 0.0F ? known.data()[i] : (1.0F - t) * known.data()[i] + t * noise.data()[i];
  };
  for_each(queue, "keep_known", x.size(), step);
}
template void keep_known<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 1>, In<Cpu, float, 1>, In<Cpu, std::uint8_t, 1>, float,
                                     View<Cpu, float, 1>);

}  // namespace espalier
