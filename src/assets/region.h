// A part of the unit cube that is to change, as people write it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "assets/mesh.h"
#include "assets/voxels.h"

namespace espalier {

// Cells of a cubic grid, x outermost: 1 where the cell belongs to something, else 0.
using CellMarks = std::vector<std::uint8_t>;

// An asset as it was before an edit. Later edits decode it again, so that what they do not touch stays bit for bit.
struct EarlierState {
  Voxels voxels;
  std::vector<float> latent;
  CellMarks touched;  // what the edit that followed may have changed: its region and the rim
};

class Region {
 public:
  // "box:x0,y0,z0,x1,y1,z1" and "sphere:x,y,z,r" in the coordinates of the asset (Z up, the unit cube centred at the origin),
  // or "voxels:FILE", a text file with the x, y and z of a voxel on each line (whole numbers between spaces or commas; lines
  // that are empty or begin with # are skipped), which is read at once. Throws invalid_argument, and as read_file does.
  explicit Region(const std::string& text);

  // The cells whose centres lie in it. Throws invalid_argument for a voxel outside the grid, and where there is none.
  [[nodiscard]] CellMarks cells(int resolution) const;
  [[nodiscard]] const std::string& text() const { return text_; }
  // For records: without the folders of a file.
  [[nodiscard]] std::string title() const;

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
// For each of `now`: its row in `before`, or -1 where it has none or its cell is marked as touched.
[[nodiscard]] std::vector<std::int64_t> rows_kept(const Voxels& before, const Voxels& now, const CellMarks& touched);
// Both, which have no voxel in common, in lexicographic order.
[[nodiscard]] Voxels joined(const Voxels& a, const Voxels& b);
// Vertices of `before`, more than a cell away from those touched, of a grid over the unit cube, that are not vertices of `now`.
struct MovedVertices {
  std::int64_t moved = 0, all = 0;  // all: as far away
};
[[nodiscard]] MovedVertices vertices_moved(const Mesh& before, const Mesh& now, const CellMarks& touched, int resolution);
// "box:x0,y0,z0,x1,y1,z1" around them.
[[nodiscard]] std::string box_in_words(const Voxels& voxels);

}  // namespace espalier
