// Division of every voxel into its eight children.
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"
#include "sparse/subdivision.h"

namespace espalier {
namespace {

constexpr std::int64_t kMaxRows = std::int64_t{1} << 31;  // a row index is 32 bits wide

// Where a child of parity `bit` looks at offset tap - 1: the offset of the parent there, and the parity of the child found.
struct Step {
  int parent;  // -1, 0, 1
  int bit;
};
__device__ __forceinline__ Step step_of(int bit, int tap) {
  const int at = bit + tap - 1;  // -1 ... 2, in children from the parent's first
  return {at < 0 ? -1 : at / 2, at & 1};
}

struct NeighbourBody {
  const std::int32_t* parents;
  std::int32_t* out;

  __device__ void operator()(std::int64_t i) const {
    const std::int64_t row = i / 27;
    const int tap = static_cast<int>(i - row * 27);
    const int child = static_cast<int>(row % 8);
    const Step x = step_of(child / 4, tap / 9);
    const Step y = step_of(child / 2 % 2, tap / 3 % 3);
    const Step z = step_of(child % 2, tap % 3);
    const int parent_tap = ((x.parent + 1) * 3 + y.parent + 1) * 3 + z.parent + 1;
    const std::int32_t parent = parents[row / 8 * 27 + parent_tap];
    out[i] = parent < 0 ? parent : parent * 8 + x.bit * 4 + y.bit * 2 + z.bit;
  }
};

struct CoordBody {
  const cuda::Pack<std::int32_t, 4>* parents;
  cuda::Pack<std::int32_t, 4>* out;

  __device__ void operator()(std::int64_t row) const {
    const cuda::Pack<std::int32_t, 4> p = parents[row / 8];
    const int child = static_cast<int>(row % 8);
    out[row] = {{p.at[0], 2 * p.at[1] + child / 4, 2 * p.at[2] + child / 2 % 2, 2 * p.at[3] + child % 2}};
  }
};

template <class T>
struct RepeatBody {
  const T* x;
  T* out;
  std::int64_t x_stride, out_stride;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    const auto pack = cuda::load_pack<N>(x + row * x_stride + column);
#pragma unroll
    for (int child = 0; child < 8; ++child) cuda::store_pack(out + (row * 8 + child) * out_stride + column, pack);
  }
};

template <class T>
void repeat(Queue<Cuda>& queue, In<Cuda, T, 2> x, View<Cuda, T, 2> out) {
  constexpr int kPack = cuda::kPackOf<T>;
  require(out.extent(0) == 8 * x.extent(0) && out.extent(1) == x.extent(1), "repeat_children", "x [", x.extent(0), ", ",
          x.extent(1), "], out [", out.extent(0), ", ", out.extent(1), "]");
  const bool packed =
      cuda::fits_packs(x.data(), x.outer_stride(), kPack) && cuda::fits_packs(out.data(), out.outer_stride(), kPack);
  cuda::for_each_pack<kPack>(queue, "repeat_children", x.extent(0), x.extent(1), packed,
                             RepeatBody<T>{x.data(), out.data(), x.outer_stride(), out.outer_stride()});
}

}  // namespace

template <class Dev>
void subdivide_neighbours(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out) {
  constexpr const char* kName = "subdivide_neighbours";
  require(parents.extent(1) == 27 && out.extent(1) == 27 && out.extent(0) == 8 * parents.extent(0) &&
              out.extent(0) < kMaxRows && parents.contiguous() && out.contiguous(),
          kName, "parents [", parents.extent(0), ", ", parents.extent(1), "], out [", out.extent(0), ", ", out.extent(1), "]");
  for_each(queue, kName, out.size(), NeighbourBody{parents.data(), out.data()});
}
template void subdivide_neighbours<Cuda>(Queue<Cuda>&, In<Cuda, std::int32_t, 2>, View<Cuda, std::int32_t, 2>);

template <class Dev>
void subdivide_coords(Queue<Dev>& queue, In<Dev, std::int32_t, 2> parents, View<Dev, std::int32_t, 2> out) {
  require(parents.extent(1) == 4 && out.extent(1) == 4 && out.extent(0) == 8 * parents.extent(0) && parents.contiguous() &&
              out.contiguous() && cuda::fits_packs(parents.data(), 0, 4) && cuda::fits_packs(out.data(), 0, 4),
          "subdivide_coords", "parents [", parents.extent(0), ", ", parents.extent(1), "], out [", out.extent(0), ", ",
          out.extent(1), "], both contiguous and aligned to 16 bytes");
  using Coords = cuda::Pack<std::int32_t, 4>;
  for_each(queue, "subdivide_coords", out.extent(0),
           CoordBody{reinterpret_cast<const Coords*>(parents.data()), reinterpret_cast<Coords*>(out.data())});
}
template void subdivide_coords<Cuda>(Queue<Cuda>&, In<Cuda, std::int32_t, 2>, View<Cuda, std::int32_t, 2>);

template <class Dev, class T>
void repeat_children(Queue<Dev>& queue, In<Dev, T, 2> x, View<Dev, T, 2> out) {
  repeat<T>(queue, x, out);
}
template void repeat_children<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 2>, View<Cuda, float, 2>);
template void repeat_children<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 2>, View<Cuda, half, 2>);

}  // namespace espalier
