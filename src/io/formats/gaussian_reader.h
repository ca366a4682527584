// Gaussians from files that anybody may have made; the rules of mesh_reader.h.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "assets/gaussians.h"
#include "io/formats/mesh_reader.h"

namespace espalier {

struct GaussianFile {
  Gaussians gaussians;  // in the coordinates of the writers turned back: Z up
  std::string format;   // "PLY", "SPZ" or "splat"
};

// PLY with the columns of 3D Gaussian splatting, SPZ versions 2 and 3, and .splat (by its name: it has no mark of its own).
// Spherical harmonics are kept up to degree 3. ReadOptions::max_vertices limits the Gaussians. Throws as read_mesh does.
[[nodiscard]] GaussianFile read_gaussians(const std::filesystem::path& path, const ReadOptions& options = {});
[[nodiscard]] GaussianFile decode_gaussians(std::span<const std::byte> bytes, const std::string& name,
                                            const ReadOptions& options = {});

}  // namespace espalier
