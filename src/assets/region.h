// A part of the unit cube that is to change, as people write it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "assets/voxels.h"

namespace espalier {

// Cells of a cubic grid, x outermost: 1 where the cell belongs to something, else 0.
using CellMarks = std::vector<std::uint8_t>;

class Region {
 public:
  // "box:x0,y0,z0,x1,y1,z1" and "sphere:x,y,z,r" in the coordinates of the asset (Z up, the unit cube centred at the origin),
  // or "voxels:FILE", a text file with the x, y and z of a voxel on each line (whole numbers between spaces or commas; lines
  // that are empty or begin with # are skipped), which is read at once. Throws invalid_argument, and as read_file does.
  explicit Region(const std::string& text);

  // The cells whose centres lie in it. Throws invalid_argument for a voxel outside the grid, and where there is none.
  [[nodiscard]] CellMarks cells(int resolution) const;
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  enum class Kind { box, sphere, voxels };
  void read_voxels(const std::string& file);
  [[nodiscard]] CellMarks listed_cells(int resolution) const;
  [[nodiscard]] bool holds(double x, double y, double z) const;

  std::string text_;
  Kind kind_ = Kind::box;
  std::array<double, 6> numbers_{};                    // of a box: low, high; of a sphere: centre, radius
  std::vector<std::array<std::int32_t, 3>> voxels_{};  // of a file
};

// The cells at most `rim` cells from a marked one along every axis, itself included.
[[nodiscard]] CellMarks grown(const CellMarks& cells, int resolution, int rim);

// Of voxels of one batch element.
// The cell of the row whose coordinates begin at `at`.
[[nodiscard]] std::size_t cell_of(const Voxels& voxels, std::size_t at);
// Those whose cells are marked, or those whose cells are not.
[[nodiscard]] Voxels voxels_where(const Voxels& voxels, const CellMarks& cells, bool marked);
// Both, which have no voxel in common, in lexicographic order.
[[nodiscard]] Voxels joined(const Voxels& a, const Voxels& b);
// "box:x0,y0,z0,x1,y1,z1" around them.
[[nodiscard]] std::string box_in_words(const Voxels& voxels);

}  // namespace espalier
