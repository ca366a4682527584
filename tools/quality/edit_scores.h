// What an edit kept, what it changed, and how well both fit together.
#pragma once

#include "api/asset.h"
#include "edit_case.h"

namespace espalier::quality {

// Whether everything outside of what the edit may touch is the same, to the last bit: voxels, latents, Gaussians, and the faces
// of the mesh more than a voxel away.
[[nodiscard]] bool outside_is_same(const Asset::Data& before, const Asset::Data& after);

// Edges of the mesh that not exactly two faces share.
[[nodiscard]] std::int64_t open_edges_of(const Mesh& mesh);

// F-score of the mesh's surface inside the box against the object's there.
[[nodiscard]] double f_score_inside(const Mesh& mesh, const HeldOutObject& object, const std::array<float, 6>& box,
                                    float tolerance);

// Mean difference, 0 ... 255, of the colours of the mesh's vertices inside the box from those of the object's closest points.
[[nodiscard]] double colour_error_inside(const Mesh& mesh, const HeldOutObject& object, const std::array<float, 6>& box);

// The largest step of the mesh where the box ends, in voxels: how far outlines half a voxel inside and outside the border are
// from each other, over all points of both, less what the object's own outlines differ by within two voxels of it, and those
// of `unedited`, an asset's mesh that was generated in one piece.
[[nodiscard]] double step_at_border(const Mesh& mesh, const HeldOutObject& object, const std::array<float, 6>& box,
                                    const Mesh* unedited = nullptr);

}  // namespace espalier::quality
