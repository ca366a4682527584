// Removal of interior faces: those that no view from outside sees.
#pragma once

#include <cstdint>
#include <span>

#include "assets/mesh.h"
#include "base/monitor.h"

namespace espalier {

// The shares are TRELLIS's, lengths and areas in units of the longest side of the mesh's box (TRELLIS assets fill the unit
// cube, for which the reference's numbers are made).
struct HiddenFaceOptions {
  int views = 1000;  // how many views the counts are of
  // A face is outer if more views than this share see it: the 75 % quantile over its piece, within these bounds.
  float outer_least = 0.25F, outer_most = 0.5F;
  float median_most = 0.25F;      // a patch goes only if the median of its faces' shares is no larger
  float largest_opening = 0.04F;  // ... and no opening that its removal leaves has a larger area
  float smallest_pocket = 3.0F;   // ... and it has at least this many times the area of these openings together
  float seen_piece = 0.02F;       // a patch that leaves no opening goes only if the 75 % quantile of its shares is no larger
};

// The mesh without its invisible interior faces. visible_views[f] is the number of views that see face f (F entries).
//
// Method (TRELLIS, postprocessing_utils): invisible faces are sources, outer ones sinks of a network over the faces, whose
// links are the edges of two faces with their lengths as capacities. A minimum cut (Boykov and Kolmogorov 2004) parts inner
// walls from outer ones along the shortest loops. Each connected patch on the inner side is then tested as above.
//
// Three rules are ours. Refused patches are cut again with lower bounds for outer faces, 10 and 5 % of the views, because
// the inside of a vessel is seen by few. A patch must be a pocket: outer faces that happen to be seen by no view, because they
// are small or lie in a crease, have about the area of the opening that they would leave, and stay. A piece that is only rarely
// seen, like an object under a table, stays as well. Faces that the cut leaves hanging by one edge and that no view sees go one
// by one.
//
// Throws invalid_argument for what check_mesh refuses, a wrong number of counts or counts outside [0, views], and if no face
// would be left (views that see nothing). The order of what remains is kept.
[[nodiscard]] Mesh without_hidden_faces(const Mesh& mesh, std::span<const std::int32_t> visible_views,
                                        const HiddenFaceOptions& options, const Monitor* monitor = nullptr);

}  // namespace espalier
