// Element types inside kernels: arithmetic is float, memory is T.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <algorithm>
#include <cstdint>

#include "tensor/dtype.h"

namespace espalier::cuda {

// Stored value -> float, exact.
__device__ __forceinline__ float widen(float value) { return value; }
__device__ __forceinline__ float widen(half value) { return __half2float(__ushort_as_half(value.bits)); }
__device__ __forceinline__ float widen(bfloat16 value) { return __bfloat162float(__ushort_as_bfloat16(value.bits)); }

// Float -> stored value, rounded to nearest even.
template <class T>
__device__ T narrow(float value);
template <>
__device__ __forceinline__ float narrow<float>(float value) {
  return value;
}
template <>
__device__ __forceinline__ half narrow<half>(float value) {
  return half{__half_as_ushort(__float2half_rn(value))};
}

// N elements (a power of two) that are loaded and stored together, by one instruction up to 16 bytes.
template <class T, int N>
struct alignas(sizeof(T) * N < 16 ? sizeof(T) * N : 16) Pack {
  T at[N];
};

// Elements of a 16-byte access.
template <class T>
inline constexpr int kPackOf = 16 / static_cast<int>(sizeof(T));

template <int N, class T>
__device__ __forceinline__ Pack<T, N> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T, N>*>(from);
}
// The instruction is spelled out because the compiler takes copies of a pack that is stored more than once apart into
// accesses of single members, which costs a factor of six.
template <class T, int N>
__device__ __forceinline__ void store_pack(T* to, const Pack<T, N>& pack) {
  if constexpr (sizeof(pack) % 16 == 0) {
    uint4 words[sizeof(pack) / 16];
    memcpy(words, &pack, sizeof(pack));
#pragma unroll
    for (int i = 0; i < static_cast<int>(sizeof(pack) / 16); ++i) {
      asm volatile("st.v4.b32 [%0], {%1, %2, %3, %4};" ::"l"(reinterpret_cast<uint4*>(to) + i), "r"(words[i].x),
                   "r"(words[i].y), "r"(words[i].z), "r"(words[i].w)
                   : "memory");
    }
  } else {
    *reinterpret_cast<Pack<T, N>*>(to) = pack;
  }
}
template <int N, class T>
__device__ __forceinline__ void load_floats(const T* from, float (&values)[N]) {
  const Pack<T, N> pack = load_pack<N>(from);
#pragma unroll
  for (int i = 0; i < N; ++i) values[i] = widen(pack.at[i]);
}
template <int N, class T>
__device__ __forceinline__ void store_floats(T* to, const float (&values)[N]) {
  Pack<T, N> pack;
#pragma unroll
  for (int i = 0; i < N; ++i) pack.at[i] = narrow<T>(values[i]);
  store_pack(to, pack);
}

// Whether rows of a matrix can be read in packs of `pack` elements: the address is as aligned as a pack, and the stride is
// a multiple of it. A null pointer fits.
template <class T>
[[nodiscard]] inline bool fits_packs(const T* data, std::int64_t stride, int pack) {
  const std::size_t bytes = std::min<std::size_t>(16, sizeof(T) * static_cast<std::size_t>(pack));
  return data == nullptr || (reinterpret_cast<std::uintptr_t>(data) % bytes == 0 && stride % pack == 0);
}

}  // namespace espalier::cuda
