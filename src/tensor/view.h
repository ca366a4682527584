// View<Dev, T, Rank>: the only thing an op takes. Device and element type are part of the type, so a mismatch does
// not compile. A view owns nothing and is trivially copyable.
//
// Layout: row-major; all dimensions but the first are dense, the first may have a larger stride (`outer_stride`, in
// elements), which is how columns of a wider matrix are named (q, k and v inside one packed projection).
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <type_traits>

#include "base/error.h"

namespace espalier {

enum class Where : std::uint8_t { cpu, cuda };

// Device tags.
struct Cpu {
  static constexpr Where where = Where::cpu;
  static constexpr const char* name = "cpu";
};
struct Cuda {
  static constexpr Where where = Where::cuda;
  static constexpr const char* name = "cuda";
};

template <int Rank>
using Extents = std::array<std::int64_t, Rank>;

template <class Dev, class T, int Rank>
class View {
  static_assert(Rank >= 1);

 public:
  using device = Dev;
  using element = T;
  static constexpr int rank = Rank;

  constexpr View() = default;
  constexpr View(T* data, Extents<Rank> extents) : data_(data), extents_(extents), outer_stride_(inner(extents)) {}
  constexpr View(T* data, Extents<Rank> extents, std::int64_t outer_stride)
      : data_(data), extents_(extents), outer_stride_(outer_stride) {}

  // A mutable view is a constant view; never the other way round.
  constexpr operator View<Dev, const T, Rank>() const  // NOLINT(google-explicit-constructor)
      requires(!std::is_const_v<T>) {
    return {data_, extents_, outer_stride_};
  }

  [[nodiscard]] constexpr T* data() const { return data_; }
  [[nodiscard]] constexpr const Extents<Rank>& extents() const { return extents_; }
  [[nodiscard]] constexpr std::int64_t extent(int i) const { return extents_[static_cast<std::size_t>(i)]; }
  [[nodiscard]] constexpr std::int64_t outer_stride() const { return outer_stride_; }
  [[nodiscard]] constexpr std::int64_t size() const { return extents_[0] * inner(extents_); }
  [[nodiscard]] constexpr bool empty() const { return data_ == nullptr || size() == 0; }
  [[nodiscard]] constexpr bool contiguous() const { return outer_stride_ == inner(extents_) || extents_[0] <= 1; }

  // Rows [begin, begin + count) of the first dimension.
  [[nodiscard]] constexpr View rows(std::int64_t begin, std::int64_t count) const {
    Extents<Rank> e = extents_;
    e[0] = count;
    return {data_ + begin * outer_stride_, e, outer_stride_};
  }
  // The same elements under other extents; only for contiguous views of equal size.
  template <int R>
  [[nodiscard]] View<Dev, T, R> reshape(Extents<R> e) const {
    View<Dev, T, R> other(data_, e);
    require(contiguous() && other.size() == size(), "View::reshape", "cannot see ", size(), " elements as ", other.size());
    return other;
  }

  // Element access exists on the host only for host memory.
  template <class... I>
  requires(sizeof...(I) == Rank && (std::convertible_to<I, std::int64_t> && ...) && std::same_as<Dev, Cpu>)
      [[nodiscard]] constexpr T&
      operator()(I... index) const {
    const std::array<std::int64_t, Rank> at{static_cast<std::int64_t>(index)...};
    std::int64_t offset = 0;
    for (int i = 1; i < Rank; ++i) {
      offset = offset * extents_[static_cast<std::size_t>(i)] + at[static_cast<std::size_t>(i)];
    }
    return data_[at[0] * outer_stride_ + offset];
  }

 private:
  static constexpr std::int64_t inner(const Extents<Rank>& e) {
    std::int64_t n = 1;
    for (int i = 1; i < Rank; ++i) n *= e[static_cast<std::size_t>(i)];
    return n;
  }

  T* data_ = nullptr;
  Extents<Rank> extents_{};
  std::int64_t outer_stride_ = 0;
};

// Columns [begin, begin + count) of a matrix.
template <class Dev, class T>
[[nodiscard]] constexpr View<Dev, T, 2> columns(View<Dev, T, 2> m, std::int64_t begin, std::int64_t count) {
  return {m.data() + begin, {m.extent(0), count}, m.outer_stride()};
}

// Columns [begin, begin + heads * width) of a matrix, seen as [rows, heads, width].
template <class Dev, class T>
[[nodiscard]] constexpr View<Dev, T, 3> head_columns(View<Dev, T, 2> m, std::int64_t begin, std::int64_t heads,
                                                     std::int64_t width) {
  return {m.data() + begin, {m.extent(0), heads, width}, m.outer_stride()};
}

// Lets an argument deduce its view from the other arguments and take a mutable view where a constant one is asked for.
template <class Dev, class T, int Rank>
using In = std::type_identity_t<View<Dev, const T, Rank>>;

}  // namespace espalier
