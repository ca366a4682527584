// Dense convolution with a 3x3x3 kernel.
#include "harness.h"
#include "ops/convolution.h"

namespace espalier::test {
namespace {

template <class Backend>
class Conv3d : public OpTest<Backend> {
 protected:
  // Rows are cells of all volumes in order; every `every`-th is computed.
  static Host<2> reference(const Host<5>& x, const Host<5>& w, const Host<1>& bias, const Host<5>& residual,
                           const std::vector<std::int64_t>& rows) {
    const Extents<5>& e = x.extents;
    const std::int64_t channels = w.extents[0];
    Host<2> out({static_cast<std::int64_t>(rows.size()), channels});
    for (std::size_t r = 0; r < rows.size(); ++r) {
      const std::int64_t k = rows[r] % e[3];
      const std::int64_t j = rows[r] / e[3] % e[2];
      const std::int64_t i = rows[r] / (e[3] * e[2]) % e[1];
      const std::int64_t b = rows[r] / (e[3] * e[2] * e[1]);
      for (std::int64_t o = 0; o < channels; ++o) {
        double sum = bias(o) + (residual.values.empty() ? 0.0 : residual(b, i, j, k, o));
        for (std::int64_t tap = 0; tap < 27; ++tap) {
          const std::array<std::int64_t, 3> at{i + tap / 9 - 1, j + tap / 3 % 3 - 1, k + tap % 3 - 1};
          if (at[0] < 0 || at[0] >= e[1] || at[1] < 0 || at[1] >= e[2] || at[2] < 0 || at[2] >= e[3]) continue;
          for (std::int64_t c = 0; c < e[4]; ++c) sum += w(o, tap / 9, tap / 3 % 3, tap % 3, c) * x(b, at[0], at[1], at[2], c);
        }
        out(r, o) = sum;
      }
    }
    return out;
  }

  void check(std::int64_t batch, const Extents<3>& sides, std::int64_t in, std::int64_t channels, std::int64_t every = 1) {
    auto x = this->random(Extents<5>{batch, sides[0], sides[1], sides[2], in});
    const auto w = this->random(Extents<5>{channels, 3, 3, 3, in}, 0, 1.0 / std::sqrt(20.0 * static_cast<double>(in)));
    const auto bias = this->random(Extents<1>{channels});
    auto residual = this->random(Extents<5>{batch, sides[0], sides[1], sides[2], channels});
    auto out = this->poisoned(residual.host.extents);
    const std::int64_t cells = batch * sides[0] * sides[1] * sides[2];
    std::vector<std::int64_t> rows;
    for (std::int64_t r = 0; r < cells; r += every) rows.push_back(r);
    const auto sampled = [&](const Host<5>& volume) {
      Host<2> flat({cells, channels});
      flat.values = volume.values;
      return rows_of(flat, rows);
    };
    const double limit = 2 * tolerance<typename Backend::T>(27 * in);
    const std::string what = str(batch, " x ", sides[0], " x ", sides[1], " x ", sides[2], ", ", in, " -> ", channels);

    this->run([&](auto& q) { conv3d(q, x.view(), w.view(), bias.view(), {}, out.view()); });
    const Host<5> plain = out.download();
    EXPECT_FALSE(has_nan(plain)) << what;
    expect_close(sampled(plain), reference(x.host, w.host, bias.host, {}, rows), limit, what);
    const Host<2> expected = reference(x.host, w.host, bias.host, residual.host, rows);
    this->run([&](auto& q) { conv3d(q, x.view(), w.view(), bias.view(), residual.view(), out.view()); });
    expect_close(sampled(out.download()), expected, limit, "residual, " + what);
    this->run([&](auto& q) { conv3d(q, x.view(), w.view(), bias.view(), residual.view(), residual.view()); });
    expect_close(sampled(residual.download()), expected, limit, "residual in place, " + what);
  }
};
TYPED_TEST_SUITE(Conv3d, Backends, BackendNames);

TYPED_TEST(Conv3d, ManyWidths) {
  for (const std::int64_t in : {1, 5, 8, 20, 32, 36, 72}) {
    for (const std::int64_t out : {1, 6, 7, 12, 32, 64, 104, 160}) this->check(2, {3, 4, 5}, in, out);
  }
}

TYPED_TEST(Conv3d, Shapes) {
  this->check(1, {1, 1, 1}, 16, 16);
  this->check(3, {1, 7, 2}, 16, 24);
  this->check(1, {9, 1, 1}, 40, 40);
  this->check(0, {4, 4, 4}, 8, 8);
}

TYPED_TEST(Conv3d, DecoderOfSparseStructures) {
  this->check(1, {16, 16, 16}, 128, 512, 331);
  this->check(1, {32, 32, 32}, 64, 128, 2503);
  this->check(2, {12, 12, 12}, 512, 192, 401);  // few rows of many channels: the sum is split
  this->check(1, {64, 64, 64}, 32, 1, 1009);
  this->check(1, {41, 70, 61}, 20, 1, 1009);
}

}  // namespace
}  // namespace espalier::test
