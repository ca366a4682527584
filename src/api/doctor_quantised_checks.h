// Known-answer checks of products with weights in 8 bits, for one (device, type). The answers are float64 loops over the
// numbers that are left when the host has quantised.
#pragma once

#include <utility>

#include "api/doctor_bench.h"
#include "ops/quantised.h"
#include "weights/quantise.h"

namespace espalier {

template <class Dev, class T>
class DoctorQuantisedChecks : private DoctorBench<Dev, T> {
  using Bench = DoctorBench<Dev, T>;

 public:
  using Bench::Bench;

  [[nodiscard]] std::vector<Check> run() {
    add("products with int8 weights", [&] { return int8_products(); });
    if constexpr (std::is_same_v<T, half>) {
      if (multiplies_float8(queue_)) {
        add("rows in float8", [&] { return float8_rows(); });
        add("float8 products", [&] { return float8_products(); });
      }
    }
    return std::move(checks_);
  }

 private:
  using Bench::add;
  using Bench::arena_;
  using Bench::checks_;
  using Bench::error;
  using Bench::get;
  using Bench::queue_;
  using Bench::values;
  using typename Bench::Values;

  [[nodiscard]] static std::vector<double> product(const std::vector<double>& x, const std::vector<double>& w, std::int64_t n,
                                                   std::int64_t m) {
    const auto k = static_cast<std::int64_t>(w.size()) / m;
    std::vector<double> out;
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < m; ++j) {
        double sum = 0;
        for (std::int64_t q = 0; q < k; ++q)
          sum += x[static_cast<std::size_t>(i * k + q)] * w[static_cast<std::size_t>(j * k + q)];
        out.push_back(sum);
      }
    }
    return out;
  }
  // A matrix quantised on the host: what the device gets, and the numbers that stand there.
  template <class Q>
  struct Quantised {
    ScaledMatrix<Dev, Q> matrix;
    std::vector<double> meant;
  };
  template <class Q>
  Quantised<Q> quantised(const Values& from, std::int64_t rows, std::int64_t columns) {
    std::vector<Q> codes(from.size());
    std::vector<float> scales;
    for (std::int64_t r = 0; r < rows; ++r)
      scales.push_back(quantise_row(from.data() + r * columns, columns, codes.data() + r * columns));
    Quantised<Q> out;
    for (std::size_t i = 0; i < codes.size(); ++i) {
      const double scale = scales[i / static_cast<std::size_t>(columns)];
      if constexpr (std::is_same_v<Q, float8>) {
        out.meant.push_back(to_float(codes[i]) * scale);
      } else {
        out.meant.push_back(codes[i] * scale);
      }
    }
    out.matrix = {this->template put_as<Q, 2>(codes, {rows, columns}), this->template put_as<float, 1>(scales, {rows})};
    return out;
  }
  double int8_products() {
    constexpr int n = 33, k = 80, m = 48;
    const Values x = values("8x", n * k), w = values("8w", m * k);
    const auto held = quantised<std::int8_t>(w, m, k);
    auto out = arena_.template take<T, 2>({n, m});
    linear<Dev, T>(queue_, this->template put<2>(x, {n, k}), held.matrix, {}, Activation::none, out);
    return error(get(out), product({x.begin(), x.end()}, held.meant, n, m));
  }
  double float8_rows() {
    constexpr int n = 21, k = 96;
    const Values x = values("fr", n * k);
    const auto wanted = quantised<float8>(x, n, k);
    auto rounded = arena_.template take<float8, 2>({n, k});
    auto scales = arena_.template take<float, 1>({n});
    auto out = arena_.template take<T, 2>({n, k});
    quantise_rows<Dev, T>(queue_, this->template put<2>(x, {n, k}), rounded, scales);
    expand<Dev, T, float8>(queue_, {rounded, scales}, out);
    return error(get(out), wanted.meant);
  }
  // As many rows as it takes to be multiplied in 8 bits.
  double float8_products() {
    constexpr std::int64_t n = kFewestFloat8Rows, k = 64, m = 32;
    const Values x = values("fx", n * k), w = values("fw", m * k);
    const auto rows = quantised<float8>(x, n, k);
    const auto held = quantised<float8>(w, m, k);
    auto out = arena_.template take<T, 2>({n, m});
    linear<Dev, T>(queue_, this->template put<2>(x, {n, k}), held.matrix, {}, Activation::none, out);
    return error(get(out), product(rows.meant, held.meant, n, m));
  }
};

}  // namespace espalier
