// The ground of the known-answer checks: one device and element type, inputs, and errors against float64 answers.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "espalier/diagnostics.h"
#include "runtime/queue.h"
#include "weights/synthetic.h"

namespace espalier {

template <class Dev, class T>
class DoctorBench {
 public:
  DoctorBench(int ordinal, std::string type) : queue_(ordinal), arena_(kScratch, ordinal, "doctor"), type_(std::move(type)) {
    queue_.use(&arena_);
  }

 protected:
  static constexpr std::size_t kScratch = std::size_t{64} << 20U;
  using Values = std::vector<float>;

  void add(const std::string& family, const std::function<double()>& measure) {
    constexpr double kTolerance = std::is_same_v<T, float> ? 1e-4 : 2e-2;
    Check c;
    c.name = family + ", " + type_;
    try {
      const Frame<Dev> frame(arena_);
      const double error = measure();
      c.passed = error <= kTolerance;
      c.detail = str("error ", error, c.passed ? "" : ": wrong results; update the driver, or rebuild with: make cuda");
    } catch (const Error& e) {
      c.detail = e.what();
    }
    checks_.push_back(std::move(c));
  }
  [[nodiscard]] static Values values(const std::string& name, std::int64_t n) {
    Values v = hashed_values("doctor", name, n, 1.0, 0.0);
    // What half precision cannot hold must not count as an error of the kernel.
    if constexpr (std::is_same_v<T, half>) {
      for (float& x : v) x = to_float(to_half(x));
    }
    return v;
  }
  template <int Rank>
  [[nodiscard]] View<Dev, T, Rank> put(const Values& v, const Extents<Rank>& e) {
    std::vector<T> typed(v.size());
    for (std::size_t i = 0; i < v.size(); ++i) {
      if constexpr (std::is_same_v<T, half>) {
        typed[i] = to_half(v[i]);
      } else {
        typed[i] = v[i];
      }
    }
    auto view = arena_.template take<T, Rank>(e);
    upload_bytes(queue_, typed.data(), view.data(), typed.size() * sizeof(T));
    return view;
  }
  template <class E, int Rank>
  [[nodiscard]] View<Dev, E, Rank> put_as(const std::vector<E>& v, const Extents<Rank>& e) {
    auto view = arena_.template take<E, Rank>(e);
    upload_bytes(queue_, v.data(), view.data(), v.size() * sizeof(E));
    return view;
  }
  template <class V>
  [[nodiscard]] Values get(V view) {
    using E = std::remove_const_t<typename V::element>;
    std::vector<E> raw(static_cast<std::size_t>(view.size()));
    download_bytes(queue_, view.data(), raw.data(), raw.size() * sizeof(E));
    Values out(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if constexpr (std::is_same_v<E, half>) {
        out[i] = to_float(raw[i]);
      } else {
        out[i] = static_cast<float>(raw[i]);
      }
    }
    return out;
  }
  // max |x - ref| / rms(ref)
  [[nodiscard]] static double error(const Values& got, const std::vector<double>& ref) {
    double worst = got.size() == ref.size() ? 0.0 : INFINITY;
    double squares = 0.0;
    for (std::size_t i = 0; i < std::min(got.size(), ref.size()); ++i) {
      const double d = std::abs(got[i] - ref[i]);
      worst = std::isnan(d) ? INFINITY : std::max(worst, d);
      squares += ref[i] * ref[i];
    }
    return worst / std::max(1e-6, std::sqrt(squares / std::max<double>(1.0, static_cast<double>(ref.size()))));
  }

  Queue<Dev> queue_;
  Arena<Dev> arena_;
  std::string type_;
  std::vector<Check> checks_;
};

}  // namespace espalier
