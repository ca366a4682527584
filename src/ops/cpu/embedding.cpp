// Frequencies and phases are float32 like the reference's: a phase reaches a thousand radians, where the rounding of the
// frequency is visible in the result.
#include "ops/embedding.h"

#include <algorithm>
#include <cmath>

#include "ops/frequency.h"
#include "parallel/parallel_for.h"

namespace espalier {

template <class Dev>
void timestep_embedding(Queue<Dev>& queue, In<Dev, float, 1> t, View<Dev, float, 2> out) {
  require(t.extent(0) == out.extent(0), "timestep_embedding", t.extent(0), " times for ", out.extent(0), " rows");
  if (queue.metering()) return;
  const std::int64_t frequencies = out.extent(1) / 2;
  for (std::int64_t b = 0; b < out.extent(0); ++b) {
    for (std::int64_t i = 0; i < frequencies; ++i) {
      const float phase = t(b) * timestep_frequency(i, frequencies);
      out(b, i) = std::cos(phase);
      out(b, frequencies + i) = std::sin(phase);
    }
    if (out.extent(1) % 2 != 0) out(b, out.extent(1) - 1) = 0.0F;
  }
}
template void timestep_embedding<Cpu>(Queue<Cpu>&, In<Cpu, float, 1>, View<Cpu, float, 2>);

template <class Dev, class T>
void position_embedding(Queue<Dev>& queue, In<Dev, std::int32_t, 2> coords, View<Dev, T, 2> out) {
  require(coords.extent(0) == out.extent(0) && coords.extent(1) >= 2, "position_embedding", "coords are ", coords.extent(0),
          " x ", coords.extent(1), " for ", out.extent(0), " rows");
  const std::int64_t width = out.extent(1);
  const std::int64_t axes = coords.extent(1) - 1;
  const std::int64_t frequencies = width / axes / 2;
  auto& scratch = queue.scratch();
  const Frame<Cpu> frame(scratch);
  const auto frequency = scratch.template take<float, 1>({frequencies});
  if (queue.metering()) return;
  for (std::int64_t i = 0; i < frequencies; ++i) {
    const float exponent = static_cast<float>(i) / static_cast<float>(frequencies);
    frequency(i) = 1.0F / static_cast<float>(std::pow(10000.0, static_cast<double>(exponent)));
  }
  parallel_for(out.extent(0), 16, [&](std::int64_t r) {
    float* row = &out(r, 0);
    for (std::int64_t axis = 0; axis < axes; ++axis, row += 2 * frequencies) {
      const auto position = static_cast<float>(coords(r, axis + 1));
      for (std::int64_t i = 0; i < frequencies; ++i) {
        row[i] = std::sin(position * frequency(i));
        row[frequencies + i] = std::cos(position * frequency(i));
      }
    }
    std::fill(row, &out(r, 0) + width, 0.0F);
  });
}
template void position_embedding<Cpu, float>(Queue<Cpu>&, In<Cpu, std::int32_t, 2>, View<Cpu, float, 2>);

}  // namespace espalier
