// Gaussians from files that anybody may have made; the rules of mesh_reader.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "assets/gaussians.h"
#include "io/formats/mesh_reader.h"

namespace espalier {

struct GaussianFile {
  Gaussians gaussians;               // in the coordinates of the writers turned back: Z up
  std::string format;                // "PLY", "compressed PLY", "SPZ", "SOG", "splat", "ksplat", "GLB" or "glTF"
  std::vector<std::string> notices;  // what was left out; one line each
};

// PLY with the columns of 3D Gaussian splatting, PlayCanvas' compressed PLY, SPZ versions 2 to 4, SOG (versions 1 and 2, as
// an archive or as a meta.json with its images beside it), GLB and glTF with KHR_gaussian_splatting; .splat and .ksplat by
// their names: they have no mark of their own. Spherical harmonics are kept up to degree 3. Rows with values that are not
// finite are left out, with a notice. ReadOptions::max_vertices limits the Gaussians. Throws as read_mesh does.
[[nodiscard]] GaussianFile read_gaussians(const std::filesystem::path& path, const ReadOptions& options = {});
[[nodiscard]] GaussianFile decode_gaussians(std::span<const std::byte> bytes, const std::string& name,
                                            const ReadOptions& options = {});

}  // namespace espalier
