// Elementwise operations, gathers and child means.
#include "ops/elementwise.h"

#include "harness.h"

namespace espalier::test {
namespace {

template <class Backend>
class Elementwise : public OpTest<Backend> {
 public:
  using Device = typename Backend::Dev;

 protected:
  template <class From, class To>
  void check_cast() {
    for (const std::int64_t n : {0, 1, 7, 8, 33, 100003}) {
      auto x = this->template random_of<From>(Extents<1>{n}, 0, 30);
      auto out = this->template poisoned_of<To>(Extents<1>{n});
      this->run([&](auto& q) { cast<Device, From, To>(q, x.view(), out.view()); });
      Host<1> expected = x.host;
      for (double& v : expected.values) v = to_double(from_double<To>(v));
      expect_close(out.download(), expected, 0, str("n ", n));
    }
  }
};
TYPED_TEST_SUITE(Elementwise, Backends, BackendNames);

TYPED_TEST(Elementwise, CastIsExactAndRoundsToNearestEven) {
  this->template check_cast<float, float>();
  this->template check_cast<float, half>();
  this->template check_cast<half, float>();
  this->template check_cast<bfloat16, float>();
}

TYPED_TEST(Elementwise, CastOfSpecialValues) {
  using Dev = typename TestFixture::Device;
  // Ties to even, the largest half, the first float that rounds to infinity, subnormal halves and their ties, zeros.
  Host<1> values({14});
  values.values = {2049.0,  2051.0,    65504.0,         65519.0, 65520.0,  1e20, -1e20,
                   0x1p-24, 0x1.8p-24, 0x1.8p-25 * 1.0, 0x1p-25, -0x1p-14, 0.0,  1.0 + 0x1p-11};
  auto x = this->template make<float>(values);
  auto out = this->template poisoned_of<half>(Extents<1>{14});
  this->run([&](auto& q) { cast<Dev, float, half>(q, x.view(), out.view()); });
  const Host<1> actual = out.download();
  for (std::size_t i = 0; i < values.values.size(); ++i) {
    EXPECT_EQ(actual.values[i], to_double(to_half(static_cast<float>(values.values[i])))) << values.values[i];
  }
}

TYPED_TEST(Elementwise, Activate) {
  using T = typename TestFixture::Element;
  for (const Activation activation : {Activation::none, Activation::silu, Activation::gelu_tanh, Activation::gelu_erf,
                                      Activation::relu, Activation::sigmoid, Activation::quick_gelu}) {
    for (const std::int64_t n : {0, 1, 13, 4096, 70001}) {
      auto x = this->random(Extents<1>{n}, 0, 4);
      if (n > 4) {  // far out, where an exponential overflows
        x.host.values[0] = 90;
        x.host.values[1] = -90;
        x.host.values[2] = -11;
        x.host.values[3] = 0;
        x.upload();
      }
      auto out = this->poisoned(Extents<1>{n});
      Host<1> expected = x.host;
      for (double& v : expected.values) v = reference_activation(v, activation);
      this->run([&](auto& q) { activate(q, x.view(), activation, out.view()); });
      // The largest value is 25 times the rms.
      const double limit = 5 * tolerance<T>();
      expect_close(out.download(), expected, limit, str("activation ", static_cast<int>(activation), ", n ", n));
      this->run([&](auto& q) { activate(q, x.view(), activation, x.view()); });
      expect_close(x.download(), expected, limit, "in place");
    }
  }
}

TYPED_TEST(Elementwise, GatedSilu) {
  using T = typename TestFixture::Element;
  struct Shape {
    std::int64_t rows, hidden;
  };
  for (const Shape s : {Shape{0, 8}, Shape{1, 1}, Shape{7, 13}, Shape{301, 4096}, Shape{65, 104}}) {
    auto x = this->random(Extents<2>{s.rows, 2 * s.hidden}, 0, 2);
    auto out = this->poisoned(Extents<2>{s.rows, s.hidden});
    Host<2> expected({s.rows, s.hidden});
    for (std::int64_t r = 0; r < s.rows; ++r) {
      for (std::int64_t c = 0; c < s.hidden; ++c) {
        expected(r, c) = reference_activation(x.host(r, c), Activation::silu) * x.host(r, s.hidden + c);
      }
    }
    this->run([&](auto& q) { gated_silu(q, x.view(), out.view()); });
    expect_close(out.download(), expected, 3 * tolerance<T>(), str("rows ", s.rows, ", hidden ", s.hidden));
  }
}

TYPED_TEST(Elementwise, Combine) {
  using T = typename TestFixture::Element;
  for (const std::int64_t n : {0, 1, 9, 4096, 98304 + 3}) {
    auto x = this->random(Extents<1>{n});
    auto y = this->random(Extents<1>{n});
    auto out = this->poisoned(Extents<1>{n});
    Host<1> expected(x.host.extents);
    for (std::int64_t i = 0; i < n; ++i) expected(i) = 8.5 * x.host(i) - 7.5 * y.host(i);
    this->run([&](auto& q) { combine(q, 8.5F, x.view(), -7.5F, y.view(), out.view()); });
    expect_close(out.download(), expected, tolerance<T>(), str("n ", n));
    auto x2 = this->template make<T>(x.host);
    this->run([&](auto& q) { combine(q, 8.5F, x2.view(), -7.5F, y.view(), x2.view()); });
    expect_close(x2.download(), expected, tolerance<T>(), "into x");
    this->run([&](auto& q) { combine(q, 8.5F, x.view(), -7.5F, y.view(), y.view()); });
    expect_close(y.download(), expected, tolerance<T>(), "into y");
  }
}

TYPED_TEST(Elementwise, AddGated) {
  using T = typename TestFixture::Element;
  for (const std::int64_t rows : {0, 1, 55, 3000}) {
    for (const std::int64_t channels : {5, 96, 1024}) {
      for (const std::int64_t batch : {0, 1, 3}) {
        auto x = this->random(Extents<2>{rows, channels});
        auto h = this->random(Extents<2>{rows, channels});
        auto gate = this->random(Extents<2>{batch, channels}, 6 * channels);
        std::vector<std::int32_t> row_batch(static_cast<std::size_t>(batch > 1 ? rows : 0));
        for (auto& b : row_batch) b = static_cast<std::int32_t>(this->below(batch));
        const auto element = this->indices(row_batch);
        Host<2> expected = x.host;
        for (std::int64_t r = 0; r < rows; ++r) {
          const std::int64_t b = batch > 1 ? row_batch[static_cast<std::size_t>(r)] : 0;
          for (std::int64_t c = 0; c < channels; ++c) expected(r, c) += (batch == 0 ? 1.0 : gate.host(b, c)) * h.host(r, c);
        }
        this->run([&](auto& q) { add_gated(q, x.view(), h.view(), gate.view(), element.view()); });
        expect_close(x.download(), expected, tolerance<T>(), str("rows ", rows, ", channels ", channels, ", batch ", batch));
      }
    }
  }
}

TYPED_TEST(Elementwise, ScaleColumns) {
  using T = typename TestFixture::Element;
  for (const bool scaled : {false, true}) {
    for (const bool shifted : {false, true}) {
      for (const std::int64_t channels : {1, 8, 27, 256}) {
        for (const std::int64_t rows : {0, 1, 200}) {
          auto x = this->random(Extents<2>{rows, channels}, channels + 9);
          auto scale = this->random(Extents<1>{scaled ? channels : 0});
          auto shift = this->random(Extents<1>{shifted ? channels : 0});
          auto out = this->poisoned(Extents<2>{rows, channels}, channels + 4);
          Host<2> expected = x.host;
          for (std::int64_t r = 0; r < rows; ++r) {
            for (std::int64_t c = 0; c < channels; ++c) {
              expected(r, c) = expected(r, c) * (scaled ? scale.host(c) : 1.0) + (shifted ? shift.host(c) : 0.0);
            }
          }
          this->run([&](auto& q) { scale_columns(q, x.view(), scale.view(), shift.view(), out.view()); });
          expect_close(out.download(), expected, scaled || shifted ? tolerance<T>() : 0, str("channels ", channels));
        }
      }
    }
  }
}

TYPED_TEST(Elementwise, AddRows) {
  using T = typename TestFixture::Element;
  struct Shape {
    std::int64_t rows, period, channels;
  };
  for (const Shape s : {Shape{12, 4, 10}, Shape{7, 7, 96}, Shape{2 * 512, 512, 1024}, Shape{5, 8, 3}, Shape{0, 4, 8}}) {
    auto x = this->random(Extents<2>{s.rows, s.channels});
    auto table = this->random(Extents<2>{s.period, s.channels});
    Host<2> expected = x.host;
    for (std::int64_t r = 0; r < s.rows; ++r) {
      for (std::int64_t c = 0; c < s.channels; ++c) expected(r, c) += table.host(r % s.period, c);
    }
    this->run([&](auto& q) { add_rows(q, x.view(), table.view()); });
    expect_close(x.download(), expected, tolerance<T>(), str("rows ", s.rows, ", period ", s.period));
  }
}

TYPED_TEST(Elementwise, GatherRows) {
  struct Shape {
    std::int64_t from, to, channels, stride;
  };
  for (const Shape s :
       {Shape{1, 1, 1, 1}, Shape{30, 77, 5, 8}, Shape{500, 1100, 128, 128}, Shape{12, 12, 1024, 3072}, Shape{9, 0, 16, 16}}) {
    auto x = this->random(Extents<2>{s.from, s.channels}, s.stride);
    std::vector<std::int32_t> index(static_cast<std::size_t>(s.to));
    for (auto& i : index) i = static_cast<std::int32_t>(this->below(s.from + 1) - 1);
    const auto rows = this->indices(index);
    auto out = this->poisoned(Extents<2>{s.to, s.channels}, s.channels + 6);
    Host<2> expected({s.to, s.channels});
    for (std::int64_t r = 0; r < s.to; ++r) {
      const std::int32_t from = index[static_cast<std::size_t>(r)];
      for (std::int64_t c = 0; c < s.channels; ++c) expected(r, c) = from < 0 ? 0.0 : x.host(from, c);
    }
    this->run([&](auto& q) { gather_rows(q, x.view(), rows.view(), out.view()); });
    expect_close(out.download(), expected, 0, str("from ", s.from, ", to ", s.to));
  }
}

TYPED_TEST(Elementwise, MeanOfChildrenCountsOneMore) {
  using T = typename TestFixture::Element;
  for (const std::int64_t parents : {0, 1, 40, 3000}) {
    for (const std::int64_t channels : {3, 128}) {
      // 1 to 8 children each, in shuffled rows.
      std::vector<std::int32_t> begin{0};
      for (std::int64_t p = 0; p < parents; ++p) begin.push_back(begin.back() + 1 + static_cast<std::int32_t>(this->below(8)));
      std::vector<std::int32_t> child(static_cast<std::size_t>(begin.back()));
      std::iota(child.begin(), child.end(), 0);
      for (std::size_t i = child.size(); i > 1; --i) {
        std::swap(child[i - 1], child[static_cast<std::size_t>(this->below(static_cast<std::int64_t>(i)))]);
      }
      auto x = this->random(Extents<2>{begin.back(), channels});
      auto out = this->poisoned(Extents<2>{parents, channels});
      Host<2> expected({parents, channels});
      for (std::int64_t p = 0; p < parents; ++p) {
        const std::int32_t first = begin[static_cast<std::size_t>(p)];
        const std::int32_t last = begin[static_cast<std::size_t>(p) + 1];
        for (std::int64_t c = 0; c < channels; ++c) {
          for (std::int32_t i = first; i < last; ++i) expected(p, c) += x.host(child[static_cast<std::size_t>(i)], c);
          expected(p, c) /= last - first + 1;
        }
      }
      const auto begins = this->indices(begin);
      const auto children = this->indices(child);
      this->run([&](auto& q) { mean_children(q, x.view(), begins.view(), children.view(), out.view()); });
      expect_close(out.download(), expected, tolerance<T>(), str("parents ", parents, ", channels ", channels));
    }
  }
}

}  // namespace
}  // namespace espalier::test
