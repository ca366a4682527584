// The whole clean-up of an extracted surface, in one call.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/monitor.h"
#include "geometry/mesh/mesh_edit.h"
#include "geometry/mesh/mesh_report.h"
#include "geometry/repair/hidden_faces.h"
#include "geometry/repair/holes.h"

namespace espalier {

// How many of `views` views see each face of a mesh.
struct Visibility {
  std::vector<std::int32_t> seen;  // [F]
  int views = 0;
};
// Renders a mesh from all around and counts. The monitor covers this step alone.
using CountViews = std::function<Visibility(const Mesh&, const Monitor*)>;

struct CleanOptions {
  float weld_tolerance = 0.0F;  // distance; 0 joins vertices at equal positions
  bool drop_hidden = true;      // needs a CountViews
  HiddenFaceOptions hidden;     // its `views` is taken from the Visibility
  bool fill_holes = true;
  HoleOptions holes;
  bool drop_small = true;
  SmallPieces small;
  bool drop_enclosed = true;  // pieces that cannot be seen from outside, such as bubbles
  bool untangle = true;       // faces that pass through others are taken apart (untangle.h)
  std::int64_t faces = 0;     // at most this many at the end; 0: by ratio
  double ratio = 0.95;        // share of the given faces that goes; 0 keeps them all
};

struct CleanReport {
  MeshReport before, after;
  std::int64_t working_faces = 0;   // of the mesh that was looked at from all around
  std::int64_t hidden_faces = 0;    // of those, removed
  std::int64_t small_faces = 0;     // removed with small pieces
  std::int64_t enclosed_faces = 0;  // removed with enclosed pieces
  HoleReport holes;
};

// In this order: vertices welded, duplicate and degenerate faces removed; simplified to kWorkingFactor times the faces asked
// for; interior faces removed by what `count_views` sees; openings filled; small pieces removed; simplified to the faces asked
// for; crossing faces taken apart. (The reference simplifies to the final number first and then removes interior faces, so that
// about half of the budget goes to faces that nobody sees. Here the whole budget is left for the outside.)
//
// The result has at most the faces asked for, and no more than one fewer, unless the surface without its interior faces has
// fewer from the start, or its topology needs more (simplify.h).
//
// `count_views` may be empty: interior faces stay then. The monitor gets progress in percent and is asked for cancellation many
// times a second. The same input gives the same bytes, if `count_views` does.
// Throws invalid_argument for what check_mesh refuses and when no face is left, saying after which step; unsupported for a mesh
// with texture coordinates.
[[nodiscard]] Mesh cleaned(const Mesh& mesh, const CountViews& count_views, const CleanOptions& options,
                           const Monitor* monitor = nullptr, CleanReport* report = nullptr);

// Interior faces are searched for on a mesh of this many times the final faces, and at least this many: small enough to render
// fast, and fine enough that half of it can go.
inline constexpr std::int64_t kWorkingFactor = 3;
inline constexpr std::int64_t kWorkingLeast = 60'000;

}  // namespace espalier
