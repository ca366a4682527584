#include "ops/embedding.h"
#include "ops/frequency.h"
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"

namespace espalier {
namespace {

// The phase is a float32 product of a float32 frequency, as in the reference: at many radians the rounding shows.
struct TimestepBody {
  const float* t;
  float* out;
  std::int64_t width, stride;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t b = i / width;
    const std::int64_t column = i - b * width;
    const std::int64_t half_width = width / 2;
    float value = 0;
    if (column < 2 * half_width) {
      const std::int64_t k = column < half_width ? column : column - half_width;
      const float phase = t[b] * timestep_frequency(k, half_width);
      value = column < half_width ? cosf(phase) : sinf(phase);
    }
    out[b * stride + column] = value;
  }
};

// One thread per column and run of rows: the frequency of a column is computed once per run.
constexpr std::int64_t kRun = 64;

template <class T>
struct PositionBody {
  const std::int32_t* coords;
  T* out;
  std::int64_t rows, width, stride;
  int axes;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t run = i / width;
    const std::int64_t column = i - run * width;
    const std::int64_t frequencies = width / axes / 2;
    const std::int64_t axis = frequencies == 0 ? axes : column / (2 * frequencies);
    const std::int64_t end = min(rows, (run + 1) * kRun);
    if (axis >= axes) {
      for (std::int64_t row = run * kRun; row < end; ++row) out[row * stride + column] = cuda::narrow<T>(0.0F);
      return;
    }
    const std::int64_t within = column - axis * 2 * frequencies;
    const bool sine = within < frequencies;
    const std::int64_t k = sine ? within : within - frequencies;
    const float exponent = static_cast<float>(k) / static_cast<float>(frequencies);
    const float frequency = 1.0F / static_cast<float>(pow(10000.0, static_cast<double>(exponent)));
    for (std::int64_t row = run * kRun; row < end; ++row) {
      const float phase = static_cast<float>(coords[row * (axes + 1) + axis + 1]) * frequency;
      out[row * stride + column] = cuda::narrow<T>(sine ? sinf(phase) : cosf(phase));
    }
  }
};

template <class T>
void embed_positions(Queue<Cuda>& queue, In<Cuda, std::int32_t, 2> coords, View<Cuda, T, 2> out) {
  require(coords.extent(0) == out.extent(0) && coords.extent(1) >= 2 && coords.contiguous(), "position_embedding", "coords [",
          coords.extent(0), ", ", coords.extent(1), "], out [", out.extent(0), ", ", out.extent(1), "]");
  const std::int64_t runs = cuda::ceil_div(out.extent(0), kRun);
  for_each(queue, "position_embedding", runs * out.extent(1),
           PositionBody<T>{coords.data(), out.data(), out.extent(0), out.extent(1), out.outer_stride(),
                           static_cast<int>(coords.extent(1)) - 1});
}

}  // namespace

template <class Dev>
void timestep_embedding(Queue<Dev>& queue, In<Dev, float, 1> t, View<Dev, float, 2> out) {
  require(t.size() == out.extent(0), "timestep_embedding", "t [", t.size(), "], out [", out.extent(0), ", ", out.extent(1),
          "]");
  for_each(queue, "timestep_embedding", out.size(), TimestepBody{t.data(), out.data(), out.extent(1), out.outer_stride()});
}
template void timestep_embedding<Cuda>(Queue<Cuda>&, In<Cuda, float, 1>, View<Cuda, float, 2>);

template <class Dev, class T>
void position_embedding(Queue<Dev>& queue, In<Dev, std::int32_t, 2> coords, View<Dev, T, 2> out) {
  embed_positions(queue, coords, out);
}
template void position_embedding<Cuda, float>(Queue<Cuda>&, In<Cuda, std::int32_t, 2>, View<Cuda, float, 2>);
template void position_embedding<Cuda, half>(Queue<Cuda>&, In<Cuda, std::int32_t, 2>, View<Cuda, half, 2>);

}  // namespace espalier
