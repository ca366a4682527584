// Many images on one sheet, row by row, each row under its name.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "image/image.h"

namespace espalier {

struct SheetRow {
  std::string label;          // ASCII; other bytes show as boxes
  std::vector<Image> images;  // any sizes; RGBA images are put over the sheet's colour
};

// The rows from top to bottom on a colour, as wide as the widest. Throws invalid_argument for a sheet without images or
// beyond 32,768 pixels on a side.
[[nodiscard]] Image contact_sheet(std::span<const SheetRow> rows, const std::array<std::uint8_t, 3>& background);

// Writes ASCII text in letters of 5 x 7 dots, `dot` pixels each, into an RGB image; what does not fit is cut off. Each
// character takes 6 * dot pixels.
void draw_text(Image& image, int x, int y, const std::string& text, int dot, const std::array<std::uint8_t, 3>& colour);

}  // namespace espalier
