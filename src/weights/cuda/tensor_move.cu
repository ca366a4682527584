// Files to GPU memory. Each lane has a thread that takes the next part of a tensor, copies it into pinned memory and queues
// what brings it to its place: a plain copy, or a kernel that reads the pinned memory itself, converts and transposes.
#include <cuda_fp8.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "parallel/cuda/reduce.cuh"
#include "runtime/cuda/copy_lanes.h"
#include "runtime/cuda/element.cuh"
#include "runtime/cuda/launch.cuh"
#include "weights/quantise.h"
#include "weights/tensor_move.h"

namespace espalier {
namespace {

constexpr std::size_t kPart = cuda::CopyLanes::kPart;
static_assert(kPart * cuda::CopyLanes::kMost * cuda::CopyLane::kSlots == kMoveMemory);

// One slot full of a tensor.
struct Part {
  const TensorMove* move;
  std::int64_t first, count;  // elements
  [[nodiscard]] const std::byte* from() const { return move->from + static_cast<std::size_t>(first) * size_of(move->stored); }
  [[nodiscard]] std::size_t bytes() const { return static_cast<std::size_t>(count) * size_of(move->stored); }
};

std::vector<Part> parts_of(std::span<const TensorMove> moves) {
  std::vector<Part> parts;
  for (const TensorMove& move : moves) {
    auto most = static_cast<std::int64_t>(kPart / size_of(move.stored));
    if (move.format != MatrixFormat::plain) most = most / move.inner * move.inner;  // whole rows
    for (std::int64_t first = 0; first < move.elements; first += most)
      parts.push_back({&move, first, std::min(most, move.elements - first)});
  }
  return parts;
}

__device__ __forceinline__ float to_single(double value) { return static_cast<float>(value); }
template <class T>
__device__ __forceinline__ float to_single(T value) {
  return cuda::widen(value);
}

// to[place of element first + i] = from[i], of a tensor [outer, inner, taps] that becomes [outer, taps, inner].
template <class From, class To>
__global__ void __launch_bounds__(256) arrange(const From* __restrict__ from, std::int64_t first, std::int64_t count,
                                               std::int64_t inner, std::int64_t taps, To* to) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * blockDim.x;
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < count; i += step) {
    std::int64_t place = first + i;
    if (taps > 1) {
      const std::int64_t row = place / taps;  // outer * inner + its place there
      place = (row / inner * taps + place % taps) * inner + row % inner;
    }
    to[place] = cuda::narrow<To>(to_single(from[i]));
  }
}

template <class From, class To>
void arrange_part(const Part& part, const std::byte* from, cudaStream_t stream) {
  constexpr std::int64_t kThreads = 256;
  constexpr std::int64_t kMostBlocks = 512;
  const auto blocks = static_cast<unsigned>(std::min(kMostBlocks, cuda::ceil_div(part.count, kThreads)));
  arrange<From, To><<<blocks, kThreads, 0, stream>>>(reinterpret_cast<const From*>(from), part.first, part.count,
                                                     part.move->inner, part.move->taps, static_cast<To*>(part.move->to));
  ESPALIER_CHECK_CUDA(cudaGetLastError());
}

template <class To>
void arrange_as(const Part& part, const std::byte* from, cudaStream_t stream) {
  switch (part.move->stored) {
    case DType::f64: return arrange_part<double, To>(part, from, stream);
    case DType::f32: return arrange_part<float, To>(part, from, stream);
    case DType::f16: return arrange_part<half, To>(part, from, stream);
    case DType::bf16: return arrange_part<bfloat16, To>(part, from, stream);
    default: fail(ErrorCode::internal, "move_tensors: elements of type ", name_of(part.move->stored));
  }
}

__device__ __forceinline__ void store_rounded(float value, std::int8_t* to) {
  // As quantise_row() rounds.
  *to = static_cast<std::int8_t>(fminf(fmaxf(rintf(value), -kLargest<std::int8_t>), kLargest<std::int8_t>));
}
__device__ __forceinline__ void store_rounded(float value, float8* to) {
  to->bits = __nv_cvt_float_to_fp8(value, __NV_SATFINITE, __NV_E4M3);
}

constexpr int kRowThreads = 256;

// A block takes a row, which it reads once: it may lie in the memory of the host.
template <class From, class Q>
__global__ void __launch_bounds__(kRowThreads) quantise(const From* __restrict__ from, int columns, Q* to, float* scales) {
  __shared__ float row[kLongestQuantisedRow];
  __shared__ float of_warps[kRowThreads / cuda::kWarp];
  const std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * columns;
  float largest = 0.0F;
  for (int c = static_cast<int>(threadIdx.x); c < columns; c += kRowThreads) {
    const float value = to_single(from[first + c]);
    const float magnitude = fabsf(value);
    row[c] = value;
    largest =
        fmaxf(largest, magnitude <= std::numeric_limits<float>::max() ? magnitude : std::numeric_limits<float>::infinity());
  }
  largest = cuda::warp_max(largest);
  if (threadIdx.x % cuda::kWarp == 0) of_warps[threadIdx.x / cuda::kWarp] = largest;
  __syncthreads();
  for (const float of_warp : of_warps) largest = fmaxf(largest, of_warp);
  const float scale = scale_for<Q>(largest);
  if (threadIdx.x == 0) scales[blockIdx.x] = scale;
  for (int c = static_cast<int>(threadIdx.x); c < columns; c += kRowThreads) {
    store_rounded(over_scale(row[c], scale), to + first + c);
  }
}

template <class From, class Q>
void quantise_part(const Part& part, const std::byte* from, cudaStream_t stream) {
  const TensorMove& move = *part.move;
  const auto rows = static_cast<unsigned>(part.count / move.inner);
  quantise<From, Q><<<rows, kRowThreads, 0, stream>>>(reinterpret_cast<const From*>(from), static_cast<int>(move.inner),
                                                      static_cast<Q*>(move.to) + part.first,
                                                      move.scales + part.first / move.inner);
  ESPALIER_CHECK_CUDA(cudaGetLastError());
}

template <class Q>
void quantise_to(const Part& part, const std::byte* from, cudaStream_t stream) {
  require(part.move->inner > 0 && part.move->inner <= kLongestQuantisedRow && part.move->taps == 1, "move_tensors", "rows of ",
          part.move->inner);
  switch (part.move->stored) {
    case DType::f64: return quantise_part<double, Q>(part, from, stream);
    case DType::f32: return quantise_part<float, Q>(part, from, stream);
    case DType::f16: return quantise_part<half, Q>(part, from, stream);
    case DType::bf16: return quantise_part<bfloat16, Q>(part, from, stream);
    default: fail(ErrorCode::internal, "move_tensors: elements of type ", name_of(part.move->stored));
  }
}

void send(const Part& part, const cuda::CopyLane::Slot& slot, cudaStream_t stream) {
  const TensorMove& move = *part.move;
  if (move.format == MatrixFormat::int8) return quantise_to<std::int8_t>(part, slot.device, stream);
  if (move.format == MatrixFormat::float8) return quantise_to<float8>(part, slot.device, stream);
  if (move.stored == move.held && move.taps == 1) {
    auto* const to = static_cast<std::byte*>(move.to) + static_cast<std::size_t>(part.first) * size_of(move.held);
    ESPALIER_CHECK_CUDA(cudaMemcpyAsync(to, slot.host, part.bytes(), cudaMemcpyHostToDevice, stream));
  } else if (move.held == DType::f16) {
    arrange_as<half>(part, slot.device, stream);
  } else {
    arrange_as<float>(part, slot.device, stream);
  }
}

// Pages of a mapped file come one fault for each few of them; asked for together they cost far less. Only a hint: memory that
// is no mapping of a file refuses it, and so do older kernels.
void ask_for_pages(const std::byte* from, std::size_t bytes) {
#ifdef MADV_POPULATE_READ
  static const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(from) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(from) + bytes;
  static_cast<void>(::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_READ));
#else
  static_cast<void>(from);
  static_cast<void>(bytes);
#endif
}

void drive(cuda::CopyLane& lane, const Part& part) {
  const cuda::CopyLane::Slot slot = lane.next();
  ask_for_pages(part.from(), part.bytes());
  std::memcpy(slot.host, part.from(), part.bytes());
  send(part, slot, lane.stream());
  lane.filled();
}

}  // namespace

template <class Dev>
void move_tensors(Queue<Dev>& queue, std::span<const TensorMove> moves) {
  const std::vector<Part> parts = parts_of(moves);
  if (parts.empty()) return;
  const cuda::CurrentCard current(queue.ordinal());
  cuda::CopyLanes& all = *queue.native().copy_lanes;
  const std::scoped_lock lock(all.use);
  all.share(
      queue.ordinal(), parts.size(), [&](cuda::CopyLane& lane, std::size_t i) { drive(lane, parts[i]); },
      [](cuda::CopyLane& lane) { lane.synchronize(); });
}
template void move_tensors<Cuda>(Queue<Cuda>&, std::span<const TensorMove>);

}  // namespace espalier
