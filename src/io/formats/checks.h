// What the writers refuse, in one place. `format` names the file format in messages.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "assets/gaussians.h"
#include "assets/mesh.h"

namespace espalier {

// The conditions of mesh_files.h.
void check_writable_mesh(const Mesh& mesh, const char* format);
// The conditions of splat_files.h.
void check_gaussians(const Gaussians& gaussians, const char* format);
// Throws invalid_argument when a value is not finite; `what` names the array, `width` is the number of values per row.
void check_finite(std::span<const float> values, int width, const char* format, const char* what);
// Throws invalid_argument when a GLB of this size could not be: its lengths have 32 bits.
void check_glb_size(std::uint64_t bytes);
// Throws invalid_argument when a comment is not one line of printable ASCII.
void check_comment(const std::string& comment, const char* format);
void check_comments(std::span<const std::string> comments, const char* format);

}  // namespace espalier
