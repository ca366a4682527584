// Convolution, pooling and resampling of images.
#include "harness.h"
#include "ops/convolution.h"
#include "ops/pooling.h"

namespace espalier::test {
namespace {

std::int64_t out_extent(std::int64_t in, const Window& window, std::size_t axis, int behind) {
  return (in + window.before[axis] + behind - window.reach(axis)) / window.stride[axis] + 1;
}

Window square(int kernel, int stride, int dilation, int before) {
  return {{kernel, kernel}, {stride, stride}, {dilation, dilation}, {before, before}};
}

template <class Backend>
class ImageOps : public OpTest<Backend> {
 protected:
  // Every `every`-th pixel of the result.
  static Host<2> reference(const Host<4>& x, const Host<4>& w, const Host<1>& bias, const Window& window, bool relu,
                           const Extents<4>& out, const std::vector<std::int64_t>& pixels) {
    Host<2> result({static_cast<std::int64_t>(pixels.size()), out[3]});
    for (std::size_t p = 0; p < pixels.size(); ++p) {
      const std::int64_t column = pixels[p] % out[2], y = pixels[p] / out[2] % out[1], b = pixels[p] / (out[2] * out[1]);
      for (std::int64_t o = 0; o < out[3]; ++o) {
        double sum = bias(o);
        for (std::int64_t i = 0; i < window.kernel[0]; ++i) {
          for (std::int64_t j = 0; j < window.kernel[1]; ++j) {
            const std::int64_t from_y = y * window.stride[0] - window.before[0] + i * window.dilation[0];
            const std::int64_t from_x = column * window.stride[1] - window.before[1] + j * window.dilation[1];
            if (from_y < 0 || from_y >= x.extents[1] || from_x < 0 || from_x >= x.extents[2]) continue;
            for (std::int64_t c = 0; c < x.extents[3]; ++c) sum += w(o, i, j, c) * x(b, from_y, from_x, c);
          }
        }
        result(p, o) = relu ? std::max(sum, 0.0) : sum;
      }
    }
    return result;
  }

  void check(const Extents<4>& x_extents, std::int64_t channels, const Window& window, std::array<int, 2> behind,
             std::int64_t every = 1) {
    const auto x = this->random(x_extents);
    const std::int64_t in = x_extents[3], taps = std::int64_t{window.kernel[0]} * window.kernel[1];
    const auto w = this->random(Extents<4>{channels, window.kernel[0], window.kernel[1], in}, 0,
                                1.0 / std::sqrt(static_cast<double>(taps * in)));
    const auto bias = this->random(Extents<1>{channels});
    auto out = this->poisoned(Extents<4>{x_extents[0], out_extent(x_extents[1], window, 0, behind[0]),
                                         out_extent(x_extents[2], window, 1, behind[1]), channels});
    const std::int64_t count = out.host.extents[0] * out.host.extents[1] * out.host.extents[2];
    std::vector<std::int64_t> pixels;
    for (std::int64_t p = 0; p < count; p += every) pixels.push_back(p);
    const std::string what = str(x_extents[1], " x ", x_extents[2], ", ", in, " -> ", channels, ", kernel ", window.kernel[0],
                                 " x ", window.kernel[1], ", stride ", window.stride[0], ", dilation ", window.dilation[0]);
    for (const bool relu : {false, true}) {
      this->run([&](auto& q) {
        conv2d(q, x.view(), w.view(), bias.view(), window, relu ? Activation::relu : Activation::none, out.view());
      });
      const Host<4> got = out.download();
      EXPECT_FALSE(has_nan(got)) << what;
      Host<2> flat({count, channels});
      flat.values = got.values;
      expect_close(rows_of(flat, pixels), reference(x.host, w.host, bias.host, window, relu, out.host.extents, pixels),
                   2 * tolerance<typename Backend::T>(taps * in), what + (relu ? ", relu" : ""));
    }
  }
};
TYPED_TEST_SUITE(ImageOps, Backends, BackendNames);

TYPED_TEST(ImageOps, ConvolutionsOfManyWidths) {
  for (const std::int64_t in : {1, 3, 6, 8, 16, 20, 64}) {
    for (const std::int64_t out : {1, 4, 7, 16, 32, 64, 96}) this->check({1, 7, 9, in}, out, square(3, 1, 1, 1), {1, 1});
  }
}

TYPED_TEST(ImageOps, ConvolutionWindows) {
  this->check({2, 11, 14, 6}, 5, square(1, 1, 1, 0), {0, 0});
  this->check({1, 12, 10, 3}, 64, square(3, 2, 1, 1), {1, 1});
  this->check({1, 11, 13, 3}, 16, square(3, 2, 1, 1), {1, 1});
  this->check({1, 9, 20, 32}, 16, square(3, 1, 2, 2), {2, 2});
  this->check({1, 10, 10, 16}, 16, square(3, 1, 8, 8), {8, 8});
  this->check({3, 8, 6, 16}, 24, {{5, 3}, {1, 2}, {1, 1}, {2, 0}}, {1, 1});
  this->check({1, 6, 7, 8}, 8, square(2, 2, 1, 0), {0, 0});
  this->check({1, 1, 1, 16}, 16, square(3, 1, 2, 2), {2, 2});
  this->check({0, 4, 4, 8}, 8, square(3, 1, 1, 1), {1, 1});
}

TYPED_TEST(ImageOps, ConvolutionsOfBackgroundNetworks) {
  this->check({1, 64, 64, 64}, 32, square(3, 1, 1, 1), {1, 1}, 97);
  this->check({1, 20, 20, 512}, 256, square(3, 1, 4, 4), {4, 4}, 7);
  this->check({1, 16, 16, 1024}, 512, square(3, 1, 1, 1), {1, 1}, 11);  // few pixels of many channels: the sum is split
  this->check({1, 96, 96, 64}, 1, square(3, 1, 1, 1), {1, 1}, 53);
  this->check({1, 40, 40, 6}, 1, square(1, 1, 1, 0), {0, 0});
}

TYPED_TEST(ImageOps, MaxPooling) {
  const auto check = [&](const Extents<4>& extents, const Window& window, std::array<int, 2> behind) {
    auto x = this->random(extents, 0, 1.0, -3.0);  // below zero, so that a border of zeros would win
    auto out = this->poisoned(Extents<4>{extents[0], out_extent(extents[1], window, 0, behind[0]),
                                         out_extent(extents[2], window, 1, behind[1]), extents[3]});
    Host<4> expected(out.host.extents);
    for (std::int64_t b = 0; b < extents[0]; ++b) {
      for (std::int64_t y = 0; y < expected.extents[1]; ++y) {
        for (std::int64_t column = 0; column < expected.extents[2]; ++column) {
          for (std::int64_t c = 0; c < extents[3]; ++c) {
            double largest = -1e9;
            for (std::int64_t i = 0; i < window.kernel[0]; ++i) {
              for (std::int64_t j = 0; j < window.kernel[1]; ++j) {
                const std::int64_t from_y = y * window.stride[0] - window.before[0] + i * window.dilation[0];
                const std::int64_t from_x = column * window.stride[1] - window.before[1] + j * window.dilation[1];
                if (from_y < 0 || from_y >= extents[1] || from_x < 0 || from_x >= extents[2]) continue;
                largest = std::max(largest, x.host(b, from_y, from_x, c));
              }
            }
            expected(b, y, column, c) = largest;
          }
        }
      }
    }
    this->run([&](auto& q) { max_pool2d(q, x.view(), window, out.view()); });
    EXPECT_EQ(out.download().values, expected.values);
  };
  check({1, 8, 12, 16}, square(2, 2, 1, 0), {0, 0});
  check({2, 7, 5, 6}, square(2, 2, 1, 0), {1, 1});  // rounded up: the last windows hang over the border
  check({1, 9, 9, 3}, square(3, 2, 1, 1), {1, 1});
  check({1, 9, 10, 8}, {{3, 2}, {1, 2}, {2, 1}, {1, 0}}, {1, 0});
  check({1, 1, 1, 64}, square(2, 2, 1, 0), {1, 1});
}

TYPED_TEST(ImageOps, BilinearResampling) {
  const auto check = [&](const Extents<4>& extents, std::int64_t height, std::int64_t width, const Sampling& rows,
                         const Sampling& columns) {
    auto x = this->random(extents);
    auto out = this->poisoned(Extents<4>{extents[0], height, width, extents[3]});
    Host<4> expected(out.host.extents);
    const auto place = [](const Sampling& s, std::int64_t i, std::int64_t count) {
      return std::clamp(static_cast<double>(s.step) * static_cast<double>(i) + s.offset, 0.0, static_cast<double>(count - 1));
    };
    for (std::int64_t b = 0; b < extents[0]; ++b) {
      for (std::int64_t y = 0; y < height; ++y) {
        for (std::int64_t column = 0; column < width; ++column) {
          for (std::int64_t c = 0; c < extents[3]; ++c) {
            // A sum over all inputs with the weights of a triangle.
            double sum = 0;
            for (std::int64_t i = 0; i < extents[1]; ++i) {
              const double v = 1.0 - std::abs(place(rows, y, extents[1]) - static_cast<double>(i));
              for (std::int64_t j = 0; v > 0 && j < extents[2]; ++j) {
                const double h = 1.0 - std::abs(place(columns, column, extents[2]) - static_cast<double>(j));
                if (h > 0) sum += v * h * x.host(b, i, j, c);
              }
            }
            expected(b, y, column, c) = sum;
          }
        }
      }
    }
    this->run([&](auto& q) { resize_bilinear(q, x.view(), rows, columns, out.view()); });
    expect_close(out.download(), expected, 10 * tolerance<typename TypeParam::T>());
  };
  const auto half_pixel = [](float from, float to) { return Sampling{from / to, 0.5F * from / to - 0.5F}; };
  check({1, 5, 7, 8}, 10, 14, half_pixel(5, 10), half_pixel(7, 14));
  check({2, 6, 4, 3}, 11, 5, half_pixel(6, 11), half_pixel(4, 5));
  check({1, 12, 9, 16}, 5, 4, half_pixel(12, 5), half_pixel(9, 4));
  check({1, 5, 6, 4}, 9, 13, {0.5F, 0.0F}, {5.0F / 12.0F, 0.0F});
  check({1, 1, 1, 64}, 6, 3, half_pixel(1, 6), half_pixel(1, 3));
}

}  // namespace
}  // namespace espalier::test
