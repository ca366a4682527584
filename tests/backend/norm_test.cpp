// Layer norm and its fused forms, rms norm of heads, group norm.
#include "ops/norm.h"

#include "harness.h"

namespace espalier::test {
namespace {

template <class Backend>
class Norm : public OpTest<Backend> {
 public:
  using Device = typename Backend::Dev;
  using Element = typename Backend::T;

 protected:
  // Everything a NormTail can name, with a host copy; parts that were not asked for have no elements.
  struct Tail {
    Array<Device, float, 1> gain, bias;
    Array<Device, Element, 2> shift, scale;
    Array<Device, std::int32_t, 1> row_batch;
    Activation activation = Activation::none;

    [[nodiscard]] NormTail<Device, Element> view() const {
      NormTail<Device, Element> tail;
      tail.gain = gain.view();
      tail.bias = bias.view();
      tail.shift = shift.view();
      tail.scale = scale.view();
      tail.row_batch = row_batch.view();
      tail.activation = activation;
      return tail;
    }
  };
  Tail tail(std::int64_t rows, std::int64_t channels, bool affine, std::int64_t batch, Activation activation) {
    Tail t;
    t.gain = this->template random_of<float>(Extents<1>{affine ? channels : 0}, 0, 0.2, 1);
    t.bias = this->template random_of<float>(Extents<1>{affine ? channels : 0});
    // Modulation is a slice of the six chunks that one projection yields, so its rows are strided.
    t.shift = this->template random<2>({batch, channels}, 6 * channels);
    t.scale = this->template random<2>({batch, channels}, 6 * channels, 0.5);
    std::vector<std::int32_t> rows_batch(static_cast<std::size_t>(batch > 1 ? rows : 0));
    for (auto& b : rows_batch) b = static_cast<std::int32_t>(this->below(batch));
    t.row_batch = this->indices(rows_batch);
    t.activation = activation;
    return t;
  }
  static std::int64_t batch_of(const Tail& t, std::int64_t row) {
    return t.row_batch.host.values.empty() ? 0 : static_cast<std::int64_t>(t.row_batch.host(row));
  }

  static Host<2> reference_layer_norm(const Host<2>& x, const Tail& t, double eps) {
    Host<2> out(x.extents);
    const std::int64_t channels = x.extents[1];
    for (std::int64_t r = 0; r < x.extents[0]; ++r) {
      double mean = 0;
      for (std::int64_t c = 0; c < channels; ++c) mean += x(r, c);
      mean /= static_cast<double>(channels);
      double variance = 0;
      for (std::int64_t c = 0; c < channels; ++c) variance += (x(r, c) - mean) * (x(r, c) - mean);
      variance /= static_cast<double>(channels);
      for (std::int64_t c = 0; c < channels; ++c) {
        double n = (x(r, c) - mean) / std::sqrt(variance + eps);
        if (!t.gain.host.values.empty()) n = n * t.gain.host(c) + t.bias.host(c);
        if (!t.shift.host.values.empty()) n = n * (1 + t.scale.host(batch_of(t, r), c)) + t.shift.host(batch_of(t, r), c);
        out(r, c) = reference_activation(n, t.activation);
      }
    }
    return out;
  }

  // layer_norm from In to Out with every combination of tails.
  template <class From, class To>
  void check_layer_norm(std::int64_t rows, std::int64_t channels) {
    for (const bool affine : {false, true}) {
      for (const std::int64_t batch : {0, 1, 3}) {
        auto x = this->template random_of<From>(Extents<2>{rows, channels}, channels + (affine ? 0 : 5), 2, 0.5);
        // The tail's modulation has the type of the torso, which is the input type.
        if constexpr (std::is_same_v<From, Element>) {
          const Tail t = tail(rows, channels, affine, batch, affine ? Activation::silu : Activation::none);
          auto out = this->template poisoned_of<To>(Extents<2>{rows, channels}, channels + (affine ? 3 : 0));
          this->run([&](auto& q) { layer_norm<Device, From, To>(q, x.view(), t.view(), 1e-6F, out.view()); });
          expect_close(out.download(), reference_layer_norm(x.host, t, 1e-6), 4 * tolerance<To>(),
                       str("rows ", rows, ", channels ", channels, ", affine ", affine, ", batch ", batch));
        }
      }
    }
  }
};
TYPED_TEST_SUITE(Norm, Backends, BackendNames);

TYPED_TEST(Norm, LayerNormOfManyWidths) {
  using T = typename TestFixture::Element;
  for (const std::int64_t channels :
       {1, 2, 7, 24, 60, 64, 66, 80, 100, 120, 128, 132, 144, 160, 192, 384, 768, 1024, 1030, 2048, 4096}) {
    this->template check_layer_norm<T, T>(channels > 1000 ? 5 : 37, channels);
  }
}

TYPED_TEST(Norm, LayerNormToFloat) {
  using T = typename TestFixture::Element;
  for (const std::int64_t channels : {33, 96, 1024}) this->template check_layer_norm<T, float>(9, channels);
}

TYPED_TEST(Norm, LayerNormOfManyRowsAndOfNone) {
  using T = typename TestFixture::Element;
  this->template check_layer_norm<T, T>(12345, 40);
  this->template check_layer_norm<T, T>(1, 1024);
  this->template check_layer_norm<T, T>(0, 64);
}

TYPED_TEST(Norm, LayerNormInPlace) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  for (const std::int64_t channels : {10, 96, 1024}) {
    auto x = this->random(Extents<2>{21, channels}, channels + 2);
    const auto t = this->tail(21, channels, true, 2, Activation::none);
    this->run([&](auto& q) {
      const View<Dev, T, 2> rows = x.view();
      layer_norm<Dev, T, T>(q, rows, t.view(), 1e-5F, rows);
    });
    expect_close(x.download(), this->reference_layer_norm(x.host, t, 1e-5), 4 * tolerance<T>());
  }
}

// A one-pass variance would lose everything here: mean 100, deviation 1.
TYPED_TEST(Norm, LayerNormOfRowsFarFromZero) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  auto x = this->random(Extents<2>{50, 256}, 0, 1, 100);
  auto out = this->poisoned(Extents<2>{50, 256});
  this->run([&](auto& q) { layer_norm<Dev, T, T>(q, x.view(), {}, 1e-6F, out.view()); });
  expect_close(out.download(), this->reference_layer_norm(x.host, {}, 1e-6), tolerance<T>() + 1e-4);
}

TYPED_TEST(Norm, LayerNormOfConstantRowsIsTheBias) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  auto x = this->random(Extents<2>{4, 48}, 0, 0, 3);
  auto t = this->tail(4, 48, true, 0, Activation::none);
  auto out = this->poisoned(Extents<2>{4, 48});
  this->run([&](auto& q) { layer_norm<Dev, T, T>(q, x.view(), t.view(), 1e-6F, out.view()); });
  expect_close(out.download(), this->reference_layer_norm(x.host, t, 1e-6), 1e-3 + tolerance<T>());
}

TYPED_TEST(Norm, AddLayerNorm) {
  using T = typename TestFixture::Element;
  struct Shape {
    std::int64_t rows, channels;
  };
  for (const Shape s : {Shape{1, 8}, Shape{19, 50}, Shape{40, 1024}, Shape{3, 1540}, Shape{0, 64}}) {
    for (const std::int64_t batch : {0, 1, 2}) {
      for (const bool gated : {false, true}) {
        auto x = this->random(Extents<2>{s.rows, s.channels});
        auto h = this->random(Extents<2>{s.rows, s.channels});
        const auto t = this->tail(s.rows, s.channels, batch == 0, batch, Activation::none);
        auto gate = this->random(Extents<2>{gated ? std::max<std::int64_t>(batch, 1) : 0, s.channels}, 6 * s.channels);
        auto out = this->poisoned(Extents<2>{s.rows, s.channels});
        Host<2> sum = x.host;
        for (std::int64_t r = 0; r < s.rows; ++r) {
          for (std::int64_t c = 0; c < s.channels; ++c) {
            sum(r, c) += (gated ? gate.host(this->batch_of(t, r), c) : 1.0) * h.host(r, c);
          }
        }
        this->run([&](auto& q) { add_layer_norm(q, x.view(), h.view(), gate.view(), t.view(), 1e-6F, out.view()); });
        const std::string what = str("rows ", s.rows, ", channels ", s.channels, ", batch ", batch, ", gated ", gated);
        expect_close(x.download(), sum, tolerance<T>(), "x, " + what);
        expect_close(out.download(), this->reference_layer_norm(sum, t, 1e-6), 5 * tolerance<T>(), "out, " + what);
      }
    }
  }
}

// Rows that all get the same addend.
TYPED_TEST(Norm, AddLayerNormWithARest) {
  using T = typename TestFixture::Element;
  for (const std::int64_t channels : {8, 50, 1024, 1540}) {
    for (const std::int64_t given : {0, 7, 19}) {
      auto x = this->random(Extents<2>{19, channels});
      auto h = this->random(Extents<2>{given, channels});
      auto rest = this->random(Extents<2>{1, channels});
      const auto t = this->tail(19, channels, true, 2, Activation::none);
      auto out = this->poisoned(Extents<2>{19, channels});
      Host<2> sum = x.host;
      for (std::int64_t r = 0; r < 19; ++r) {
        for (std::int64_t c = 0; c < channels; ++c) sum(r, c) += r < given ? h.host(r, c) : rest.host(0, c);
      }
      this->run([&](auto& q) { add_layer_norm(q, x.view(), h.view(), {}, t.view(), 1e-6F, out.view(), rest.view()); });
      const std::string what = str(given, " of 19 rows, channels ", channels);
      expect_close(x.download(), sum, tolerance<T>(), "x, " + what);
      expect_close(out.download(), this->reference_layer_norm(sum, t, 1e-6), 5 * tolerance<T>(), "out, " + what);
    }
  }
}

TYPED_TEST(Norm, RmsNormOfHeads) {
  using T = typename TestFixture::Element;
  struct Shape {
    std::int64_t rows, heads, width, stride;
  };
  for (const Shape s :
       {Shape{5, 2, 8, 16}, Shape{33, 3, 24, 3 * 72 + 1}, Shape{17, 2, 40, 240}, Shape{200, 16, 64, 3072}, Shape{9, 1, 7, 7},
        Shape{12, 4, 128, 512}, Shape{30, 6, 10, 180}, Shape{21, 3, 20, 60}, Shape{8, 2, 33, 198}, Shape{14, 3, 44, 396},
        Shape{10, 1, 160, 480}, Shape{11, 2, 192, 1152}, Shape{5, 1, 256, 768}, Shape{0, 2, 32, 64}}) {
    auto x = this->random(Extents<3>{s.rows, s.heads, s.width}, s.stride, 3);
    auto gamma = this->template random_of<float>(Extents<2>{s.heads, s.width}, 0, 0.1, 1);
    Host<3> expected = x.host;
    for (std::int64_t r = 0; r < s.rows; ++r) {
      for (std::int64_t h = 0; h < s.heads; ++h) {
        double squares = 0;
        for (std::int64_t c = 0; c < s.width; ++c) squares += x.host(r, h, c) * x.host(r, h, c);
        const double factor = std::sqrt(static_cast<double>(s.width)) / std::max(std::sqrt(squares), 1e-12);
        for (std::int64_t c = 0; c < s.width; ++c) expected(r, h, c) *= factor * gamma.host(h, c);
      }
    }
    this->run([&](auto& q) { rms_norm_heads(q, x.view(), gamma.view()); });
    expect_close(x.download(), expected, 2 * tolerance<T>(), str("heads ", s.heads, ", width ", s.width));
  }
}

TYPED_TEST(Norm, RmsNormOfZeroIsZero) {
  auto x = this->random(Extents<3>{3, 2, 16}, 0, 0);
  auto gamma = this->template random_of<float>(Extents<2>{2, 16});
  this->run([&](auto& q) { rms_norm_heads(q, x.view(), gamma.view()); });
  expect_close(x.download(), x.host, 0);
}

Host<2> reference_group_norm(const Host<2>& x, const std::vector<std::int64_t>& begin, std::int64_t groups, const Host<1>& gain,
                             const Host<1>& bias, double eps, Activation activation) {
  Host<2> out(x.extents);
  const std::int64_t width = x.extents[1] / groups;
  for (std::size_t b = 0; b + 1 < begin.size(); ++b) {
    for (std::int64_t g = 0; g < groups; ++g) {
      double sum = 0;
      double squares = 0;
      const double count = static_cast<double>((begin[b + 1] - begin[b]) * width);
      for (std::int64_t r = begin[b]; r < begin[b + 1]; ++r) {
        for (std::int64_t c = g * width; c < (g + 1) * width; ++c) sum += x(r, c);
      }
      for (std::int64_t r = begin[b]; r < begin[b + 1]; ++r) {
        for (std::int64_t c = g * width; c < (g + 1) * width; ++c) squares += (x(r, c) - sum / count) * (x(r, c) - sum / count);
      }
      for (std::int64_t r = begin[b]; r < begin[b + 1]; ++r) {
        for (std::int64_t c = g * width; c < (g + 1) * width; ++c) {
          const double n = (x(r, c) - sum / count) / std::sqrt(squares / count + eps);
          out(r, c) = reference_activation(n * gain(c) + bias(c), activation);
        }
      }
    }
  }
  return out;
}

TYPED_TEST(Norm, GroupNormOfUnevenBatches) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  struct Shape {
    std::int64_t channels;
    int groups;
    std::vector<std::int64_t> begin;
  };
  for (const Shape& s : {Shape{32, 32, {0, 700, 701, 701, 1500}}, Shape{64, 32, {0, 1}}, Shape{96, 32, {0, 333, 1000}},
                         Shape{192, 32, {0, 20011}}, Shape{12, 3, {0, 0, 5}}, Shape{10, 1, {0, 4, 77}}, Shape{40, 8, {0}},
                         Shape{64, 32, {0, 0}}}) {
    for (const double centre : {0.0, 20.0}) {
      const std::int64_t rows = s.begin.back();
      auto x = this->random(Extents<2>{rows, s.channels}, 0, 2, centre);
      auto gain = this->template random_of<float>(Extents<1>{s.channels}, 0, 0.2, 1);
      auto bias = this->template random_of<float>(Extents<1>{s.channels});
      const View<Cpu, const std::int64_t, 1> begin(s.begin.data(), {static_cast<std::int64_t>(s.begin.size())});
      auto out = this->poisoned(Extents<2>{rows, s.channels});
      const Host<2> expected = reference_group_norm(x.host, s.begin, s.groups, gain.host, bias.host, 1e-5, Activation::silu);
      this->run([&](auto& q) {
        group_norm<Dev, T, T>(q, x.view(), begin, s.groups, gain.view(), bias.view(), 1e-5F, Activation::silu, out.view());
      });
      // A half cannot hold more than 2^-6 near 20, but the input is exact, so only float32 statistics count. A group of two
      // elements may have next to no variance; the rounding of its mean is then multiplied by up to eps^-1/2.
      const bool tiny_groups = s.begin == std::vector<std::int64_t>{0, 1};
      const double limit = 4 * tolerance<T>() + centre * (tiny_groups ? 0x1p-24 / std::sqrt(1e-5) : 1e-6);
      const std::string what = str("channels ", s.channels, ", groups ", s.groups, ", rows ", rows);
      expect_close(out.download(), expected, limit, what);
      this->run([&](auto& q) {
        const View<Dev, T, 2> all = x.view();
        group_norm<Dev, T, T>(q, all, begin, s.groups, gain.view(), bias.view(), 1e-5F, Activation::silu, all);
      });
      expect_close(x.download(), expected, limit, "in place, " + what);
    }
  }
}

TYPED_TEST(Norm, GroupNormToFloatWithoutActivation) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  auto x = this->random(Extents<2>{501, 64});
  auto gain = this->template random_of<float>(Extents<1>{64});
  auto bias = this->template random_of<float>(Extents<1>{64});
  const std::vector<std::int64_t> begin{0, 100, 501};
  auto out = this->template poisoned_of<float>(Extents<2>{501, 64});
  this->run([&](auto& q) {
    group_norm<Dev, T, float>(q, x.view(), {begin.data(), {3}}, 32, gain.view(), bias.view(), 1e-5F, Activation::none,
                              out.view());
  });
  expect_close(out.download(), reference_group_norm(x.host, begin, 32, gain.host, bias.host, 1e-5, Activation::none),
               4 * tolerance<float>());
}

TYPED_TEST(Norm, GroupNormWithoutGainAndBias) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  auto x = this->random(Extents<2>{300, 96}, 0, 3, 1);
  Host<1> one({96});
  std::fill(one.values.begin(), one.values.end(), 1.0);
  const std::vector<std::int64_t> begin{0, 90, 300};
  auto out = this->poisoned(Extents<2>{300, 96});
  this->run([&](auto& q) {
    group_norm<Dev, T, T>(q, x.view(), {begin.data(), {3}}, 32, {}, {}, 1e-5F, Activation::none, out.view());
  });
  expect_close(out.download(), reference_group_norm(x.host, begin, 32, one, Host<1>({96}), 1e-5, Activation::none),
               4 * tolerance<T>());
}

TYPED_TEST(Norm, GroupNormIsDeterministic) {
  using T = typename TestFixture::Element;
  using Dev = typename TestFixture::Device;
  auto x = this->random(Extents<2>{9001, 96});
  auto gain = this->template random_of<float>(Extents<1>{96});
  auto bias = this->template random_of<float>(Extents<1>{96});
  const std::vector<std::int64_t> begin{0, 4000, 9001};
  Host<2> first;
  for (int round = 0; round < 3; ++round) {
    auto out = this->poisoned(Extents<2>{9001, 96});
    this->run([&](auto& q) {
      group_norm<Dev, T, T>(q, x.view(), {begin.data(), {3}}, 32, gain.view(), bias.view(), 1e-5F, Activation::silu,
                            out.view());
    });
    if (round == 0) first = out.download();
    EXPECT_EQ(out.download().values, first.values);
  }
}

}  // namespace
}  // namespace espalier::test
