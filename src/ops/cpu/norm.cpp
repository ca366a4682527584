// Sums are float64 and in the order of the columns: plain enough to be the oracle of the CUDA kernels, and the work is
// bound by memory anyway.
#include "ops/norm.h"

#include <cmath>

#include "ops/cpu/activation.h"
#include "ops/cpu/rows.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

struct Statistics {
  float mean, inverse_deviation;
};

Statistics statistics(const float* x, std::int64_t n, float eps) {
  double sum = 0;
  for (std::int64_t c = 0; c < n; ++c) sum += x[c];
  const double mean = sum / static_cast<double>(n);
  double squares = 0;
  for (std::int64_t c = 0; c < n; ++c) squares += (x[c] - mean) * (x[c] - mean);
  return {static_cast<float>(mean), static_cast<float>(1.0 / std::sqrt(squares / static_cast<double>(n) + eps))};
}

void check_tail(const char* where, const NormTail<Cpu, float>& tail, std::int64_t rows, std::int64_t channels) {
  const auto fits = [&](const auto& view) { return view.empty() || view.extent(view.rank - 1) == channels; };
  require(fits(tail.gain) && fits(tail.bias) && fits(tail.shift) && fits(tail.scale), where, "the tail has other than ",
          channels, " channels");
  require(tail.row_batch.empty() || tail.row_batch.extent(0) == rows, where, "row_batch has ", tail.row_batch.extent(0), " of ",
          rows, " rows");
}

// One row; out may be x.
void normalise_row(const float* x, std::int64_t row, std::int64_t channels, const NormTail<Cpu, float>& tail, float eps,
                   float* out) {
  const Statistics s = statistics(x, channels, eps);
  for (std::int64_t c = 0; c < channels; ++c) out[c] = (x[c] - s.mean) * s.inverse_deviation;
  if (!tail.gain.empty()) {
    for (std::int64_t c = 0; c < channels; ++c) out[c] *= tail.gain.data()[c];
  }
  if (!tail.bias.empty()) {
    for (std::int64_t c = 0; c < channels; ++c) out[c] += tail.bias.data()[c];
  }
  const std::int64_t b = cpu::batch_of(tail.row_batch, row);
  if (!tail.scale.empty()) {
    const float* scale = &tail.scale(b, 0);
    for (std::int64_t c = 0; c < channels; ++c) out[c] *= 1.0F + scale[c];
  }
  if (!tail.shift.empty()) {
    const float* shift = &tail.shift(b, 0);
    for (std::int64_t c = 0; c < channels; ++c) out[c] += shift[c];
  }
  cpu::activate_row(out, channels, tail.activation, out);
}

}  // namespace

template <class Dev, class T, class U>
void layer_norm(Queue<Dev>& queue, View<Dev, const T, 2> x, const std::type_identity_t<NormTail<Dev, T>>& tail, float eps,
                View<Dev, U, 2> out) {
  require(x.extents() == out.extents(), "layer_norm", "x and out differ in shape");
  check_tail("layer_norm", tail, x.extent(0), x.extent(1));
  if (queue.metering() || out.empty()) return;
  parallel_for(x.extent(0), grain_for(x.extent(1)),
               [&](std::int64_t r) { normalise_row(&x(r, 0), r, x.extent(1), tail, eps, &out(r, 0)); });
}
template void layer_norm<Cpu, float, float>(Queue<Cpu>&, View<Cpu, const float, 2>, const NormTail<Cpu, float>&, float,
                                            View<Cpu, float, 2>);

template <class Dev, class T>
void add_layer_norm(Queue<Dev>& queue, View<Dev, T, 2> x, In<Dev, T, 2> h, In<Dev, T, 2> gate,
                    const std::type_identity_t<NormTail<Dev, T>>& tail, float eps, View<Dev, T, 2> out, In<Dev, T, 2> rest) {
  const std::int64_t given = rest.empty() ? x.extent(0) : h.extent(0);
  require(x.extents() == out.extents() && h.extents() == Extents<2>{given, x.extent(1)} && given <= x.extent(0) &&
              (rest.empty() || rest.extents() == Extents<2>{1, x.extent(1)}),
          "add_layer_norm", "x, h and out differ in shape");
  require(gate.empty() || gate.extent(1) == x.extent(1), "add_layer_norm", "the gate has ", gate.extent(1), " channels");
  check_tail("add_layer_norm", tail, x.extent(0), x.extent(1));
  if (queue.metering() || out.empty()) return;
  const std::int64_t channels = x.extent(1);
  parallel_for(x.extent(0), grain_for(channels), [&](std::int64_t r) {
    float* sum = &x(r, 0);
    cpu::add_gated_row(sum, r < given ? &h(r, 0) : &rest(0, 0), cpu::gate_of(gate, cpu::batch_of(tail.row_batch, r)), channels);
    normalise_row(sum, r, channels, tail, eps, &out(r, 0));
  });
}
template void add_layer_norm<Cpu, float>(Queue<Cpu>&, View<Cpu, float, 2>, In<Cpu, float, 2>, In<Cpu, float, 2>,
                                         const NormTail<Cpu, float>&, float, View<Cpu, float, 2>, In<Cpu, float, 2>);

template <class Dev, class T>
void rms_norm_heads(Queue<Dev>& queue, View<Dev, T, 3> x, In<Dev, float, 2> gamma) {
  const std::int64_t heads = x.extent(1);
  const std::int64_t width = x.extent(2);
  require(gamma.extent(0) == heads && gamma.extent(1) == width, "rms_norm_heads", "gamma is ", gamma.extent(0), " x ",
          gamma.extent(1), " for ", heads, " heads of ", width);
  if (queue.metering() || x.empty()) return;
  parallel_for(x.extent(0), grain_for(heads * width), [&](std::int64_t r) {
    for (std::int64_t h = 0; h < heads; ++h) {
      float* head = &x(r, h, 0);
      double squares = 0;
      for (std::int64_t c = 0; c < width; ++c) squares += static_cast<double>(head[c]) * head[c];
      const double norm = std::max(std::sqrt(squares), 1e-12);
      const auto factor = static_cast<float>(std::sqrt(static_cast<double>(width)) / norm);
      for (std::int64_t c = 0; c < width; ++c) head[c] *= factor * gamma(h, c);
    }
  });
}
template void rms_norm_heads<Cpu, float>(Queue<Cpu>&, View<Cpu, float, 3>, In<Cpu, float, 2>);

namespace {

// Rows that one task adds up. The partial sums are then added in order, so the result does not depend on the number of
// cores.
constexpr std::int64_t kRowsPerPart = 512;

// mean[c] = the mean of f(x[r, c], c) over rows r in [first, last) and over the channels of the group that c belongs to.
template <class Function>
void group_means(View<Cpu, const float, 2> x, std::int64_t first, std::int64_t last, std::int64_t groups,
                 View<Cpu, double, 2> parts, Function f, double* mean) {
  const std::int64_t channels = x.extent(1);
  const std::int64_t count = (last - first + kRowsPerPart - 1) / kRowsPerPart;
  parallel_for(count, 1, [&](std::int64_t p) {
    double* sums = &parts(p, 0);
    std::fill_n(sums, channels, 0.0);
    const std::int64_t end = std::min(last, first + (p + 1) * kRowsPerPart);
    for (std::int64_t r = first + p * kRowsPerPart; r < end; ++r) {
      const float* row = &x(r, 0);
      for (std::int64_t c = 0; c < channels; ++c) sums[c] += f(row[c], c);
    }
  });
  const std::int64_t width = channels / groups;
  for (std::int64_t g = 0; g < groups; ++g) {
    double sum = 0;
    for (std::int64_t p = 0; p < count; ++p) {
      for (std::int64_t c = g * width; c < (g + 1) * width; ++c) sum += parts(p, c);
    }
    std::fill_n(mean + g * width, width, sum / static_cast<double>((last - first) * width));
  }
}

}  // namespace

template <class Dev, class T, class U>
void group_norm(Queue<Dev>& queue, View<Dev, const T, 2> x, View<Cpu, const std::int64_t, 1> begin, int groups,
                In<Dev, float, 1> gain, In<Dev, float, 1> bias, float eps, Activation activation, View<Dev, U, 2> out) {
  const std::int64_t rows = x.extent(0);
  const std::int64_t channels = x.extent(1);
  require(x.extents() == out.extents() && groups > 0 && channels % groups == 0, "group_norm", channels, " channels in ", groups,
          " groups");
  require((gain.empty() || gain.extent(0) == channels) && (bias.empty() || bias.extent(0) == channels), "group_norm",
          "gain and bias need ", channels, " elements");
  auto& scratch = queue.scratch();
  const Frame<Cpu> frame(scratch);
  const auto parts = scratch.template take<double, 2>({rows / kRowsPerPart + 1, channels});
  const auto mean = scratch.template take<double, 1>({channels});
  const auto variance = scratch.template take<double, 1>({channels});
  const auto scale = scratch.template take<float, 1>({channels});
  const auto subtract = scratch.template take<float, 1>({channels});
  if (queue.metering()) return;
  for (std::int64_t b = 0; b + 1 < begin.extent(0); ++b) {
    const std::int64_t first = begin(b);
    const std::int64_t last = begin(b + 1);
    if (first == last) continue;
    const double* centre = mean.data();
    group_means(
        x, first, last, groups, parts, [](float v, std::int64_t) { return static_cast<double>(v); }, mean.data());
    group_means(
        x, first, last, groups, parts, [=](float v, std::int64_t c) { return (v - centre[c]) * (v - centre[c]); },
        variance.data());
    for (std::int64_t c = 0; c < channels; ++c) {
      subtract(c) = static_cast<float>(mean(c));
      scale(c) = static_cast<float>((gain.empty() ? 1.0F : gain(c)) / std::sqrt(variance(c) + eps));
    }
    parallel_for(last - first, grain_for(channels), [&](std::int64_t i) {
      const float* from = &x(first + i, 0);
      float* to = &out(first + i, 0);
      for (std::int64_t c = 0; c < channels; ++c) to[c] = (from[c] - subtract.data()[c]) * scale.data()[c];
      for (std::int64_t c = 0; c < bias.extent(0); ++c) to[c] += bias.data()[c];
      cpu::activate_row(to, channels, activation, to);
    });
  }
}
template void group_norm<Cpu, float, float>(Queue<Cpu>&, View<Cpu, const float, 2>, View<Cpu, const std::int64_t, 1>, int,
                                            In<Cpu, float, 1>, In<Cpu, float, 1>, float, Activation, View<Cpu, float, 2>);

}  // namespace espalier
