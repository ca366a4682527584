// Fewer faces for a mesh that has been unwrapped: its texture stays as it is.
#pragma once

#include <cstdint>

#include "assets/mesh.h"
#include "base/monitor.h"

namespace espalier {

// At most `target_faces` faces, or more where seams and topology forbid it. Vertices are left out, never moved, so every one
// that remains keeps its texture coordinates, normal and colour; those on seams go along the seam alone, on both sides at once.
// What goes is chosen by the error of position and texture coordinates together (quadrics in five dimensions: Garland and
// Heckbert 1998). No face turns by more than 78 degrees or changes sides in the texture, and the surface stays the manifold
// that it was. A mesh without texture coordinates is handed to simplified().
//
// Throws invalid_argument for what check_mesh refuses, a mesh without faces and a target below 1.
[[nodiscard]] Mesh simplified_with_texture(const Mesh& mesh, std::int64_t target_faces, const Monitor* monitor = nullptr);

}  // namespace espalier
