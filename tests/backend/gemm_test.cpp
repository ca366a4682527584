// Linear layers.
#include "ops/gemm.h"

#include <random>

#include "harness.h"

namespace espalier::test {
namespace {

template <class Backend>
class Gemm : public OpTest<Backend> {};
TYPED_TEST_SUITE(Gemm, Backends, BackendNames);

struct Size {
  std::int64_t rows, in, out;
};
constexpr std::array<Size, 15> kSizes{{{1, 1, 1},
                                       {1, 7, 3},
                                       {2, 8, 1030},
                                       {3, 5, 17},
                                       {1, 1024, 6144},
                                       {17, 40, 24},
                                       {33, 257, 129},
                                       {130, 64, 1},
                                       {64, 96, 96},
                                       {51, 66, 198},
                                       {16, 50, 320},
                                       {108, 24, 9},
                                       {7, 132, 33},
                                       {37, 588, 192},
                                       {300, 1024, 104}}};

std::string name(const Size& s) { return str("rows ", s.rows, ", in ", s.in, ", out ", s.out); }

// Weights are scaled so that outputs have about unit variance, as in a trained layer.
double weight_scale(const Size& s) { return 1.0 / std::sqrt(static_cast<double>(s.in)); }

// activation(x w^T + bias) + residual for the rows listed; bias and residual may have no elements.
Host<2> reference_linear(const Host<2>& x, const Host<2>& w, const Host<1>& bias, Activation activation,
                         const Host<2>& residual, const std::vector<std::int64_t>& rows) {
  Host<2> out({static_cast<std::int64_t>(rows.size()), w.extents[0]});
  for (std::int64_t i = 0; i < out.extents[0]; ++i) {
    const std::int64_t r = rows[static_cast<std::size_t>(i)];
    for (std::int64_t o = 0; o < w.extents[0]; ++o) {
      double sum = bias.values.empty() ? 0.0 : bias(o);
      for (std::int64_t c = 0; c < w.extents[1]; ++c) sum += x(r, c) * w(o, c);
      out(i, o) = reference_activation(sum, activation) + (residual.values.empty() ? 0.0 : residual(r, o));
    }
  }
  return out;
}

TYPED_TEST(Gemm, LinearOfManySizes) {
  using T = typename TestFixture::Element;
  for (const Size& s : kSizes) {
    auto x = this->random(Extents<2>{s.rows, s.in});
    auto w = this->random(Extents<2>{s.out, s.in}, 0, weight_scale(s));
    auto bias = this->random(Extents<1>{s.out});
    auto out = this->poisoned(Extents<2>{s.rows, s.out});
    this->run([&](auto& q) { linear(q, x.view(), w.view(), bias.view(), Activation::none, out.view()); });
    expect_close(out.download(), reference_linear(x.host, w.host, bias.host, Activation::none, {}, all_rows(s.rows)),
                 tolerance<T>(s.in), name(s));
  }
}

TYPED_TEST(Gemm, LinearWithoutBias) {
  using T = typename TestFixture::Element;
  for (const Size& s : {Size{5, 24, 7}, Size{200, 96, 288}}) {
    auto x = this->random(Extents<2>{s.rows, s.in});
    auto w = this->random(Extents<2>{s.out, s.in}, 0, weight_scale(s));
    auto out = this->poisoned(Extents<2>{s.rows, s.out});
    this->run([&](auto& q) { linear(q, x.view(), w.view(), {}, Activation::none, out.view()); });
    expect_close(out.download(), reference_linear(x.host, w.host, {}, Activation::none, {}, all_rows(s.rows)),
                 tolerance<T>(s.in), name(s));
  }
}

TYPED_TEST(Gemm, LinearEndsWithAnActivation) {
  using T = typename TestFixture::Element;
  for (const Activation activation : {Activation::silu, Activation::gelu_tanh, Activation::gelu_erf, Activation::quick_gelu}) {
    for (const Size& s : {Size{3, 9, 5}, Size{65, 128, 257}}) {
      for (const bool with_bias : {true, false}) {
        auto x = this->random(Extents<2>{s.rows, s.in});
        auto w = this->random(Extents<2>{s.out, s.in}, 0, 3 * weight_scale(s));
        auto bias = this->random(Extents<1>{with_bias ? s.out : 0});
        auto out = this->poisoned(Extents<2>{s.rows, s.out});
        this->run([&](auto& q) { linear(q, x.view(), w.view(), bias.view(), activation, out.view()); });
        expect_close(out.download(), reference_linear(x.host, w.host, bias.host, activation, {}, all_rows(s.rows)),
                     tolerance<T>(s.in), str(name(s), ", activation ", static_cast<int>(activation)));
      }
    }
  }
}

TYPED_TEST(Gemm, RowsOfInputAndOutputMayBeStrided) {
  using T = typename TestFixture::Element;
  for (const Size& s : {Size{4, 6, 5}, Size{70, 64, 96}, Size{129, 100, 33}}) {
    auto x = this->random(Extents<2>{s.rows, s.in}, s.in + 13);
    auto w = this->random(Extents<2>{s.out, s.in}, 0, weight_scale(s));
    auto bias = this->random(Extents<1>{s.out});
    for (const Activation activation : {Activation::none, Activation::gelu_tanh}) {
      auto out = this->poisoned(Extents<2>{s.rows, s.out}, s.out + 8);
      this->run([&](auto& q) { linear(q, x.view(), w.view(), bias.view(), activation, out.view()); });
      expect_close(out.download(), reference_linear(x.host, w.host, bias.host, activation, {}, all_rows(s.rows)),
                   tolerance<T>(s.in), name(s));
    }
  }
}

TYPED_TEST(Gemm, NoRows) {
  auto x = this->random(Extents<2>{0, 16});
  auto w = this->random(Extents<2>{8, 16});
  auto bias = this->random(Extents<1>{8});
  auto out = this->poisoned(Extents<2>{0, 8});
  this->run([&](auto& q) {
    linear(q, x.view(), w.view(), bias.view(), Activation::silu, out.view());
    linear_add(q, x.view(), w.view(), bias.view(), out.view(), out.view());
  });
  EXPECT_TRUE(out.download().values.empty());
}

TYPED_TEST(Gemm, LinearAdd) {
  using T = typename TestFixture::Element;
  for (const Size& s : kSizes) {
    auto x = this->random(Extents<2>{s.rows, s.in}, s.in % 2 == 0 ? s.in : s.in + 3);
    auto w = this->random(Extents<2>{s.out, s.in}, 0, weight_scale(s));
    auto bias = this->random(Extents<1>{s.rows % 2 == 0 ? 0 : s.out});
    auto residual = this->random(Extents<2>{s.rows, s.out});
    auto out = this->poisoned(Extents<2>{s.rows, s.out});
    const Host<2> expected = reference_linear(x.host, w.host, bias.host, Activation::none, residual.host, all_rows(s.rows));
    this->run([&](auto& q) { linear_add(q, x.view(), w.view(), bias.view(), residual.view(), out.view()); });
    expect_close(out.download(), expected, tolerance<T>(s.in), name(s));
    expect_close(residual.download(), residual.host, 0, "residual must not change");
    this->run([&](auto& q) { linear_add(q, x.view(), w.view(), bias.view(), residual.view(), residual.view()); });
    expect_close(residual.download(), expected, tolerance<T>(s.in), "in place, " + name(s));
  }
}

TYPED_TEST(Gemm, FeedForwardOfTheLargeModel) {
  using T = typename TestFixture::Element;
  const Size s{4096, 1024, 4096};
  auto x = this->random(Extents<2>{s.rows, s.in});
  auto w = this->random(Extents<2>{s.out, s.in}, 0, weight_scale(s));
  auto bias = this->random(Extents<1>{s.out});
  auto out = this->poisoned(Extents<2>{s.rows, s.out});
  this->run([&](auto& q) { linear(q, x.view(), w.view(), bias.view(), Activation::gelu_tanh, out.view()); });
  const std::vector<std::int64_t> sample{0, 1, 63, 64, 2047, 2048, 3001, 4095};
  const Host<2> all = out.download();
  expect_close(rows_of(all, sample), reference_linear(x.host, w.host, bias.host, Activation::gelu_tanh, {}, sample),
               tolerance<T>(s.in));
  EXPECT_FALSE(has_nan(all));
}

// --precision half on the CPU: operands rounded to bfloat16 where the processor multiplies those, else exact; the scratch
// that a metering run asks for is enough.
TEST(GemmOnTheProcessor, RoundedProducts) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal;
  for (const Size& s : {Size{64, 96, 96}, Size{300, 1024, 104}, Size{33, 257, 129}, Size{1, 40, 24}, Size{0, 8, 8}}) {
    SCOPED_TRACE(name(s));
    std::vector<float> x(static_cast<std::size_t>(s.rows * s.in)), w(static_cast<std::size_t>(s.out * s.in));
    std::vector<float> bias(static_cast<std::size_t>(s.out)), out(static_cast<std::size_t>(s.rows * s.out), 1.0F), sum = out;
    for (float& v : x) v = normal(random);
    for (float& v : w) v = normal(random) * static_cast<float>(weight_scale(s));
    for (float& v : bias) v = normal(random);
    Queue<Cpu> queue(0, MathMode::bf16);
    const auto both = [&](Arena<Cpu>& arena) {
      queue.use(&arena);
      const View<Cpu, const float, 2> xs(x.data(), {s.rows, s.in}), ws(w.data(), {s.out, s.in});
      const View<Cpu, const float, 1> bs(bias.data(), {s.out});
      const View<Cpu, float, 2> sums(sum.data(), {s.rows, s.out});
      linear<Cpu, float>(queue, xs, ws, bs, Activation::none, View<Cpu, float, 2>(out.data(), {s.rows, s.out}));
      linear_add<Cpu, float>(queue, xs, ws, bs, sums, sums);
    };
    Arena<Cpu> meter;
    both(meter);
    for (const float v : out) ASSERT_EQ(v, 1.0F);
    Arena<Cpu> arena(std::max<std::size_t>(meter.peak(), 1), 0, "scratch");
    both(arena);
    for (std::int64_t r = 0; r < s.rows; ++r) {
      for (std::int64_t o = 0; o < s.out; ++o) {
        double expected = bias[static_cast<std::size_t>(o)];
        for (std::int64_t k = 0; k < s.in; ++k) {
          expected +=
              static_cast<double>(x[static_cast<std::size_t>(r * s.in + k)]) * w[static_cast<std::size_t>(o * s.in + k)];
        }
        // Each product errs by up to 2^-8 of itself, at random; six deviations of their sum.
        constexpr double kLimit = 6.0 / 256.0;
        ASSERT_NEAR(out[static_cast<std::size_t>(r * s.out + o)], expected, kLimit);
        ASSERT_NEAR(sum[static_cast<std::size_t>(r * s.out + o)], expected + 1.0, kLimit);
      }
    }
  }
}

}  // namespace
}  // namespace espalier::test
