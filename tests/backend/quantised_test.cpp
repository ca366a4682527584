// Weights in 8 bits: the format itself, rows that are quantised on a device, expansion, products.
#include "ops/quantised.h"

#include <bit>
#include <limits>

#include "base/with_cuda.h"
#include "harness.h"

#if ESPALIER_WITH_CUDA
#include "ops/cuda/gemm_float8.h"
#endif

namespace espalier::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The code whose value is nearest, of two the even one: a search through all that are numbers.
float8 nearest_float8(double value) {
  float8 best{};
  double least = kInfinity;
  for (int code = 0; code < 0x7F; ++code) {
    const float8 candidate{static_cast<std::uint8_t>(code)};
    const double distance = std::abs(std::abs(value) - to_float(candidate));
    if (distance < least || (distance == least && code % 2 == 0)) {
      least = distance;
      best = candidate;
    }
  }
  if (std::signbit(value)) best.bits |= 0x80U;
  return best;
}

TEST(Float8, EveryCodeIsItsValueAndBack) {
  for (int code = 0; code < 256; ++code) {
    const float8 held{static_cast<std::uint8_t>(code)};
    const int exponent = code >> 3 & 0xF, mantissa = code & 7;
    const double magnitude = exponent == 0 ? mantissa * 0x1p-9 : (8 + mantissa) * std::ldexp(1.0, exponent - 10);
    if ((code & 0x7F) == 0x7F) {
      EXPECT_TRUE(std::isnan(to_float(held)));
      EXPECT_EQ(to_float8(to_float(held)).bits & 0x7F, 0x7F);
    } else {
      EXPECT_EQ(to_float(held), code < 128 ? magnitude : -magnitude) << code;
      EXPECT_EQ(to_float8(to_float(held)).bits, code);
    }
  }
}

TEST(Float8, RoundsToNearestEvenAndSaturates) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> exponent(-12.0F, 8.8F);
  for (int i = 0; i < 4000; ++i) {
    const float value = (i % 2 == 0 ? 1.0F : -1.0F) * std::exp2(exponent(random));
    ASSERT_EQ(to_float8(value).bits, nearest_float8(value).bits) << value;
  }
  // Halfway between neighbours, of every pair.
  for (int code = 0; code < 0x7E; ++code) {
    const float low = to_float(float8{static_cast<std::uint8_t>(code)});
    const float high = to_float(float8{static_cast<std::uint8_t>(code + 1)});
    const float middle = (low + high) / 2;
    EXPECT_EQ(to_float8(middle).bits, code + code % 2) << middle;
    EXPECT_EQ(to_float8(std::nextafter(middle, 0.0F)).bits, code);
    EXPECT_EQ(to_float8(std::nextafter(middle, 1e9F)).bits, code + 1);
  }
  for (const float large : {448.0F, 449.0F, 480.0F, 1e30F, std::numeric_limits<float>::infinity()}) {
    EXPECT_EQ(to_float(to_float8(large)), 448.0F);
    EXPECT_EQ(to_float(to_float8(-large)), -448.0F);
  }
}

template <class Backend>
class Quantised : public OpTest<Backend> {
 public:
  using Device = typename Backend::Dev;

 protected:
  // A matrix in 8 bits on the device, and the numbers that it stands for.
  template <class Q>
  struct Matrix {
    Array<Device, std::uint8_t, 2> bytes;
    Array<Device, float, 1> scales;
    Host<2> meant;
    [[nodiscard]] ScaledMatrix<Device, Q> view() const {
      return {{reinterpret_cast<const Q*>(bytes.view().data()), meant.extents}, scales.view()};
    }
  };
  template <class Q>
  Matrix<Q> matrix(std::int64_t rows, std::int64_t columns, double scale) {
    Matrix<Q> m;
    Host<2> codes({rows, columns});
    Host<1> scales({rows});
    m.meant = Host<2>({rows, columns});
    for (std::int64_t r = 0; r < rows; ++r) {
      scales(r) = static_cast<float>(scale * (0.5 + this->uniform()) / kLargest<Q>);
      for (std::int64_t c = 0; c < columns; ++c) {
        if constexpr (std::is_same_v<Q, float8>) {
          const float8 q = nearest_float8(kLargest<Q> * (2.0 * this->uniform() - 1.0));
          codes(r, c) = q.bits;
          m.meant(r, c) = to_float(q) * scales(r);
        } else {
          const auto q = static_cast<std::int8_t>(this->below(255) - 127);
          codes(r, c) = static_cast<std::uint8_t>(q);
          m.meant(r, c) = q * scales(r);
        }
      }
    }
    m.bytes = this->template make<std::uint8_t>(codes);
    m.scales = this->template make<float>(scales);
    return m;
  }
};
TYPED_TEST_SUITE(Quantised, Backends, BackendNames);

Host<2> reference(const Host<2>& x, const Host<2>& w, const Host<1>& bias, Activation activation,
                  const std::vector<std::int64_t>& rows) {
  Host<2> out({static_cast<std::int64_t>(rows.size()), w.extents[0]});
  for (std::int64_t i = 0; i < out.extents[0]; ++i) {
    for (std::int64_t o = 0; o < w.extents[0]; ++o) {
      double sum = bias.values.empty() ? 0.0 : bias(o);
      for (std::int64_t c = 0; c < w.extents[1]; ++c) sum += x(rows[static_cast<std::size_t>(i)], c) * w(o, c);
      out(i, o) = reference_activation(sum, activation);
    }
  }
  return out;
}

TYPED_TEST(Quantised, Expansion) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  const auto check = [&](const auto& held, const Extents<2>& extents, const std::string& what) {
    auto out = this->poisoned(extents);
    this->run([&](auto& q) { expand<Dev, T>(q, held.view(), out.view()); });
    // One rounding, of numbers around 1.
    expect_close(out.download(), held.meant, std::is_same_v<T, half> ? 0x1p-10 : 0x1p-22, what);
  };
  for (const Extents<2>& e :
       {Extents<2>{1, 1}, Extents<2>{3, 7}, Extents<2>{65, 64}, Extents<2>{40, 1000}, Extents<2>{0, 16}}) {
    check(this->template matrix<std::int8_t>(e[0], e[1], 1.0), e, str("int8, ", e[0], " x ", e[1]));
    check(this->template matrix<float8>(e[0], e[1], 1.0), e, str("float8, ", e[0], " x ", e[1]));
  }
}

// What quantise_rows makes of one row, by search.
void expect_quantised(const Host<2>& x, const Host<2>& codes, const Host<1>& scales, const std::string& what) {
  for (std::int64_t r = 0; r < x.extents[0]; ++r) {
    double largest = 0;
    for (std::int64_t c = 0; c < x.extents[1]; ++c)
      largest = std::isfinite(x(r, c)) ? std::max(largest, std::abs(x(r, c))) : kInfinity;
    if (largest == kInfinity) {
      EXPECT_TRUE(std::isnan(scales(r))) << what << ", row " << r;
      continue;
    }
    const float scale = static_cast<float>(largest) / 448.0F;
    ASSERT_EQ(scales(r), scale) << what << ", row " << r;
    for (std::int64_t c = 0; c < x.extents[1]; ++c) {
      const float over = scale > 0 ? static_cast<float>(x(r, c)) / scale : 0.0F;
      ASSERT_EQ(codes(r, c), nearest_float8(over).bits) << what << ", row " << r << ", column " << c << ": " << x(r, c);
    }
  }
}

TYPED_TEST(Quantised, RowsByTheirLargest) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  for (const Extents<2>& e :
       {Extents<2>{1, 1}, Extents<2>{9, 13}, Extents<2>{17, 96}, Extents<2>{33, 1024}, Extents<2>{5, 4097}}) {
    for (const std::int64_t gap : {0, 8, 3}) {
      Host<2> values(e);
      for (double& v : values.values) v = 2.0 * this->uniform() - 1.0;
      const auto row = [&](std::int64_t r, auto&& f) {
        for (std::int64_t c = 0; r < e[0] && c < e[1]; ++c) values(r, c) = f(c);
      };
      row(1, [](std::int64_t) { return 0.0; });
      row(2, [&](std::int64_t c) { return c == e[1] / 2 ? 60000.0 : 1.0 / (1.0 + static_cast<double>(c)); });
      row(3, [](std::int64_t c) { return c % 2 == 0 ? 0x1p-24 : -0x1p-23; });  // the smallest halves
      if (e[0] > 8) {
        values(5, e[1] - 1) = kInfinity;
        values(6, 0) = -kInfinity;
        values(7, e[1] / 3) = std::numeric_limits<double>::quiet_NaN();
      }
      auto x = this->template make<T>(values, e[1] + gap);
      auto codes = this->template poisoned_of<std::uint8_t>(e);
      auto scales = this->template poisoned_of<float>(Extents<1>{e[0]});
      const View<Dev, float8, 2> held(reinterpret_cast<float8*>(codes.view().data()), e);
      this->run([&](auto& q) { quantise_rows<Dev, T>(q, x.view(), held, scales.view()); });
      expect_quantised(x.host, codes.download(), scales.download(), str(e[0], " x ", e[1], ", gap ", gap));
    }
  }
}

TYPED_TEST(Quantised, ProductsWithInt8Weights) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  struct Size {
    std::int64_t rows, in, out;
  };
  for (const Size& s : {Size{1, 64, 64}, Size{5, 72, 130}, Size{130, 1024, 96}, Size{0, 64, 64}, Size{33, 257, 129}}) {
    for (const Activation activation : {Activation::none, Activation::gelu_tanh, Activation::gelu_erf}) {
      auto x = this->random(Extents<2>{s.rows, s.in}, s.in + 8);
      const auto w = this->template matrix<std::int8_t>(s.out, s.in, 2.0 / std::sqrt(static_cast<double>(s.in)));
      auto bias = this->random(Extents<1>{activation == Activation::none ? 0 : s.out});
      auto out = this->poisoned(Extents<2>{s.rows, s.out});
      this->run([&](auto& q) { linear<Dev, T>(q, x.view(), w.view(), bias.view(), activation, out.view()); });
      // Expanded weights are rounded to T once more than those of a plain product.
      expect_close(out.download(), reference(x.host, w.meant, bias.host, activation, all_rows(s.rows)), 2 * tolerance<T>(s.in),
                   str(s.rows, " x ", s.in, " to ", s.out));
    }
  }
}

#if ESPALIER_WITH_CUDA
class Float8Product : public Quantised<On<Cuda, half>> {
 protected:
  void SetUp() override {
    Quantised<On<Cuda, half>>::SetUp();
    if (!IsSkipped() && !multiplies_float8(queue())) GTEST_SKIP() << "this GPU has no products in float8";
  }
  // What the rows of x are after quantise_row on the host, whose rounding is that of the device.
  static Host<2> rounded(const Host<2>& x) {
    Host<2> out(x.extents);
    for (std::int64_t r = 0; r < x.extents[0]; ++r) {
      float largest = 0;
      for (std::int64_t c = 0; c < x.extents[1]; ++c) largest = std::max(largest, static_cast<float>(std::abs(x(r, c))));
      const float scale = scale_for<float8>(largest);
      for (std::int64_t c = 0; c < x.extents[1]; ++c)
        out(r, c) = static_cast<double>(to_float(to_float8(over_scale(static_cast<float>(x(r, c)), scale)))) * scale;
    }
    return out;
  }
};

// Sums in float32 of exact products, and one or two roundings to half: as for products of halves. Sums that stay in the tensor
// cores are cut to 14 bits at every step, and what is cut off adds up.
double float8_tolerance(std::int64_t in, bool fast) {
  return 2 * tolerance<half>(in) + (fast ? 0x1p-12 * std::sqrt(static_cast<double>(in)) : 0.0);
}

TEST_F(Float8Product, BothWaysOfScalingAndSumming) {
  struct Size {
    std::int64_t rows, in, out;
  };
  for (const Size& s : {Size{1, 16, 16}, Size{33, 64, 48}, Size{257, 1024, 192}, Size{130, 4096, 64}}) {
    for (const Activation activation : {Activation::none, Activation::gelu_tanh, Activation::silu}) {
      for (const bool with_bias : {true, false}) {
        const auto x = matrix<float8>(s.rows, s.in, 1.7);
        const auto w = matrix<float8>(s.out, s.in, 1.7 / std::sqrt(static_cast<double>(s.in)));
        auto bias = random(Extents<1>{with_bias ? s.out : 0});
        const Host<2> expected = reference(x.meant, w.meant, bias.host, activation, all_rows(s.rows));
        for (const bool inside : {true, false}) {
          for (const bool fast : {true, false}) {
            if (inside && !cuda::usual_way(queue()).scaled_inside) continue;
            auto out = poisoned(Extents<2>{s.rows, s.out}, s.out + 8);
            run([&](auto& q) {
              cuda::linear_float8(q, x.view(), w.view(), bias.view(), activation, out.view(), {inside, fast});
            });
            expect_close(out.download(), expected, float8_tolerance(s.in, fast),
                         str(s.rows, " x ", s.in, " to ", s.out, inside ? ", scaled inside" : "", fast ? ", fast sums" : ""));
          }
        }
      }
    }
  }
}

TEST_F(Float8Product, NoSumLeavesTheRangeOfHalves) {
  // Everything as large as it gets, and scales that bring it back to what a half holds.
  constexpr std::int64_t kRows = 16, kIn = 4096, kOut = 32;
  Matrix<float8> x, w;
  for (auto* m : {&x, &w}) {
    const std::int64_t rows = m == &x ? kRows : kOut;
    Host<2> codes({rows, kIn});
    std::fill(codes.values.begin(), codes.values.end(), 0x7E);
    Host<1> scales({rows});
    std::fill(scales.values.begin(), scales.values.end(), 1.0 / 448);
    m->meant = Host<2>({rows, kIn});
    m->bytes = make<std::uint8_t>(codes);
    m->scales = make<float>(scales);
  }
  for (const bool inside : {true, false}) {
    if (inside && !cuda::usual_way(queue()).scaled_inside) continue;
    auto out = poisoned(Extents<2>{kRows, kOut});
    run([&](auto& q) { cuda::linear_float8(q, x.view(), w.view(), {}, Activation::none, out.view(), {inside, false}); });
    for (const double v : out.download().values) ASSERT_NEAR(v, 4096.0, 4.0);
  }
}

TEST_F(Float8Product, ManyRowsAreQuantisedAndFewAreNot) {
  struct Size {
    std::int64_t rows, in, out;
    bool in_8_bits;
  };
  for (const Size& s :
       {Size{kFewestFloat8Rows, 192, 96, true}, Size{kFewestFloat8Rows + 5, 1024, 64, true},
        Size{kFewestFloat8Rows, 200, 96, false}, Size{kFewestFloat8Rows, 192, 100, false}, Size{300, 192, 96, false}}) {
    auto x = random(Extents<2>{s.rows, s.in}, s.in + 8);
    const auto w = matrix<float8>(s.out, s.in, 1.7 / std::sqrt(static_cast<double>(s.in)));
    auto bias = random(Extents<1>{s.out});
    auto out = poisoned(Extents<2>{s.rows, s.out});
    run([&](auto& q) { linear<Cuda, half>(q, x.view(), w.view(), bias.view(), Activation::gelu_tanh, out.view()); });
    const std::vector<std::int64_t> sample{0, 1, 63, 64, 255, s.rows - 1};
    const Host<2> taken = s.in_8_bits ? rounded(x.host) : x.host;
    expect_close(rows_of(out.download(), sample), reference(taken, w.meant, bias.host, Activation::gelu_tanh, sample),
                 float8_tolerance(s.in, cuda::usual_way(queue()).fast_sums), str(s.rows, " x ", s.in, " to ", s.out));
  }
}

TEST_F(Float8Product, WhatIsNotFiniteStaysSo) {
  constexpr std::int64_t kRows = kFewestFloat8Rows, kIn = 64, kOut = 32;
  Host<2> values({kRows, kIn});
  for (double& v : values.values) v = 2.0 * uniform() - 1.0;
  values(3, 5) = kInfinity;
  values(100, 63) = -kInfinity;
  values(4095, 0) = std::numeric_limits<double>::quiet_NaN();
  for (std::int64_t c = 0; c < kIn; ++c) values(7, c) = 0.0;
  auto x = make<half>(values);
  const auto w = matrix<float8>(kOut, kIn, 1.0);
  for (const Activation activation : {Activation::none, Activation::gelu_tanh}) {
    auto out = poisoned(Extents<2>{kRows, kOut});
    run([&](auto& q) { linear<Cuda, half>(q, x.view(), w.view(), {}, activation, out.view()); });
    const Host<2> got = out.download();
    for (std::int64_t r = 0; r < kRows; ++r) {
      const bool broken = r == 3 || r == 100 || r == 4095;
      for (std::int64_t c = 0; c < kOut; ++c) {
        ASSERT_EQ(std::isnan(got(r, c)), broken) << "row " << r;
        ASSERT_TRUE(r != 7 || got(r, c) == 0.0);
      }
    }
  }
}

TEST_F(Float8Product, TheSameBitsTwice) {
  auto x = random(Extents<2>{kFewestFloat8Rows, 1024});
  const auto w = matrix<float8>(1024, 1024, 0.05);
  std::vector<double> first;
  for (int i = 0; i < 3; ++i) {
    auto out = poisoned(Extents<2>{kFewestFloat8Rows, 1024});
    run([&](auto& q) { linear<Cuda, half>(q, x.view(), w.view(), {}, Activation::none, out.view()); });
    const std::vector<double> got = out.download().values;
    if (i == 0) first = got;
    ASSERT_EQ(got, first);
  }
}
#endif

}  // namespace
}  // namespace espalier::test
