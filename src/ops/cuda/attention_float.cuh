// Attention in single precision with ordinary multiply-adds: the tiling and the online softmax of the half kernel, with
// scores passed through shared memory. A thread owns 4 queries, and of their scores and results every 16th column or
// group of 4 columns.
#pragma once

#include "ops/cuda/attention_args.cuh"

namespace espalier::cuda {

// Width: of a head, padded with zeros. Queries, Keys: of a tile.
template <int Width, int Queries, int Keys>
struct FloatAttentionTile {
  static constexpr int kWidth = Width;
  static constexpr int kQueries = Queries;
  static constexpr int kKeys = Keys;
  static constexpr int kThreads = Queries / 4 * 16;
  static constexpr int kKeysEach = Keys / 16;
  static constexpr int kGroupsEach = Width / 64;  // of 4 columns of the result
  static constexpr int kPitch = Width + 4;        // floats: 16 bytes more spread the rows over the banks
  static constexpr int kWeightPitch = Keys + 4;
  // Queries, keys and values; the weights of a tile take the place of its keys.
  static constexpr int kKeyFloats = Keys * kPitch > Queries* kWeightPitch ? Keys* kPitch : Queries* kWeightPitch;
  static constexpr int kShared = 4 * (Queries * kPitch + kKeyFloats + Keys * kPitch);
  static_assert(Queries % 8 == 0 && Keys % 16 == 0 && Width % 64 == 0);
};

template <class Tile, int Count>
__device__ __forceinline__ void load_float_rows(float* to, const float* head, std::int64_t stride, const Rows& rows,
                                                std::int64_t begin, int width) {
  for (int at = static_cast<int>(threadIdx.x); at < Count * Tile::kWidth; at += Tile::kThreads) {
    const int row = at / Tile::kWidth;
    const int column = at % Tile::kWidth;
    const bool exists = begin + row < rows.count && column < width;
    to[row * Tile::kPitch + column] = exists ? head[rows.row(begin + row) * stride + column] : 0.0F;
  }
}

// The larger, or the sum, over the 16 threads that share queries.
__device__ __forceinline__ float row_maximum(float x) {
#pragma unroll
  for (int step = 8; step > 0; step /= 2) x = fmaxf(x, __shfl_xor_sync(0xffffffffU, x, step));
  return x;
}
__device__ __forceinline__ float row_sum(float x) {
#pragma unroll
  for (int step = 8; step > 0; step /= 2) x += __shfl_xor_sync(0xffffffffU, x, step);
  return x;
}

__device__ __forceinline__ float dot4(float4 a, float4 b, float sum) {
  return fmaf(a.x, b.x, fmaf(a.y, b.y, fmaf(a.z, b.z, fmaf(a.w, b.w, sum))));
}
__device__ __forceinline__ void add4(float weight, float4 value, float4& sum) {
  sum.x = fmaf(weight, value.x, sum.x);
  sum.y = fmaf(weight, value.y, sum.y);
  sum.z = fmaf(weight, value.z, sum.z);
  sum.w = fmaf(weight, value.w, sum.w);
}

// What a thread keeps of its 4 queries.
template <class Tile>
struct FloatAttentionState {
  float4 out[4][Tile::kGroupsEach];
  float maximum[4];
  float sum[4];
};

// scores[i][j] = q k^T of query 4 y + i and key x + 16 j; -inf from `valid` keys on.
template <class Tile>
__device__ __forceinline__ void score_tile(const float* q, const float* k, int valid, float (&scores)[4][Tile::kKeysEach]) {
  const int x = static_cast<int>(threadIdx.x) % 16;
  const int y = static_cast<int>(threadIdx.x) / 16;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < Tile::kKeysEach; ++j) scores[i][j] = 0.0F;
  }
#pragma unroll 4
  for (int c = 0; c < Tile::kWidth; c += 4) {
    float4 key[Tile::kKeysEach];
#pragma unroll
    for (int j = 0; j < Tile::kKeysEach; ++j) key[j] = *reinterpret_cast<const float4*>(&k[(x + 16 * j) * Tile::kPitch + c]);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float4 query = *reinterpret_cast<const float4*>(&q[(4 * y + i) * Tile::kPitch + c]);
#pragma unroll
      for (int j = 0; j < Tile::kKeysEach; ++j) scores[i][j] = dot4(query, key[j], scores[i][j]);
    }
  }
#pragma unroll
  for (int j = 0; j < Tile::kKeysEach; ++j) {
    if (x + 16 * j < valid) continue;
#pragma unroll
    for (int i = 0; i < 4; ++i) scores[i][j] = -INFINITY;
  }
}

// One step of the online softmax; leaves the weights in shared memory.
template <class Tile>
__device__ __forceinline__ void weigh_tile(FloatAttentionState<Tile>& state, const float (&scores)[4][Tile::kKeysEach],
                                           float scale, float* weights) {
  const int x = static_cast<int>(threadIdx.x) % 16;
  const int y = static_cast<int>(threadIdx.x) / 16;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    float highest = scores[i][0];
#pragma unroll
    for (int j = 1; j < Tile::kKeysEach; ++j) highest = fmaxf(highest, scores[i][j]);
    highest = fmaxf(row_maximum(highest), state.maximum[i]);
    const float factor = exp2f((state.maximum[i] - highest) * scale);
    state.maximum[i] = highest;
    state.sum[i] *= factor;
#pragma unroll
    for (int g = 0; g < Tile::kGroupsEach; ++g) {
      float4& out = state.out[i][g];
      out = {out.x * factor, out.y * factor, out.z * factor, out.w * factor};
    }
#pragma unroll
    for (int j = 0; j < Tile::kKeysEach; ++j) {
      const float weight = exp2f((scores[i][j] - highest) * scale);
      state.sum[i] += weight;
      weights[(4 * y + i) * Tile::kWeightPitch + x + 16 * j] = weight;
    }
  }
}

// out += weights v. The tile is summed up on its own first: sums of sums keep the rounding errors of thousands of keys
// from piling up.
template <class Tile>
__device__ __forceinline__ void add_tile(FloatAttentionState<Tile>& state, const float* weights, const float* v) {
  const int x = static_cast<int>(threadIdx.x) % 16;
  const int y = static_cast<int>(threadIdx.x) / 16;
  float4 part[4][Tile::kGroupsEach]{};
#pragma unroll 2
  for (int key = 0; key < Tile::kKeys; key += 4) {
    float4 weight[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) weight[i] = *reinterpret_cast<const float4*>(&weights[(4 * y + i) * Tile::kWeightPitch + key]);
#pragma unroll
    for (int g = 0; g < Tile::kGroupsEach; ++g) {
      const float* value = &v[key * Tile::kPitch + 64 * g + 4 * x];
      const float4 v0 = *reinterpret_cast<const float4*>(value);
      const float4 v1 = *reinterpret_cast<const float4*>(value + Tile::kPitch);
      const float4 v2 = *reinterpret_cast<const float4*>(value + 2 * Tile::kPitch);
      const float4 v3 = *reinterpret_cast<const float4*>(value + 3 * Tile::kPitch);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        add4(weight[i].x, v0, part[i][g]);
        add4(weight[i].y, v1, part[i][g]);
        add4(weight[i].z, v2, part[i][g]);
        add4(weight[i].w, v3, part[i][g]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int g = 0; g < Tile::kGroupsEach; ++g) add4(1.0F, part[i][g], state.out[i][g]);
  }
}

template <class Tile>
__global__ __launch_bounds__(Tile::kThreads) void attention_float_kernel(const AttentionArgs<float> args) {
  extern __shared__ __align__(16) float shared_floats[];
  float* q = shared_floats;
  float* k = q + Tile::kQueries * Tile::kPitch;
  float* v = k + Tile::kKeyFloats;
  const AttentionBlock block(args, Tile::kQueries);
  if (block.queries.count <= 0) return;
  const std::int64_t column = static_cast<std::int64_t>(block.head) * args.width;
  const int x = static_cast<int>(threadIdx.x) % 16;
  const int y = static_cast<int>(threadIdx.x) / 16;
  load_float_rows<Tile, Tile::kQueries>(q, args.q + column, args.q_stride, block.queries, 0, args.width);

  FloatAttentionState<Tile> state;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    state.maximum[i] = -INFINITY;
    state.sum[i] = 0.0F;
#pragma unroll
    for (int g = 0; g < Tile::kGroupsEach; ++g) state.out[i][g] = {0.0F, 0.0F, 0.0F, 0.0F};
  }
  for (std::int64_t begin = 0; begin < block.keys.count; begin += Tile::kKeys) {
    __syncthreads();  // weights and values of the tile before are used up
    load_float_rows<Tile, Tile::kKeys>(k, args.k + column, args.k_stride, block.keys, begin, args.width);
    load_float_rows<Tile, Tile::kKeys>(v, args.v + column, args.v_stride, block.keys, begin, args.width);
    __syncthreads();
    const std::int64_t left = block.keys.count - begin;
    float scores[4][Tile::kKeysEach];
    score_tile<Tile>(q, k, left < Tile::kKeys ? static_cast<int>(left) : Tile::kKeys, scores);
    __syncthreads();  // the weights go where the keys were
    weigh_tile<Tile>(state, scores, args.scale, k);
    __syncthreads();
    add_tile<Tile>(state, k, v);
  }

#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float sum = row_sum(state.sum[i]);
    const float inverse = sum > 0.0F ? 1.0F / sum : 0.0F;  // no keys: zeros
    if (4 * y + i >= block.queries.count) continue;
    float* to = args.out + column + block.queries.row(4 * y + i) * args.out_stride;
#pragma unroll
    for (int g = 0; g < Tile::kGroupsEach; ++g) {
      const float4 out = state.out[i][g];
      const float values[4] = {out.x * inverse, out.y * inverse, out.z * inverse, out.w * inverse};
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        if (64 * g + 4 * x + c < args.width) to[64 * g + 4 * x + c] = values[c];
      }
    }
  }
}

}  // namespace espalier::cuda
