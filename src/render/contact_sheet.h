// Many pictures on one sheet, row by row, each row under its name.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "geometry/mesh.h"
#include "image/picture.h"

namespace espalier {

struct SheetRow {
  std::string label;              // ASCII; other bytes show as boxes
  std::vector<Picture> pictures;  // any sizes; RGBA pictures are put over the sheet's colour
};

struct SheetOptions {
  std::array<std::uint8_t, 3> background{255, 255, 255};
  int view_size = 384;  // pixels on a side of every view that asset_sheet renders
  int views = 4;        // around the asset, from a little above
};

// The rows from top to bottom, as wide as the widest. Throws invalid_argument for a sheet without pictures or beyond
// 32,768 pixels on a side.
[[nodiscard]] Picture contact_sheet(std::span<const SheetRow> rows, const SheetOptions& options);

// Everything there is to see of an asset: its Gaussians, its mesh in all styles that it has what they need for. Each of
// the three may be null, but not mesh and Gaussians both.
[[nodiscard]] Picture asset_sheet(const Mesh* mesh, const Picture* texture, const Gaussians* gaussians,
                                  const SheetOptions& options);

// Writes ASCII text in letters of 5 x 7 dots, `dot` pixels each, into an RGB picture; what does not fit is cut off. Each
// character takes 6 * dot pixels.
void draw_text(Picture& picture, int x, int y, const std::string& text, int dot, const std::array<std::uint8_t, 3>& colour);

}  // namespace espalier
