// Fewer faces for the same shape: edge collapse by quadric error (Garland and Heckbert 1997) with optimal placement.
#pragma once

#include <cstdint>

#include "assets/mesh.h"
#include "base/monitor.h"

namespace espalier {

// Simplifies to at most `target_faces`, and at most one fewer than that on a mesh whose topology permits it (a collapse on a
// closed surface takes two faces). A mesh that has no more than the target comes back as it is.
//
// - Where the mesh is a manifold, it stays one with the same handles and openings (link condition); openings keep their
//   outline by planes of their own. Vertices that are no single fan of faces stay in place; where more than 1 % are
//   (and 256), they are split first.
// - An edge that a collapse folds by more than 90 degrees costs as much as moving the surface there by the edge's length, so
//   that round rims keep the faces that they need.
// - No collapse turns a face by more than 78 degrees. Only when nothing else is left above the target are sharper turns
//   taken (faces turned over only for the last tenth), then vertices split where the surface is no manifold, and at last the
//   smallest pieces (by area) dropped. What remains above the target after that is one piece that cannot have fewer faces
//   without losing a handle or its shape.
// - Colours and normals are interpolated along each collapsed edge, normals made unit length again. Unreferenced vertices
//   go. Faces come in another order than they were; both orders depend on the input alone, not on the number of cores.
//
// Large meshes are worked on in blocks side by side, with a common limit on the error, until 1.4 times the target is left; the
// rest is one queue.
//
// Throws invalid_argument for what check_mesh refuses, a mesh without faces and a target below 1; unsupported for a mesh
// with texture coordinates, whose seams a collapse would tear: simplify before unwrapping. The monitor is asked many times a
// second whether to stop, and told how many of the faces to go have gone.
[[nodiscard]] Mesh simplified(const Mesh& mesh, std::int64_t target_faces, const Monitor* monitor = nullptr);

// The same for what is simplified again later: large meshes in blocks alone, which all cores share, to at most 1.1 times the
// faces asked for.
[[nodiscard]] Mesh roughly_simplified(const Mesh& mesh, std::int64_t target_faces, const Monitor* monitor = nullptr);

// Faces that are left when the share `ratio` in [0, 1) of them goes; at least 1.
[[nodiscard]] std::int64_t faces_after(std::int64_t faces, double ratio);

}  // namespace espalier
