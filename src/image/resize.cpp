#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>
#include <span>

#include "base/error.h"

namespace espalier {

namespace {

// Pillow's fixed point: 32 bits less 8 of the sample and 2 of head room for the filter's overshoot.
constexpr int kPrecision = 22;
constexpr double kSupport = 3.0;

double sinc(double x) { return x == 0.0 ? 1.0 : std::sin(x * std::numbers::pi) / (x * std::numbers::pi); }

double lanczos(double x) { return x >= -kSupport && x < kSupport ? sinc(x) * sinc(x / kSupport) : 0.0; }

std::uint8_t clip(std::int32_t fixed) { return static_cast<std::uint8_t>(std::clamp(fixed >> kPrecision, 0, 255)); }

// The taps of one output sample: inputs [first, first + count), weights at `offset` of the shared array.
struct Taps {
  int first;
  int count;
  std::size_t offset;
};

struct Filter {
  std::vector<Taps> taps;
  std::vector<std::int32_t> weights;
};

// Weights that map `in` samples to `out`, for the part [visible_begin, visible_end) of the input that can differ from
// zero. Zero samples add nothing to an integer sum, so dropping their taps after normalisation changes no byte.
Filter make_filter(int in, int out, int visible_begin, int visible_end) {
  const double scale = static_cast<double>(in) / out;
  const double filter_scale = std::max(scale, 1.0);
  const double support = kSupport * filter_scale;
  const double inverse = 1.0 / filter_scale;
  Filter filter;
  std::vector<double> w;
  for (int i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    // NOLINTBEGIN(bugprone-incorrect-roundings): Pillow's rounding; below zero it is cut to zero anyway
    const int first = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int last = std::min(static_cast<int>(centre + support + 0.5), in);
    // NOLINTEND(bugprone-incorrect-roundings)
    w.clear();
    double sum = 0.0;
    for (int x = first; x < last; ++x) {
      w.push_back(lanczos((x - centre + 0.5) * inverse));
      sum += w.back();
    }
    const int begin = std::clamp(visible_begin, first, last);
    const int end = std::clamp(visible_end, begin, last);
    filter.taps.push_back({begin, end - begin, filter.weights.size()});
    for (int x = begin; x < end; ++x) {
      const double v = (sum != 0.0 ? w[static_cast<std::size_t>(x - first)] / sum : 0.0) * (1 << kPrecision);
      filter.weights.push_back(static_cast<std::int32_t>(v < 0.0 ? v - 0.5 : v + 0.5));
    }
  }
  return filter;
}

void multiply_by_alpha(std::span<std::uint8_t> rgba) {
  for (std::size_t i = 0; i < rgba.size(); i += 4) {
    for (std::size_t c = 0; c < 3; ++c) {
      const unsigned t = rgba[i + c] * rgba[i + 3] + 128U;
      rgba[i + c] = static_cast<std::uint8_t>((t + (t >> 8U)) >> 8U);
    }
  }
}

void divide_by_alpha(std::span<std::uint8_t> rgba) {
  for (std::size_t i = 0; i < rgba.size(); i += 4) {
    const unsigned alpha = rgba[i + 3];
    if (alpha == 0 || alpha == 255) continue;
    for (std::size_t c = 0; c < 3; ++c) rgba[i + c] = static_cast<std::uint8_t>(std::min(255U * rgba[i + c] / alpha, 255U));
  }
}

// One row through the horizontal filter. `row` holds the visible samples; `shift` is the input index of the first.
template <int Channels>
void filter_row(const Filter& filter, const std::uint8_t* row, int shift, std::uint8_t* out) {
  for (const Taps& t : filter.taps) {
    std::int32_t sum[Channels];
    std::fill_n(sum, Channels, 1 << (kPrecision - 1));
    const std::uint8_t* in = row + static_cast<std::ptrdiff_t>(t.first - shift) * Channels;
    for (int k = 0; k < t.count; ++k, in += Channels) {
      const std::int32_t weight = filter.weights[t.offset + static_cast<std::size_t>(k)];
      for (int c = 0; c < Channels; ++c) sum[c] += weight * in[c];
    }
    for (int c = 0; c < Channels; ++c) *out++ = clip(sum[c]);
  }
}

Image crop(const Image& image, const Box& box) {
  Image out(box.width(), box.height(), image.channels);
  const int x0 = std::max(box.x0, 0);
  const int x1 = std::min(box.x1, image.width);
  for (int y = std::max(box.y0, 0); y < std::min(box.y1, image.height) && x0 < x1; ++y) {
    std::memcpy(out.at(x0 - box.x0, y - box.y0), image.at(x0, y),
                static_cast<std::size_t>(x1 - x0) * static_cast<std::size_t>(image.channels));
  }
  return out;
}

}  // namespace

Image resize_lanczos(const Image& image, const Box& box, int width, int height) {
  require(box.width() > 0 && box.height() > 0 && width > 0 && height > 0 &&
              (image.channels == 1 || image.channels == 3 || image.channels == 4),
          "resize_lanczos", "from ", box.width(), " x ", box.height(), " to ", width, " x ", height, " with ", image.channels,
          " channels");
  if (box.width() == width && box.height() == height) return crop(image, box);

  const bool alpha = image.channels == 4;
  const auto channels = static_cast<std::size_t>(image.channels);
  // The part of the box that lies in the image; only that is ever touched, however large the box is.
  const Box seen{std::clamp(0, box.x0, box.x1), std::clamp(0, box.y0, box.y1), std::clamp(image.width, box.x0, box.x1),
                 std::clamp(image.height, box.y0, box.y1)};
  Image out(width, height, image.channels);
  if (seen.width() <= 0 || seen.height() <= 0) return out;
  const Filter horizontal = make_filter(box.width(), width, seen.x0 - box.x0, seen.x1 - box.x0);
  const Filter vertical = make_filter(box.height(), height, seen.y0 - box.y0, seen.y1 - box.y0);

  const std::size_t out_row = static_cast<std::size_t>(width) * channels;
  std::vector<std::uint8_t> narrow(out_row * static_cast<std::size_t>(seen.height()));
  std::vector<std::uint8_t> row(static_cast<std::size_t>(seen.width()) * channels);
  for (int y = seen.y0; y < seen.y1; ++y) {
    std::memcpy(row.data(), image.at(seen.x0, y), row.size());
    std::uint8_t* to = narrow.data() + static_cast<std::size_t>(y - seen.y0) * out_row;
    if (alpha) {
      multiply_by_alpha(row);
      filter_row<4>(horizontal, row.data(), seen.x0 - box.x0, to);
    } else if (image.channels == 1) {
      filter_row<1>(horizontal, row.data(), seen.x0 - box.x0, to);
    } else {
      filter_row<3>(horizontal, row.data(), seen.x0 - box.x0, to);
    }
  }

  std::vector<std::int32_t> sums(out_row);
  for (int y = 0; y < height; ++y) {
    const Taps& t = vertical.taps[static_cast<std::size_t>(y)];
    std::fill(sums.begin(), sums.end(), 1 << (kPrecision - 1));
    for (int k = 0; k < t.count; ++k) {
      const std::uint8_t* in = narrow.data() + static_cast<std::size_t>(t.first + k - (seen.y0 - box.y0)) * out_row;
      const std::int32_t weight = vertical.weights[t.offset + static_cast<std::size_t>(k)];
      for (std::size_t i = 0; i < out_row; ++i) sums[i] += weight * in[i];
    }
    std::transform(sums.begin(), sums.end(), out.at(0, y), clip);
  }
  if (alpha) divide_by_alpha(out.pixels);
  return out;
}

}  // namespace espalier
