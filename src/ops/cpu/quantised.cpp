#include "ops/quantised.h"

#include <algorithm>
#include <cmath>

#include "parallel/parallel_for.h"

namespace espalier {

template <class Dev, class T, class Q>
void expand(Queue<Dev>& queue, const ScaledMatrix<Dev, Q>& from, View<Dev, T, 2> out) {
  require(from.values.extents() == out.extents() && from.scales.size() == out.extent(0) && out.contiguous(), "expand",
          from.extent(0), " x ", from.extent(1), " with ", from.scales.size(), " scales into ", out.extent(0), " x ",
          out.extent(1));
  if (queue.metering() || out.empty()) return;
  const std::int64_t width = out.extent(1);
  parallel_for(out.extent(0), grain_for(width), [&](std::int64_t r) {
    const Q* const row = &from.values(r, 0);
    const float scale = from.scales(r);
    for (std::int64_t c = 0; c < width; ++c) {
      if constexpr (std::is_same_v<Q, float8>) {
        out(r, c) = to_float(row[c]) * scale;
      } else {
        out(r, c) = static_cast<float>(row[c]) * scale;
      }
    }
  });
}
template void expand<Cpu, float, std::int8_t>(Queue<Cpu>&, const Int8Matrix<Cpu>&, View<Cpu, float, 2>);
template void expand<Cpu, float, float8>(Queue<Cpu>&, const Float8Matrix<Cpu>&, View<Cpu, float, 2>);

template <class Dev, class T>
void quantise_rows(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, float8, 2> values, View<Dev, float, 1> scales) {
  require(x.extents() == values.extents() && scales.size() == x.extent(0) && values.contiguous(), "quantise_rows", x.extent(0),
          " x ", x.extent(1), " into ", values.extent(0), " x ", values.extent(1), " with ", scales.size(), " scales");
  if (queue.metering() || x.empty()) return;
  const std::int64_t width = x.extent(1);
  parallel_for(x.extent(0), grain_for(width), [&](std::int64_t r) {
    const float* const row = &x(r, 0);
    float largest = 0.0F;
    for (std::int64_t c = 0; c < width; ++c) largest = std::max(largest, std::isfinite(row[c]) ? std::fabs(row[c]) : HUGE_VALF);
    const float scale = scale_for<float8>(largest);
    scales(r) = scale;
    for (std::int64_t c = 0; c < width; ++c) values(r, c) = to_float8(over_scale(row[c], scale));
  });
}
template void quantise_rows<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, View<Cpu, float8, 2>, View<Cpu, float, 1>);

template <class Dev>
bool multiplies_float8(const Queue<Dev>& /*queue*/) {
  return false;
}
template bool multiplies_float8<Cpu>(const Queue<Cpu>&);

template <class Dev, class T, class Q>
void linear(Queue<Dev>& queue, In<Dev, T, 2> x, const ScaledMatrix<Dev, Q>& w, In<Dev, T, 1> bias, Activation activation,
            View<Dev, T, 2> out) {
  const Frame<Dev> frame(queue.scratch());
  auto expanded = queue.scratch().template take<T, 2>(w.values.extents());
  expand<Dev, T, Q>(queue, w, expanded);
  linear<Dev, T>(queue, x, expanded, bias, activation, out);
}
template void linear<Cpu, float, std::int8_t>(Queue<Cpu>&, In<Cpu, float, 2>, const Int8Matrix<Cpu>&, In<Cpu, float, 1>,
                                              Activation, View<Cpu, float, 2>);

}  // namespace espalier
