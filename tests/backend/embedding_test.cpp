// Sinusoidal embeddings.
#include "ops/embedding.h"

#include "harness.h"

namespace espalier::test {
namespace {

template <class Backend>
class Embedding : public OpTest<Backend> {};
TYPED_TEST_SUITE(Embedding, Backends, BackendNames);

TYPED_TEST(Embedding, PositionEmbedding) {
  using T = typename TestFixture::Element;
  struct Shape {
    std::int64_t rows, axes, width;
  };
  for (const Shape s : {Shape{200, 3, 1024}, Shape{65, 3, 96}, Shape{7, 2, 10}, Shape{3, 3, 5}, Shape{0, 3, 64}}) {
    Host<2> values({s.rows, s.axes + 1});
    for (double& v : values.values) v = static_cast<double>(this->below(64));
    auto coords = this->template make<std::int32_t>(values);
    auto out = this->poisoned(Extents<2>{s.rows, s.width}, s.width + 3);
    const std::int64_t f = s.width / s.axes / 2;
    Host<2> expected({s.rows, s.width});
    for (std::int64_t r = 0; r < s.rows; ++r) {
      for (std::int64_t a = 0; a < s.axes; ++a) {
        for (std::int64_t i = 0; i < f; ++i) {
          const double phase = values(r, a + 1) * std::pow(10000.0, -static_cast<double>(i) / static_cast<double>(f));
          expected(r, a * 2 * f + i) = std::sin(phase);
          expected(r, a * 2 * f + f + i) = std::cos(phase);
        }
      }
    }
    this->run([&](auto& q) { position_embedding(q, coords.view(), out.view()); });
    // Phases of up to 64 radians carry the rounding of float32 frequencies.
    expect_close(out.download(), expected, tolerance<T>() + 64 * 0x1p-22, str("width ", s.width));
  }
}

TYPED_TEST(Embedding, TimestepEmbedding) {
  for (const std::int64_t width : {256, 32, 7, 1}) {
    auto t = this->template random_of<float>(Extents<1>{5}, 0, 250, 500);
    auto out = this->template poisoned_of<float>(Extents<2>{5, width});
    const std::int64_t h = width / 2;
    Host<2> expected({5, width});
    for (std::int64_t b = 0; b < 5; ++b) {
      for (std::int64_t i = 0; i < h; ++i) {
        const double phase = t.host(b) * std::exp(-std::log(10000.0) * static_cast<double>(i) / static_cast<double>(h));
        expected(b, i) = std::cos(phase);
        expected(b, h + i) = std::sin(phase);
      }
    }
    this->run([&](auto& q) { timestep_embedding(q, t.view(), out.view()); });
    // Phases of up to 1000 radians, as above.
    expect_close(out.download(), expected, 1000 * 0x1p-22, str("width ", width));
  }
}

// Values of the reference at t = 1000 for frequencies whose last bit depends on the exponential that is used.
TYPED_TEST(Embedding, FrequenciesRoundAsInTheReference) {
  struct Value {
    std::int64_t i;
    double cosine, sine;
  };
  Host<1> time({1});
  time(0) = 1000;
  auto t = this->template make<float>(time);
  auto out = this->template poisoned_of<float>(Extents<2>{1, 256});
  this->run([&](auto& q) { timestep_embedding(q, t.view(), out.view()); });
  const Host<2> actual = out.download();
  for (const Value& v :
       {Value{13, -0.9610262, 0.2764574}, Value{14, 0.7321284, 0.68116665}, Value{26, -0.9985095, -0.054578107},
        Value{33, 0.37113363, -0.92857945}, Value{44, -0.23949899, -0.9708966}}) {
    EXPECT_NEAR(actual(0, v.i), v.cosine, 1e-6) << v.i;
    EXPECT_NEAR(actual(0, 128 + v.i), v.sine, 1e-6) << v.i;
  }
}

}  // namespace
}  // namespace espalier::test
