// An 8-bit image in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace espalier {

// sRGB bytes, rows from top to bottom, channels interleaved; 1 channel is a mask, 3 are RGB, 4 are RGBA with colours that are
// not multiplied by alpha.
struct Image {
  int width = 0;
  int height = 0;
  int channels = 0;
  std::vector<std::uint8_t> pixels;  // [height * width * channels]

  Image() = default;
  // All bytes zero.
  Image(int w, int h, int c)
      : width(w),
        height(h),
        channels(c),
        pixels(static_cast<std::size_t>(w) * static_cast<std::size_t>(h) * static_cast<std::size_t>(c)) {}

  [[nodiscard]] std::size_t pixel_count() const { return static_cast<std::size_t>(width) * static_cast<std::size_t>(height); }
  // The first channel of a pixel inside the image.
  [[nodiscard]] const std::uint8_t* at(int x, int y) const { return pixels.data() + offset(x, y); }
  [[nodiscard]] std::uint8_t* at(int x, int y) { return pixels.data() + offset(x, y); }

 private:
  [[nodiscard]] std::size_t offset(int x, int y) const {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) *
           static_cast<std::size_t>(channels);
  }
};

// A rectangle of pixels: x0 and y0 inside, x1 and y1 just outside. It may reach beyond the image it is used on.
struct Box {
  int x0 = 0, y0 = 0, x1 = 0, y1 = 0;
  [[nodiscard]] int width() const { return x1 - x0; }
  [[nodiscard]] int height() const { return y1 - y0; }
  bool operator==(const Box&) const = default;
};

}  // namespace espalier
