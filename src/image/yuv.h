// Brightness and two differences of colour, as video codecs store images, to RGB.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "image/image.h"

namespace espalier::codec {

// One coded image in a decoder's memory; without colour only the first plane has samples.
struct YuvImage {
  struct Plane {
    int width = 0, height = 0;
    const std::uint8_t* data = nullptr;
    std::ptrdiff_t stride = 0;  // bytes from row to row
    bool wide = false;          // samples of 2 bytes instead of 1, in the machine's order
    [[nodiscard]] float at(int x, int y) const {
      const std::uint8_t* row = data + y * stride;
      if (!wide) return row[x];
      std::uint16_t sample = 0;
      std::memcpy(&sample, row + std::ptrdiff_t{x} * 2, 2);
      return sample;
    }
  };
  std::array<Plane, 3> planes;
  int depth = 8;            // bits of a sample, 8 to 16
  bool full_range = false;  // else 16 to 235 and 240 of 255
  // By ITU-T H.273; 2: not said.
  int primaries = 2, transfer = 2, matrix = 2;
  [[nodiscard]] int width() const { return planes[0].width; }
  [[nodiscard]] int height() const { return planes[0].height; }
  [[nodiscard]] bool colour() const { return planes[1].width > 0; }
};

// Whether the matrix is one that rgb_of knows.
[[nodiscard]] bool known_matrix(int matrix);
// Writes the image into `to` (RGB or RGBA, alpha is left) with its top left corner at x, y; what lies beyond is cut off.
// Colours of fewer samples are interpolated.
void put_rgb(const YuvImage& from, Image& to, int x, int y);
// The brightness as alpha.
void put_alpha(const YuvImage& from, Image& to, int x, int y);

}  // namespace espalier::codec
