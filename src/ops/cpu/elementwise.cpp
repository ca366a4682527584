#include "ops/elementwise.h"

#include <cstring>

#include "ops/cpu/activation.h"
#include "ops/cpu/rows.h"
#include "parallel/parallel_for.h"
#include "tensor/dtype.h"

namespace espalier {
namespace {

// Calls body(begin, end) on ranges of n elements and returns; n must be the size of both views.
template <class From, class To, class Body>
void over_elements(const char* where, Queue<Cpu>& queue, View<Cpu, From, 1> x, View<Cpu, To, 1> out, Body body) {
  require(x.size() == out.size(), where, x.size(), " elements into ", out.size());
  if (queue.metering()) return;
  parallel_ranges(out.size(), grain_for(1), body);
}

void cast_values(Queue<Cpu>& queue, View<Cpu, const float, 1> x, View<Cpu, float, 1> out) {
  over_elements("cast", queue, x, out, [&](std::int64_t begin, std::int64_t end) {
    std::memmove(out.data() + begin, x.data() + begin, static_cast<std::size_t>(end - begin) * sizeof(float));
  });
}

void cast_values(Queue<Cpu>& queue, View<Cpu, const half, 1> x, View<Cpu, float, 1> out) {
  over_elements("cast", queue, x, out, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t i = begin;
#ifdef __F16C__
    for (; i + 8 <= end; i += 8) {
      const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(x.data() + i));
      _mm256_storeu_ps(out.data() + i, _mm256_cvtph_ps(bits));
    }
#endif
    for (; i < end; ++i) out.data()[i] = to_float(x.data()[i]);
  });
}

void cast_values(Queue<Cpu>& queue, View<Cpu, const float, 1> x, View<Cpu, half, 1> out) {
  over_elements("cast", queue, x, out, [&](std::int64_t begin, std::int64_t end) {
    std::int64_t i = begin;
#ifdef __F16C__
    for (; i + 8 <= end; i += 8) {
      const __m128i bits = _mm256_cvtps_ph(_mm256_loadu_ps(x.data() + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out.data() + i), bits);
    }
#endif
    for (; i < end; ++i) out.data()[i] = to_half(x.data()[i]);
  });
}

void cast_values(Queue<Cpu>& queue, View<Cpu, const bfloat16, 1> x, View<Cpu, float, 1> out) {
  over_elements("cast", queue, x, out, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out.data()[i] = to_float(x.data()[i]);
  });
}
}  // namespace
template <class Dev, class From, class To>
void cast(Queue<Dev>& queue, View<Dev, const From, 1> x, View<Dev, To, 1> out) {
  cast_values(queue, x, out);
}
template void cast<Cpu, float, float>(Queue<Cpu>&, View<Cpu, const float, 1>, View<Cpu, float, 1>);
template void cast<Cpu, half, float>(Queue<Cpu>&, View<Cpu, const half, 1>, View<Cpu, float, 1>);
template void cast<Cpu, float, half>(Queue<Cpu>&, View<Cpu, const float, 1>, View<Cpu, half, 1>);
template void cast<Cpu, bfloat16, float>(Queue<Cpu>&, View<Cpu, const bfloat16, 1>, View<Cpu, float, 1>);

template <class Dev, class T>
void activate(Queue<Dev>& queue, In<Dev, T, 1> x, Activation activation, View<Dev, T, 1> out) {
  over_elements("activate", queue, x, out, [&](std::int64_t begin, std::int64_t end) {
    cpu::activate_row(x.data() + begin, end - begin, activation, out.data() + begin);
  });
}
template void activate<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 1>, Activation, View<Cpu, float, 1>);

template <class Dev, class T>
void combine(Queue<Dev>& queue, float a, In<Dev, T, 1> x, float b, In<Dev, T, 1> y, View<Dev, T, 1> out) {
  require(y.size() == x.size(), "combine", "x has ", x.size(), " elements, y ", y.size());
  over_elements("combine", queue, x, out, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) out.data()[i] = a * x.data()[i] + b * y.data()[i];
  });
}
template void combine<Cpu, float>(Queue<Cpu>&, float, In<Cpu, float, 1>, float, In<Cpu, float, 1>, View<Cpu, float, 1>);

template <class Dev, class T>
void add_gated(Queue<Dev>& queue, View<Dev, T, 2> x, In<Dev, T, 2> h, In<Dev, T, 2> gate, In<Dev, std::int32_t, 1> row_batch) {
  require(x.extents() == h.extents(), "add_gated", "x and h differ in shape");
  require(gate.empty() || gate.extent(1) == x.extent(1), "add_gated", "the gate has ", gate.extent(1), " channels");
  require(row_batch.empty() || row_batch.extent(0) == x.extent(0), "add_gated", "row_batch has ", row_batch.extent(0), " rows");
  if (queue.metering()) return;
  const std::int64_t channels = x.extent(1);
  parallel_for(x.extent(0), grain_for(channels), [&](std::int64_t r) {
    cpu::add_gated_row(&x(r, 0), &h(r, 0), cpu::gate_of(gate, cpu::batch_of(row_batch, r)), channels);
  });
}
template void add_gated<Cpu, float>(Queue<Cpu>&, View<Cpu, float, 2>, In<Cpu, float, 2>, In<Cpu, float, 2>,
                                    In<Cpu, std::int32_t, 1>);

template <class Dev, class T>
void scale_columns(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 1> scale, In<Dev, T, 1> shift, View<Dev, T, 2> out) {
  const std::int64_t channels = x.extent(1);
  require(x.extents() == out.extents(), "scale_columns", "x and out differ in shape");
  require((scale.empty() || scale.extent(0) == channels) && (shift.empty() || shift.extent(0) == channels), "scale_columns",
          "scale and shift need ", channels, " elements");
  if (queue.metering()) return;
  parallel_for(x.extent(0), grain_for(channels), [&](std::int64_t r) {
    const float* from = &x(r, 0);
    float* to = &out(r, 0);
    if (to != from) std::copy_n(from, channels, to);
    for (std::int64_t c = 0; c < scale.extent(0); ++c) to[c] *= scale.data()[c];
    for (std::int64_t c = 0; c < shift.extent(0); ++c) to[c] += shift.data()[c];
  });
}
template void scale_columns<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, In<Cpu, float, 1>, In<Cpu, float, 1>,
                                        View<Cpu, float, 2>);

template <class Dev, class T>
void add_rows(Queue<Dev>& queue, View<Dev, T, 2> x, In<Dev, T, 2> table) {
  const std::int64_t channels = x.extent(1);
  require(table.extent(1) == channels && table.extent(0) > 0, "add_rows", "the table is ", table.extent(0), " x ",
          table.extent(1), " for ", channels, " channels");
  if (queue.metering()) return;
  parallel_for(x.extent(0), grain_for(channels), [&](std::int64_t r) {
    float* to = &x(r, 0);
    const float* from = &table(r % table.extent(0), 0);
    for (std::int64_t c = 0; c < channels; ++c) to[c] += from[c];
  });
}
template void add_rows<Cpu, float>(Queue<Cpu>&, View<Cpu, float, 2>, In<Cpu, float, 2>);

template <class Dev, class T>
void gather_rows(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, std::int32_t, 1> index, View<Dev, T, 2> out) {
  const std::int64_t channels = out.extent(1);
  require(x.extent(1) == channels && index.extent(0) == out.extent(0), "gather_rows", "x has ", x.extent(1), " channels, out ",
          channels, "; ", index.extent(0), " indices for ", out.extent(0), " rows");
  if (queue.metering()) return;
  parallel_for(out.extent(0), grain_for(channels), [&](std::int64_t r) {
    if (index(r) < 0) {
      std::fill_n(&out(r, 0), channels, 0.0F);
    } else {
      std::copy_n(&x(index(r), 0), channels, &out(r, 0));
    }
  });
}
template void gather_rows<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, In<Cpu, std::int32_t, 1>, View<Cpu, float, 2>);

template <class Dev, class T>
void mean_children(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, std::int32_t, 1> begin, In<Dev, std::int32_t, 1> child,
                   View<Dev, T, 2> out) {
  const std::int64_t channels = out.extent(1);
  require(x.extent(1) == channels && begin.extent(0) == out.extent(0) + 1, "mean_children", "x has ", x.extent(1),
          " channels, out ", channels, "; ", begin.extent(0), " begins for ", out.extent(0), " rows");
  if (queue.metering()) return;
  parallel_for(out.extent(0), grain_for(channels), [&](std::int64_t m) {
    float* to = &out(m, 0);
    std::fill_n(to, channels, 0.0F);
    for (std::int32_t i = begin(m); i < begin(m + 1); ++i) {
      const float* from = &x(child(i), 0);
      for (std::int64_t c = 0; c < channels; ++c) to[c] += from[c];
    }
    const auto divisor = static_cast<float>(begin(m + 1) - begin(m) + 1);
    for (std::int64_t c = 0; c < channels; ++c) to[c] /= divisor;
  });
}
template void mean_children<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, In<Cpu, std::int32_t, 1>, In<Cpu, std::int32_t, 1>,
                                        View<Cpu, float, 2>);

template <class Dev, class T>
void gated_silu(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> out) {
  const std::int64_t hidden = out.extent(1);
  require(x.extent(0) == out.extent(0) && x.extent(1) == 2 * hidden, "gated_silu", "x is ", x.extent(0), " x ", x.extent(1),
          ", out ", out.extent(0), " x ", hidden);
  if (queue.metering()) return;
  parallel_for(out.extent(0), grain_for(hidden), [&](std::int64_t r) {
    float* to = &out(r, 0);
    const float* factor = &x(r, hidden);
    cpu::activate_row(&x(r, 0), hidden, Activation::silu, to);
    for (std::int64_t c = 0; c < hidden; ++c) to[c] *= factor[c];
  });
}
template void gated_silu<Cpu, float>(Queue<Cpu>&, In<Cpu, float, 2>, View<Cpu, float, 2>);

}  // namespace espalier
