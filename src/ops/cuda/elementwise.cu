#include "ops/cuda/activation.cuh"
#include "ops/elementwise.h"
#include "parallel/cuda/for_each.cuh"
#include "runtime/cuda/element.cuh"

namespace espalier {
namespace {

using cuda::fits_packs;
using cuda::kPackOf;

template <class View>
[[nodiscard]] bool packs(const View& view) {
  constexpr int kPack = kPackOf<std::remove_const_t<typename View::element>>;
  return fits_packs(view.data(), view.extent(0) > 1 && View::rank > 1 ? view.outer_stride() : 0, kPack);
}
template <class View>
[[nodiscard]] auto data_or_null(const View& view) {
  return view.empty() ? nullptr : view.data();
}

constexpr int kCastPack = 8;

template <class From, class To>
struct CastBody {
  const From* x;
  To* out;

  template <int N>
  __device__ void operator()(std::int64_t /*row*/, std::int64_t i) const {
    float v[N];
    cuda::load_floats<N>(x + i, v);
    cuda::store_floats<N>(out + i, v);
  }
};

template <class From, class To>
void cast_all(Queue<Cuda>& queue, View<Cuda, const From, 1> x, View<Cuda, To, 1> out) {
  require(x.size() == out.size(), "cast", x.size(), " elements into ", out.size());
  cuda::for_each_pack<kCastPack>(queue, "cast", 1, x.size(),
                                 fits_packs(x.data(), 0, kCastPack) && fits_packs(out.data(), 0, kCastPack),
                                 CastBody<From, To>{x.data(), out.data()});
}

template <class T>
struct ActivateBody {
  const T* x;
  Activation activation;
  T* out;

  template <int N>
  __device__ void operator()(std::int64_t /*row*/, std::int64_t i) const {
    float v[N];
    cuda::load_floats<N>(x + i, v);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = cuda::activate_value<T>(v[k], activation);
    cuda::store_floats<N>(out + i, v);
  }
};

template <class T>
void activate_all(Queue<Cuda>& queue, In<Cuda, T, 1> x, Activation activation, View<Cuda, T, 1> out) {
  require(x.size() == out.size(), "activate", x.size(), " elements into ", out.size());
  cuda::for_each_pack<kPackOf<T>>(queue, "activate", 1, x.size(), packs(x) && packs(out),
                                  ActivateBody<T>{x.data(), activation, out.data()});
}

template <class T>
struct CombineBody {
  float a, b;
  const T *x, *y;
  T* out;

  template <int N>
  __device__ void operator()(std::int64_t /*row*/, std::int64_t i) const {
    float v[N];
    float w[N];
    cuda::load_floats<N>(x + i, v);
    cuda::load_floats<N>(y + i, w);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] = a * v[k] + b * w[k];
    cuda::store_floats<N>(out + i, v);
  }
};

template <class T>
void combine_all(Queue<Cuda>& queue, float a, In<Cuda, T, 1> x, float b, In<Cuda, T, 1> y, View<Cuda, T, 1> out) {
  require(x.size() == out.size() && y.size() == out.size(), "combine", x.size(), " and ", y.size(), " elements into ",
          out.size());
  cuda::for_each_pack<kPackOf<T>>(queue, "combine", 1, x.size(), packs(x) && packs(y) && packs(out),
                                  CombineBody<T>{a, b, x.data(), y.data(), out.data()});
}

template <class T>
struct AddGatedBody {
  T* x;
  const T *h, *gate;
  const std::int32_t* row_batch;
  std::int64_t x_stride, h_stride, gate_stride;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    T* at = x + row * x_stride + column;
    float v[N];
    float w[N];
    cuda::load_floats<N>(at, v);
    cuda::load_floats<N>(h + row * h_stride + column, w);
    if (gate != nullptr) {
      float g[N];
      const std::int64_t batch = row_batch == nullptr ? 0 : row_batch[row];
      cuda::load_floats<N>(gate + batch * gate_stride + column, g);
#pragma unroll
      for (int k = 0; k < N; ++k) w[k] *= g[k];
    }
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] += w[k];
    cuda::store_floats<N>(at, v);
  }
};

template <class T>
void add_gated_rows(Queue<Cuda>& queue, View<Cuda, T, 2> x, In<Cuda, T, 2> h, In<Cuda, T, 2> gate,
                    In<Cuda, std::int32_t, 1> row_batch) {
  require(h.extents() == x.extents() && (gate.empty() || gate.extent(1) == x.extent(1)) &&
              (row_batch.empty() || row_batch.size() == x.extent(0)),
          "add_gated", "x [", x.extent(0), ", ", x.extent(1), "], h [", h.extent(0), ", ", h.extent(1), "], gate [",
          gate.extent(0), ", ", gate.extent(1), "], row_batch [", row_batch.size(), "]");
  cuda::for_each_pack<kPackOf<T>>(queue, "add_gated", x.extent(0), x.extent(1),
                                  packs(x) && packs(h) && (gate.empty() || packs(gate)),
                                  AddGatedBody<T>{x.data(), h.data(), data_or_null(gate), data_or_null(row_batch),
                                                  x.outer_stride(), h.outer_stride(), gate.outer_stride()});
}

template <class T>
struct ScaleColumnsBody {
  const T *x, *scale, *shift;
  T* out;
  std::int64_t x_stride, out_stride;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    float v[N];
    float part[N];
    cuda::load_floats<N>(x + row * x_stride + column, v);
    if (scale != nullptr) {
      cuda::load_floats<N>(scale + column, part);
#pragma unroll
      for (int k = 0; k < N; ++k) v[k] *= part[k];
    }
    if (shift != nullptr) {
      cuda::load_floats<N>(shift + column, part);
#pragma unroll
      for (int k = 0; k < N; ++k) v[k] += part[k];
    }
    cuda::store_floats<N>(out + row * out_stride + column, v);
  }
};

template <class T>
void scale_rows(Queue<Cuda>& queue, In<Cuda, T, 2> x, In<Cuda, T, 1> scale, In<Cuda, T, 1> shift, View<Cuda, T, 2> out) {
  const std::int64_t channels = x.extent(1);
  require(out.extents() == x.extents() && (scale.empty() || scale.size() == channels) &&
              (shift.empty() || shift.size() == channels),
          "scale_columns", "x [", x.extent(0), ", ", channels, "], scale [", scale.size(), "], shift [", shift.size(),
          "], out [", out.extent(0), ", ", out.extent(1), "]");
  cuda::for_each_pack<kPackOf<T>>(queue, "scale_columns", x.extent(0), channels,
                                  packs(x) && packs(scale) && packs(shift) && packs(out),
                                  ScaleColumnsBody<T>{x.data(), data_or_null(scale), data_or_null(shift), out.data(),
                                                      x.outer_stride(), out.outer_stride()});
}

template <class T>
struct AddRowsBody {
  T* x;
  const T* table;
  std::int64_t x_stride, table_stride, period;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    T* at = x + row * x_stride + column;
    float v[N];
    float w[N];
    cuda::load_floats<N>(at, v);
    cuda::load_floats<N>(table + row % period * table_stride + column, w);
#pragma unroll
    for (int k = 0; k < N; ++k) v[k] += w[k];
    cuda::store_floats<N>(at, v);
  }
};

template <class T>
void add_table(Queue<Cuda>& queue, View<Cuda, T, 2> x, In<Cuda, T, 2> table) {
  require(table.extent(1) == x.extent(1) && (table.extent(0) > 0 || x.extent(0) == 0), "add_rows", "x [", x.extent(0), ", ",
          x.extent(1), "], table [", table.extent(0), ", ", table.extent(1), "]");
  cuda::for_each_pack<kPackOf<T>>(
      queue, "add_rows", x.extent(0), x.extent(1), packs(x) && packs(table),
      AddRowsBody<T>{x.data(), table.data(), x.outer_stride(), table.outer_stride(), table.extent(0)});
}

template <class T>
struct GatherBody {
  const T* x;
  const std::int32_t* index;
  T* out;
  std::int64_t x_stride, out_stride;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    const std::int64_t from = index[row];
    cuda::Pack<T, N> pack{};
    if (from >= 0) pack = cuda::load_pack<N>(x + from * x_stride + column);
    cuda::store_pack(out + row * out_stride + column, pack);
  }
};

template <class T>
void gather(Queue<Cuda>& queue, In<Cuda, T, 2> x, In<Cuda, std::int32_t, 1> index, View<Cuda, T, 2> out) {
  require(index.size() == out.extent(0) && x.extent(1) == out.extent(1), "gather_rows", "x [", x.extent(0), ", ", x.extent(1),
          "], index [", index.size(), "], out [", out.extent(0), ", ", out.extent(1), "]");
  cuda::for_each_pack<kPackOf<T>>(queue, "gather_rows", out.extent(0), out.extent(1), packs(x) && packs(out),
                                  GatherBody<T>{x.data(), index.data(), out.data(), x.outer_stride(), out.outer_stride()});
}

template <class T>
struct MeanBody {
  const T* x;
  const std::int32_t *begin, *child;
  T* out;
  std::int64_t x_stride, out_stride;

  template <int N>
  __device__ void operator()(std::int64_t row, std::int64_t column) const {
    const std::int32_t first = begin[row];
    const std::int32_t last = begin[row + 1];
    float sum[N] = {};
    for (std::int32_t i = first; i < last; ++i) {
      float v[N];
      cuda::load_floats<N>(x + child[i] * x_stride + column, v);
#pragma unroll
      for (int k = 0; k < N; ++k) sum[k] += v[k];
    }
    const auto count = static_cast<float>(last - first + 1);
#pragma unroll
    for (int k = 0; k < N; ++k) sum[k] /= count;
    cuda::store_floats<N>(out + row * out_stride + column, sum);
  }
};

template <class T>
void mean(Queue<Cuda>& queue, In<Cuda, T, 2> x, In<Cuda, std::int32_t, 1> begin, In<Cuda, std::int32_t, 1> child,
          View<Cuda, T, 2> out) {
  require(begin.size() == out.extent(0) + 1 && x.extent(1) == out.extent(1) && child.size() == x.extent(0), "mean_children",
          "x [", x.extent(0), ", ", x.extent(1), "], begin [", begin.size(), "], child [", child.size(), "], out [",
          out.extent(0), ", ", out.extent(1), "]");
  cuda::for_each_pack<kPackOf<T>>(
      queue, "mean_children", out.extent(0), out.extent(1), packs(x) && packs(out),
      MeanBody<T>{x.data(), begin.data(), child.data(), out.data(), x.outer_stride(), out.outer_stride()});
}

}  // namespace

template <class Dev, class From, class To>
void cast(Queue<Dev>& queue, View<Dev, const From, 1> x, View<Dev, To, 1> out) {
  cast_all(queue, x, out);
}
template void cast<Cuda, float, float>(Queue<Cuda>&, View<Cuda, const float, 1>, View<Cuda, float, 1>);
template void cast<Cuda, float, half>(Queue<Cuda>&, View<Cuda, const float, 1>, View<Cuda, half, 1>);
template void cast<Cuda, half, float>(Queue<Cuda>&, View<Cuda, const half, 1>, View<Cuda, float, 1>);
template void cast<Cuda, half, half>(Queue<Cuda>&, View<Cuda, const half, 1>, View<Cuda, half, 1>);
template void cast<Cuda, bfloat16, float>(Queue<Cuda>&, View<Cuda, const bfloat16, 1>, View<Cuda, float, 1>);
template void cast<Cuda, bfloat16, half>(Queue<Cuda>&, View<Cuda, const bfloat16, 1>, View<Cuda, half, 1>);

template <class Dev, class T>
void activate(Queue<Dev>& queue, In<Dev, T, 1> x, Activation activation, View<Dev, T, 1> out) {
  activate_all<T>(queue, x, activation, out);
}
template void activate<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 1>, Activation, View<Cuda, float, 1>);
template void activate<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 1>, Activation, View<Cuda, half, 1>);

template <class Dev, class T>
void combine(Queue<Dev>& queue, float a, In<Dev, T, 1> x, float b, In<Dev, T, 1> y, View<Dev, T, 1> out) {
  combine_all<T>(queue, a, x, b, y, out);
}
template void combine<Cuda, float>(Queue<Cuda>&, float, In<Cuda, float, 1>, float, In<Cuda, float, 1>, View<Cuda, float, 1>);
template void combine<Cuda, half>(Queue<Cuda>&, float, In<Cuda, half, 1>, float, In<Cuda, half, 1>, View<Cuda, half, 1>);

template <class Dev, class T>
void add_gated(Queue<Dev>& queue, View<Dev, T, 2> x, In<Dev, T, 2> h, In<Dev, T, 2> gate, In<Dev, std::int32_t, 1> row_batch) {
  add_gated_rows<T>(queue, x, h, gate, row_batch);
}
template void add_gated<Cuda, float>(Queue<Cuda>&, View<Cuda, float, 2>, In<Cuda, float, 2>, In<Cuda, float, 2>,
                                     In<Cuda, std::int32_t, 1>);
template void add_gated<Cuda, half>(Queue<Cuda>&, View<Cuda, half, 2>, In<Cuda, half, 2>, In<Cuda, half, 2>,
                                    In<Cuda, std::int32_t, 1>);

template <class Dev, class T>
void scale_columns(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, T, 1> scale, In<Dev, T, 1> shift, View<Dev, T, 2> out) {
  scale_rows<T>(queue, x, scale, shift, out);
}
template void scale_columns<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 2>, In<Cuda, float, 1>, In<Cuda, float, 1>,
                                         View<Cuda, float, 2>);
template void scale_columns<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 2>, In<Cuda, half, 1>, In<Cuda, half, 1>,
                                        View<Cuda, half, 2>);

template <class Dev, class T>
void add_rows(Queue<Dev>& queue, View<Dev, T, 2> x, In<Dev, T, 2> table) {
  add_table<T>(queue, x, table);
}
template void add_rows<Cuda, float>(Queue<Cuda>&, View<Cuda, float, 2>, In<Cuda, float, 2>);
template void add_rows<Cuda, half>(Queue<Cuda>&, View<Cuda, half, 2>, In<Cuda, half, 2>);

template <class Dev, class T>
void gather_rows(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, std::int32_t, 1> index, View<Dev, T, 2> out) {
  gather<T>(queue, x, index, out);
}
template void gather_rows<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 2>, In<Cuda, std::int32_t, 1>, View<Cuda, float, 2>);
template void gather_rows<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 2>, In<Cuda, std::int32_t, 1>, View<Cuda, half, 2>);

template <class Dev, class T>
void mean_children(Queue<Dev>& queue, In<Dev, T, 2> x, In<Dev, std::int32_t, 1> begin, In<Dev, std::int32_t, 1> child,
                   View<Dev, T, 2> out) {
  mean<T>(queue, x, begin, child, out);
}
template void mean_children<Cuda, float>(Queue<Cuda>&, In<Cuda, float, 2>, In<Cuda, std::int32_t, 1>, In<Cuda, std::int32_t, 1>,
                                         View<Cuda, float, 2>);
template void mean_children<Cuda, half>(Queue<Cuda>&, In<Cuda, half, 2>, In<Cuda, std::int32_t, 1>, In<Cuda, std::int32_t, 1>,
                                        View<Cuda, half, 2>);

}  // namespace espalier
