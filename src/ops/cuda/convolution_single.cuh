// Convolution of volumes in single precision with one out channel: a thread for each cell, weights in shared memory. Terms come
// in the order of convolution_float.cuh, so that both give the same bits.
#pragma once

#include "ops/cuda/convolution_float.cuh"

namespace espalier::cuda {

struct SingleTile {
  static constexpr int kThreads = 256;
  static constexpr int kMostChannels = 256;  // in; all weights lie in shared memory
};

// Rows of x and w are aligned to 16 bytes, and the count of input channels is a multiple of 4.
inline __global__ void __launch_bounds__(SingleTile::kThreads) convolution_single_kernel(const ConvolutionArgs<float> args) {
  extern __shared__ __align__(16) float weights[];  // [taps, in]
  for (int i = static_cast<int>(threadIdx.x); i < kTaps * args.in; i += SingleTile::kThreads) weights[i] = args.w[i];
  __syncthreads();
  const std::int64_t row = std::int64_t{blockIdx.x} * SingleTile::kThreads + threadIdx.x;
  if (row >= args.rows) return;
  const Neighbours& volume = args.neighbours;
  const std::int64_t plane = std::int64_t{volume.n1} * volume.n2;
  const auto cell = static_cast<unsigned>(row % (plane * volume.n0));
  const auto line = cell / static_cast<unsigned>(volume.n2);
  const int at[3] = {static_cast<int>(line / static_cast<unsigned>(volume.n1)),
                     static_cast<int>(line % static_cast<unsigned>(volume.n1)),
                     static_cast<int>(cell % static_cast<unsigned>(volume.n2))};
  float sum = 0.0F;
  for (int channel = 0; channel < args.in; channel += FloatTile::kDepth) {
    for (int tap = 0; tap < kTaps; ++tap) {
      const int di = tap / 9 - 1;
      const int dj = tap / 3 % 3 - 1;
      const int dk = tap % 3 - 1;
      if (static_cast<unsigned>(at[0] + di) >= static_cast<unsigned>(volume.n0) ||
          static_cast<unsigned>(at[1] + dj) >= static_cast<unsigned>(volume.n1) ||
          static_cast<unsigned>(at[2] + dk) >= static_cast<unsigned>(volume.n2)) {
        continue;
      }
      const float* from = args.x + (row + di * plane + dj * volume.n2 + dk) * args.x_stride + channel;
      const float* w = weights + tap * args.in + channel;
#pragma unroll
      for (int i = 0; i < FloatTile::kDepth; i += 4) {
        if (channel + i >= args.in) break;
        const float4 x4 = *reinterpret_cast<const float4*>(from + i);
        const float4 w4 = *reinterpret_cast<const float4*>(w + i);
        sum = fmaf(x4.x, w4.x, sum);
        sum = fmaf(x4.y, w4.y, sum);
        sum = fmaf(x4.z, w4.z, sum);
        sum = fmaf(x4.w, w4.w, sum);
      }
    }
  }
  const float addend = args.residual == nullptr ? 0.0F : args.residual[row * args.residual_stride];
  args.out[row * args.out_stride] = args.activated(sum + args.bias[0] + addend);
}

}  // namespace espalier::cuda
