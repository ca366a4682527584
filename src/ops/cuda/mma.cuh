// Tensor-core products and asynchronous copies for the half-precision kernels, with what GPUs before 8.0 do instead.
//
// Fragments of a 16 x 16 by 16 x 8 product, as mma.m16n8k16 of the PTX ISA defines them; g = lane / 4, t = lane % 4:
//   a[0] row g, columns 2t and 2t + 1; a[1] row g + 8; a[2] row g, columns 2t + 8 and 2t + 9; a[3] row g + 8 of those
//   b0 column g, rows 2t and 2t + 1; b1 rows 2t + 8 and 2t + 9
//   c[0], c[1] row g, columns 2t and 2t + 1; c[2], c[3] row g + 8
#pragma once

#include <cuda_fp16.h>

#include <cstdint>

namespace espalier::cuda {

// c += a b.
__device__ __forceinline__ void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  // The fragments of m16n8k8 are the two halves of those above.
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(b0));
  asm("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%6}, {%0,%1,%2,%3};\n"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[2]), "r"(a[3]), "r"(b1));
#endif
}

// Address in the shared window, as the instructions below take it.
[[nodiscard]] __device__ __forceinline__ std::uint32_t shared_address(const void* shared) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(shared));
}

// Four 8 x 8 matrices of halves: lane l names row l % 8 of matrix l / 8 (16 bytes, aligned) and receives in r[i] the
// elements 2t and 2t + 1 of row g of matrix i.
__device__ __forceinline__ void load_matrices(std::uint32_t (&r)[4], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row));
}
// The same with every matrix transposed.
__device__ __forceinline__ void load_transposed(std::uint32_t (&r)[4], std::uint32_t row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(row));
}

// Starts a copy of 16 bytes to shared memory when `bytes` is 16, of zeros when it is 0 (and `global` is not touched);
// addresses are multiples of 16. Reuse says that other copies of the block will read the same line soon, so that it is
// worth a place in L1.
template <bool Reuse = false>
__device__ __forceinline__ void copy_async(std::uint32_t shared, const void* global, int bytes) {
#if __CUDA_ARCH__ >= 800
  if constexpr (Reuse) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared), "l"(global), "r"(bytes));
  } else {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared), "l"(global), "r"(bytes));
  }
#else
  const uint4 value = bytes > 0 ? *static_cast<const uint4*>(global) : uint4{0, 0, 0, 0};
  asm volatile("st.shared.v4.u32 [%0], {%1,%2,%3,%4};\n" ::"r"(shared), "r"(value.x), "r"(value.y), "r"(value.z), "r"(value.w)
               : "memory");
#endif
}
// Ends a group of copies.
__device__ __forceinline__ void commit_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.commit_group;\n");
#endif
}
// Waits for all groups of the thread but the last `Pending`.
template <int Pending>
__device__ __forceinline__ void wait_copies() {
#if __CUDA_ARCH__ >= 800
  asm volatile("cp.async.wait_group %0;\n" ::"n"(Pending) : "memory");
#endif
}

// Copies 8 halves one by one, for rows that are not aligned to 16 bytes: those before `valid`, then zeros.
__device__ __forceinline__ void copy_single(std::uint32_t shared, const __half* global, int valid) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const unsigned short bits = i < valid ? __half_as_ushort(global[i]) : static_cast<unsigned short>(0);
    asm volatile("st.shared.u16 [%0], %1;\n" ::"r"(shared + 2U * static_cast<unsigned>(i)), "h"(bits) : "memory");
  }
}

// Two floats as halves, the first in the low bits.
[[nodiscard]] __device__ __forceinline__ std::uint32_t pack_halves(float low, float high) {
  const __half2 both = __floats2half2_rn(low, high);
  return *reinterpret_cast<const std::uint32_t*>(&both);
}

// 2^x with a relative error of 2^-22; results below the smallest normal number are 0.
[[nodiscard]] __device__ __forceinline__ float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
  return y;
}

}  // namespace espalier::cuda
