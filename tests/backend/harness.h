// One suite over (device, element type): a test names the op once and runs on every back end of the build. Inputs are
// random and rounded to the element type before the fp64 reference sees them; outputs, scratch memory and the gaps
// between strided rows are filled with NaN first, so that unwritten and wrongly written elements are found.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "base/with_cuda.h"
#include "ops/gemm.h"
#include "runtime/queue.h"
#include "tensor/dtype.h"

namespace espalier::test {

template <class Device, class Element>
struct On {
  using Dev = Device;
  using T = Element;
};

#if ESPALIER_WITH_CUDA
using Backends = ::testing::Types<On<Cpu, float>, On<Cuda, float>, On<Cuda, half>>;
using FloatBackends = ::testing::Types<On<Cpu, float>, On<Cuda, float>>;
#else
using Backends = ::testing::Types<On<Cpu, float>>;
using FloatBackends = Backends;
#endif

struct BackendNames {
  template <class Backend>
  static std::string GetName(int /*index*/) {
    return std::string(Backend::Dev::name) + "_" + name_of(dtype_of<typename Backend::T>::value);
  }
};

template <class T>
double to_double(T value) {
  if constexpr (std::is_same_v<T, half> || std::is_same_v<T, bfloat16>) {
    return to_float(value);
  } else {
    return static_cast<double>(value);
  }
}
template <class T>
T from_double(double value) {
  if constexpr (std::is_same_v<T, half>) {
    return to_half(static_cast<float>(value));
  } else if constexpr (std::is_same_v<T, bfloat16>) {
    return bfloat16{static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(static_cast<float>(value)) >> 16U)};  // truncated
  } else {
    return static_cast<T>(value);
  }
}

// A dense array of the test program, row-major.
template <int Rank>
struct Host {
  Extents<Rank> extents{};
  std::vector<double> values;

  Host() = default;
  explicit Host(const Extents<Rank>& e) : extents(e) {
    std::int64_t n = 1;
    for (const std::int64_t extent : e) n *= extent;
    values.resize(static_cast<std::size_t>(n));
  }
  template <class... I>
  [[nodiscard]] double& operator()(I... index) {
    return values[offset(index...)];
  }
  template <class... I>
  [[nodiscard]] double operator()(I... index) const {
    return values[offset(index...)];
  }
  [[nodiscard]] std::int64_t rows() const { return extents[0]; }
  [[nodiscard]] std::int64_t row_size() const { return rows() == 0 ? 0 : static_cast<std::int64_t>(values.size()) / rows(); }

 private:
  template <class... I>
  [[nodiscard]] std::size_t offset(I... index) const {
    static_assert(sizeof...(I) == Rank);
    const std::array<std::int64_t, Rank> at{static_cast<std::int64_t>(index)...};
    std::int64_t o = 0;
    for (std::size_t i = 0; i < Rank; ++i) o = o * extents[i] + at[i];
    return static_cast<std::size_t>(o);
  }
};

// The listed rows, one after another.
template <int Rank>
Host<Rank> rows_of(const Host<Rank>& all, const std::vector<std::int64_t>& rows) {
  Extents<Rank> extents = all.extents;
  extents[0] = static_cast<std::int64_t>(rows.size());
  Host<Rank> some(extents);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(all.values.begin() + rows[i] * all.row_size(), all.row_size(),
                some.values.begin() + static_cast<std::int64_t>(i) * all.row_size());
  }
  return some;
}

inline std::vector<std::int64_t> all_rows(std::int64_t n) {
  std::vector<std::int64_t> rows(static_cast<std::size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  return rows;
}

template <int Rank>
bool has_nan(const Host<Rank>& array) {
  return std::any_of(array.values.begin(), array.values.end(), [](double v) { return std::isnan(v); });
}

// An array on the device together with its values on the host. Rows may be `stride` elements apart; the gaps and a
// guard behind the last row hold 0xFF bytes (NaN, or -1), and download() fails the test when they were written.
template <class Dev, class T, int Rank>
class Array {
 public:
  Array() = default;
  Array(Queue<Dev>& queue, const Extents<Rank>& extents, std::int64_t stride = 0) : host(extents), queue_(&queue) {
    std::int64_t row = 1;
    for (std::size_t i = 1; i < Rank; ++i) row *= extents[i];
    row_ = row;
    stride_ = stride == 0 ? row : stride;
    elements_ = extents[0] * stride_ + kGuard;
    buffer_ = Buffer<Dev>(static_cast<std::size_t>(elements_) * sizeof(T), queue.ordinal(), "test array");
    write({});
  }

  [[nodiscard]] View<Dev, T, Rank> view() const { return {reinterpret_cast<T*>(buffer_.data()), host.extents, stride_}; }
  // Rounds the host values to T and sends them to the device.
  void upload() {
    std::vector<T> typed(host.values.size());
    for (std::size_t i = 0; i < typed.size(); ++i) {
      typed[i] = from_double<T>(host.values[i]);
      host.values[i] = to_double(typed[i]);
    }
    write(typed);
  }
  [[nodiscard]] Host<Rank> download() const {
    std::vector<T> all(static_cast<std::size_t>(elements_));
    download_bytes(*queue_, buffer_.data(), all.data(), all.size() * sizeof(T));
    queue_->synchronize();
    Host<Rank> result(host.extents);
    std::int64_t stray = 0;
    for (std::int64_t i = 0; i < elements_; ++i) {
      const T& value = all[static_cast<std::size_t>(i)];
      const std::int64_t r = i / std::max<std::int64_t>(stride_, 1);
      const std::int64_t c = i - r * stride_;
      if (r < host.extents[0] && c < row_) {
        result.values[static_cast<std::size_t>(r * row_ + c)] = to_double(value);
      } else if (!poisoned(value)) {
        ++stray;
      }
    }
    EXPECT_EQ(stray, 0) << "elements outside the output view were written";
    return result;
  }

  Host<Rank> host;

 private:
  static constexpr std::int64_t kGuard = 67;

  static bool poisoned(const T& value) {
    std::array<unsigned char, sizeof(T)> bytes{};
    std::memcpy(bytes.data(), &value, sizeof(T));
    return std::all_of(bytes.begin(), bytes.end(), [](unsigned char b) { return b == 0xFF; });
  }
  void write(const std::vector<T>& values) {
    std::vector<T> all(static_cast<std::size_t>(elements_));
    std::memset(static_cast<void*>(all.data()), 0xFF, all.size() * sizeof(T));
    for (std::int64_t r = 0; !values.empty() && r < host.extents[0]; ++r) {
      std::copy_n(values.begin() + r * row_, row_, all.begin() + r * stride_);
    }
    upload_bytes(*queue_, all.data(), buffer_.data(), all.size() * sizeof(T));
    queue_->synchronize();
  }

  Queue<Dev>* queue_ = nullptr;
  Buffer<Dev> buffer_;
  std::int64_t row_ = 0, stride_ = 0, elements_ = 0;
};

// Error to allow for sums of `terms` products of unit variance: inputs are exact, accumulation is float32 (the error of
// a running sum grows as the root of its length), and the result is rounded to T once (a half has 2^-11, times the six
// sigma of the largest element).
template <class T>
double tolerance(std::int64_t terms = 1) {
  const double accumulation = (16.0 + 2.0 * std::sqrt(static_cast<double>(terms))) * 0x1p-24;
  return std::is_same_v<T, half> ? accumulation + 6.0 * 0x1p-11 + 1e-3 : 2.0 * accumulation;
}

// max |x - ref| / max(rms(ref), 1e-6) <= limit, with no NaN, over the given elements.
inline void expect_close(const std::vector<double>& actual, const std::vector<double>& expected, double limit,
                         const std::string& what = "") {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  if (expected.empty()) return;
  double squares = 0;
  double worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    squares += expected[i] * expected[i];
    const double difference = std::abs(actual[i] - expected[i]);
    if (!(difference <= worst)) {
      worst = difference;
      at = i;
      if (std::isnan(difference)) break;
    }
  }
  const double rms = std::sqrt(squares / static_cast<double>(expected.size()));
  const double error = worst / std::max(rms, 1e-6);
  EXPECT_LE(error, limit) << what << ": worst element " << at << " of " << expected.size() << " is " << actual[at]
                          << ", expected " << expected[at];
}
template <int Rank>
void expect_close(const Host<Rank>& actual, const Host<Rank>& expected, double limit, const std::string& what = "") {
  expect_close(actual.values, expected.values, limit, what);
}

inline double reference_activation(double x, Activation activation) {
  switch (activation) {
    case Activation::none: return x;
    case Activation::silu: return x / (1.0 + std::exp(-x));
    case Activation::gelu_tanh: return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
    case Activation::gelu_erf: return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0)));
    case Activation::relu: return std::max(x, 0.0);
    case Activation::sigmoid: return 1.0 / (1.0 + std::exp(-x));
    case Activation::quick_gelu: return x / (1.0 + std::exp(-1.702 * x));
  }
  return x;
}

// Fixture of every op: a queue of the back end, random inputs, poisoned outputs.
template <class Backend>
class OpTest : public ::testing::Test {
 public:
  using Device = typename Backend::Dev;
  using Element = typename Backend::T;

 protected:
  void SetUp() override {
    if (Device::where == Where::cuda && list_gpus().empty()) GTEST_SKIP() << "no NVIDIA GPU in this machine";
    queue_.emplace();
  }
  Queue<Device>& queue() { return *queue_; }

  template <class E, int Rank>
  Array<Device, E, Rank> make(const Host<Rank>& values, std::int64_t stride = 0) {
    Array<Device, E, Rank> a(queue(), values.extents, stride);
    a.host = values;
    a.upload();
    return a;
  }
  // Uniform values of variance scale^2 around `centre`.
  template <class E, std::size_t Rank>
  Array<Device, E, Rank> random_of(const std::array<std::int64_t, Rank>& extents, std::int64_t stride = 0, double scale = 1,
                                   double centre = 0) {
    Host<static_cast<int>(Rank)> values(extents);
    for (double& v : values.values) v = centre + scale * std::sqrt(3.0) * (2.0 * uniform() - 1.0);
    return make<E, Rank>(values, stride);
  }
  template <std::size_t Rank>
  Array<Device, Element, Rank> random(const std::array<std::int64_t, Rank>& extents, std::int64_t stride = 0, double scale = 1,
                                      double centre = 0) {
    return random_of<Element, Rank>(extents, stride, scale, centre);
  }
  template <class E, std::size_t Rank>
  Array<Device, E, Rank> poisoned_of(const std::array<std::int64_t, Rank>& extents, std::int64_t stride = 0) {
    return Array<Device, E, Rank>(queue(), extents, stride);
  }
  template <std::size_t Rank>
  Array<Device, Element, Rank> poisoned(const std::array<std::int64_t, Rank>& extents, std::int64_t stride = 0) {
    return poisoned_of<Element, Rank>(extents, stride);
  }
  Array<Device, std::int32_t, 1> indices(const std::vector<std::int32_t>& values) {
    Host<1> host({static_cast<std::int64_t>(values.size())});
    std::copy(values.begin(), values.end(), host.values.begin());
    return make<std::int32_t, 1>(host);
  }
  // A number in [0, 1), and one in [0, n).
  double uniform() { return static_cast<double>(generator_() >> 11U) * 0x1p-53; }
  std::int64_t below(std::int64_t n) { return static_cast<std::int64_t>(uniform() * static_cast<double>(n)); }

  // Runs `body` on a metering queue, then for real with exactly the scratch memory that was metered, poisoned.
  template <class Body>
  void run(Body&& body) {
    Arena<Device> meter;
    queue().use(&meter);
    body(queue());
    const std::size_t planned = std::max(meter.peak(), kAlignment);
    Arena<Device> scratch(planned, queue().ordinal(), "test scratch");
    queue().use(&scratch);
    {
      const Frame<Device> frame(scratch);
      const auto all = scratch.template take<std::uint8_t, 1>({static_cast<std::int64_t>(planned)});
      const std::vector<std::uint8_t> poison(planned, 0xFF);
      upload_bytes(queue(), poison.data(), all.data(), planned);
      queue().synchronize();
    }
    scratch.reset_peak();
    body(queue());
    queue().synchronize();
    EXPECT_EQ(scratch.peak(), meter.peak()) << "scratch taken while metering differs from scratch taken while running";
    EXPECT_EQ(scratch.used(), 0U) << "the op left a frame open";
    queue().use(nullptr);
  }

 private:
  std::optional<Queue<Device>> queue_;
  std::mt19937_64 generator_{20240607};
};

}  // namespace espalier::test
