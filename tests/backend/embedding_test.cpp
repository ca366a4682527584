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

}  // namespace
}  // namespace espalier::test
