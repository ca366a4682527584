// Asynchronous tensor-core products and barriers of GPUs with compute capability 9.0. The instructions exist only in code
// for sm_90a; ESPALIER_SM90A is defined when the build contains such code.
#pragma once

#include <cstdint>

namespace espalier::cuda {

#ifdef __CUDA_ARCH_FEAT_SM90_ALL

// An operand in shared memory, as the instructions name it: rows of `Pitch` bytes (64 or 128) one after another, the
// 16-byte chunks of a row spread as ConvolutionTile::offset does, the first row at a multiple of 8 rows. The operand's
// sums run along the rows. Adding kDescriptorStep moves 16 elements along the rows.
template <int Pitch>
[[nodiscard]] __device__ __forceinline__ std::uint64_t describe_operand(std::uint32_t shared) {
  static_assert(Pitch == 64 || Pitch == 128);
  constexpr std::uint64_t kSpread = Pitch == 128 ? 1 : 2;
  constexpr std::uint64_t kGroup = 8 * Pitch / 16;  // of 8 rows, in units of 16 bytes
  return kSpread << 62U | kGroup << 32U | std::uint64_t{1} << 16U | (shared & 0x3ffffU) >> 4U;
}
inline constexpr std::uint64_t kDescriptorStep = 2;

// Sums, and shared memory written by ordinary stores and copies, may be used by products after these.
__device__ __forceinline__ void fence_products() { asm volatile("wgmma.fence.sync.aligned;\n" ::: "memory"); }
__device__ __forceinline__ void fence_shared() { asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory"); }
// Ends a group of products.
__device__ __forceinline__ void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;\n" ::: "memory"); }
// Waits for all groups of the warp group but the last `Pending`.
template <int Pending>
__device__ __forceinline__ void wait_products() {
  asm volatile("wgmma.wait_group.sync.aligned %0;\n" ::"n"(Pending) : "memory");
}

// The products below are of 64 rows by N columns by 16 for a group of four warps, d += a b, or d = a b unless Add. Warp w of
// the group holds rows 16 w ... of the sums, in 8 columns after each other laid out as c in mma.cuh.
#define ESPALIER_SUMS_8(i) \
  "+f"(d[i]), "+f"(d[i + 1]), "+f"(d[i + 2]), "+f"(d[i + 3]), "+f"(d[i + 4]), "+f"(d[i + 5]), "+f"(d[i + 6]), "+f"(d[i + 7])
#define ESPALIER_SUMS_16(i) ESPALIER_SUMS_8(i), ESPALIER_SUMS_8(i + 8)
#define ESPALIER_SUMS_32(i) ESPALIER_SUMS_16(i), ESPALIER_SUMS_16(i + 16)

// N = 64.
template <bool Add = true>
__device__ __forceinline__ void multiply_async(float (&d)[32], std::uint64_t a, std::uint64_t b) {
  asm volatile(
      "{\n.reg .pred add;\nsetp.ne.b32 add, %34, 0;\nwgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
      "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
      "}, %32, %33, add, 1, 1, 0, 0;\n}\n"
      : ESPALIER_SUMS_32(0)
      : "l"(a), "l"(b), "n"(Add ? 1 : 0));
}
// N = 96.
template <bool Add = true>
__device__ __forceinline__ void multiply_async(float (&d)[48], std::uint64_t a, std::uint64_t b) {
  asm volatile(
      "{\n.reg .pred add;\nsetp.ne.b32 add, %50, 0;\nwgmma.mma_async.sync.aligned.m64n96k16.f32.f16.f16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
      "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
      "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47"
      "}, %48, %49, add, 1, 1, 0, 0;\n}\n"
      : ESPALIER_SUMS_32(0), ESPALIER_SUMS_16(32)
      : "l"(a), "l"(b), "n"(Add ? 1 : 0));
}
// N = 128.
template <bool Add = true>
__device__ __forceinline__ void multiply_async(float (&d)[64], std::uint64_t a, std::uint64_t b) {
  asm volatile(
      "{\n.reg .pred add;\nsetp.ne.b32 add, %66, 0;\nwgmma.mma_async.sync.aligned.m64n128k16.f32.f16.f16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
      "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
      "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
      "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63"
      "}, %64, %65, add, 1, 1, 0, 0;\n}\n"
      : ESPALIER_SUMS_32(0), ESPALIER_SUMS_32(32)
      : "l"(a), "l"(b), "n"(Add ? 1 : 0));
}
// N = 192.
template <bool Add = true>
__device__ __forceinline__ void multiply_async(float (&d)[96], std::uint64_t a, std::uint64_t b) {
  asm volatile(
      "{\n.reg .pred add;\nsetp.ne.b32 add, %98, 0;\nwgmma.mma_async.sync.aligned.m64n192k16.f32.f16.f16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
      "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31,"
      "%32,%33,%34,%35,%36,%37,%38,%39,%40,%41,%42,%43,%44,%45,%46,%47,"
      "%48,%49,%50,%51,%52,%53,%54,%55,%56,%57,%58,%59,%60,%61,%62,%63,"
      "%64,%65,%66,%67,%68,%69,%70,%71,%72,%73,%74,%75,%76,%77,%78,%79,"
      "%80,%81,%82,%83,%84,%85,%86,%87,%88,%89,%90,%91,%92,%93,%94,%95"
      "}, %96, %97, add, 1, 1, 0, 0;\n}\n"
      : ESPALIER_SUMS_32(0), ESPALIER_SUMS_32(32), ESPALIER_SUMS_32(64)
      : "l"(a), "l"(b), "n"(Add ? 1 : 0));
}
// N = 64, a from registers (one fragment of mma.cuh per warp), and b with the sums running across its rows: rows of
// 128 bytes are 64 columns each, and 16 rows further are 128 steps of the descriptor.
template <bool Add = true>
__device__ __forceinline__ void multiply_async(float (&d)[32], const std::uint32_t (&a)[4], std::uint64_t b) {
  asm volatile(
      "{\n.reg .pred add;\nsetp.ne.b32 add, %37, 0;\nwgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 {"
      "%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,"
      "%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31"
      "}, {%32,%33,%34,%35}, %36, add, 1, 1, 1;\n}\n"
      : ESPALIER_SUMS_32(0)
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b), "n"(Add ? 1 : 0));
}

#undef ESPALIER_SUMS_8
#undef ESPALIER_SUMS_16
#undef ESPALIER_SUMS_32

// Barriers in shared memory. A phase ends when `count` arrivals have come; phases alternate between parity 0 and 1.
__device__ __forceinline__ void init_barrier(std::uint32_t barrier, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;\n" ::"r"(barrier), "r"(count) : "memory");
}
__device__ __forceinline__ void arrive(std::uint32_t barrier) {
  asm volatile("{\n.reg .b64 state;\nmbarrier.arrive.shared::cta.b64 state, [%0];\n}\n" ::"r"(barrier) : "memory");
}
// Waits until the phase of this parity has ended.
__device__ __forceinline__ void wait_barrier(std::uint32_t barrier, unsigned parity) {
  asm volatile(
      "{\n.reg .pred done;\nwait:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@done bra ready;\nbra "
      "wait;\nready:\n}\n" ::"r"(barrier),
      "r"(parity)
      : "memory");
}
// Waits for the 128 threads of a group; number 0 belongs to __syncthreads.
__device__ __forceinline__ void sync_group(int number) { asm volatile("bar.sync %0, 128;\n" ::"r"(number) : "memory"); }

// Registers per thread from here on; all warps of the group call it.
template <int Registers>
__device__ __forceinline__ void give_registers() {
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;\n" ::"n"(Registers));
}
template <int Registers>
__device__ __forceinline__ void take_registers() {
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;\n" ::"n"(Registers));
}

#endif

}  // namespace espalier::cuda
