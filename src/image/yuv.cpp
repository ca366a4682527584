#include "image/yuv.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace espalier::codec {

namespace {

struct Weights {
  double red = 0, blue = 0;
};

Weights weights_of(int matrix) {
  switch (matrix) {
    case 1: return {0.2126, 0.0722};
    case 9: return {0.2627, 0.0593};
    default: return {0.299, 0.114};  // 2 (not said), 5 and 6
  }
}

// Samples to 0..1 (brightness) or -0.5..0.5 (differences).
struct Levels {
  float offset = 0, scale = 0;
  Levels(const YuvImage& p, bool difference) {
    const double most = std::pow(2.0, p.depth) - 1, step = std::pow(2.0, p.depth - 8);
    const double low = p.full_range ? 0 : 16 * step, high = p.full_range ? most : (difference ? 240 : 235) * step;
    offset = static_cast<float>(difference ? 128 * step : low);
    scale = static_cast<float>(1.0 / (high - low));
  }
  [[nodiscard]] float at(float sample) const { return (sample - offset) * scale; }
};

// A row of a plane of colour at the resolution of the brightness: samples lie in the middle of what they are for.
class ColourRows {
 public:
  ColourRows(const YuvImage& p, std::size_t plane) : plane_(p.planes[plane]), whole_(p.planes[0]) {}
  [[nodiscard]] float at(int x, int y) const {
    const auto [x0, x1, fx] = place(x, whole_.width, plane_.width);
    const auto [y0, y1, fy] = place(y, whole_.height, plane_.height);
    const float top = mix(plane_.at(x0, y0), plane_.at(x1, y0), fx);
    return fy == 0.0F ? top : mix(top, mix(plane_.at(x0, y1), plane_.at(x1, y1), fx), fy);
  }

 private:
  struct Place {
    int first, second;
    float share;
  };
  // 3/4 of the nearest and 1/4 of the next where there is one sample for two.
  static Place place(int i, int whole, int part) {
    if (part >= whole) return {i, i, 0.0F};
    const int nearest = std::min(i / 2, part - 1), next = std::clamp(i % 2 == 0 ? nearest - 1 : nearest + 1, 0, part - 1);
    return {nearest, next, 0.25F};
  }
  static float mix(float a, float b, float share) { return a + (b - a) * share; }
  const YuvImage::Plane& plane_;
  const YuvImage::Plane& whole_;
};

std::uint8_t byte_of(float v) { return static_cast<std::uint8_t>(std::clamp(v, 0.0F, 1.0F) * 255.0F + 0.5F); }

template <class Pixel>
void put(const YuvImage& from, Image& to, int x, int y, Pixel&& pixel) {
  const int width = std::min(from.width(), to.width - x), height = std::min(from.height(), to.height - y);
  for (int v = 0; v < height; ++v) {
    for (int u = 0; u < width; ++u) {
      pixel(from.planes[0].at(u, v), u, v, to.at(x + u, y + v));
    }
  }
}

}  // namespace

bool known_matrix(int matrix) { return matrix == 0 || matrix == 1 || matrix == 2 || matrix == 5 || matrix == 6 || matrix == 9; }

void put_rgb(const YuvImage& from, Image& to, int x, int y) {
  const Levels brightness(from, false), difference(from, true);
  if (!from.colour()) {
    put(from, to, x, y, [&](float s, int, int, std::uint8_t* rgb) { std::fill_n(rgb, 3, byte_of(brightness.at(s))); });
    return;
  }
  const ColourRows blues(from, 1), reds(from, 2);
  if (from.matrix == 0) {  // green, blue, red as they are
    put(from, to, x, y, [&](float s, int u, int v, std::uint8_t* rgb) {
      rgb[0] = byte_of(brightness.at(reds.at(u, v)));
      rgb[1] = byte_of(brightness.at(s));
      rgb[2] = byte_of(brightness.at(blues.at(u, v)));
    });
    return;
  }
  const Weights w = weights_of(from.matrix);
  const auto of_red = static_cast<float>(2 * (1 - w.red)), of_blue = static_cast<float>(2 * (1 - w.blue));
  const double green = 1 - w.red - w.blue;
  const auto red_in_green = static_cast<float>(2 * (1 - w.red) * w.red / green);
  const auto blue_in_green = static_cast<float>(2 * (1 - w.blue) * w.blue / green);
  put(from, to, x, y, [&](float s, int u, int v, std::uint8_t* rgb) {
    const float l = brightness.at(s), b = difference.at(blues.at(u, v)), r = difference.at(reds.at(u, v));
    rgb[0] = byte_of(l + of_red * r);
    rgb[1] = byte_of(l - blue_in_green * b - red_in_green * r);
    rgb[2] = byte_of(l + of_blue * b);
  });
}

void put_alpha(const YuvImage& from, Image& to, int x, int y) {
  require(to.channels == 4, "put_alpha", "an image of ", to.channels, " channels");
  const Levels brightness(from, false);
  put(from, to, x, y, [&](float s, int, int, std::uint8_t* rgba) { rgba[3] = byte_of(brightness.at(s)); });
}

}  // namespace espalier::codec
