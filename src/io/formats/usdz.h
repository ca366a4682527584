// USDZ, the archive of a scene that phones and AR viewers show.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "io/formats/mesh_scene.h"

namespace espalier {

// An archive of stored files that begin at multiples of 64 bytes: the scene as text (.usda) and its images in textures/. Y
// up, metres, one mesh, UsdPreviewSurface. The texture is the bytes of a PNG or JPEG file or empty; without one the vertex
// colours are written as displayColor. The rules of mesh_files.h.
[[nodiscard]] std::vector<std::byte> encode_usdz(const Mesh& mesh, std::span<const std::byte> texture,
                                                 const SceneOptions& options);
// The same with several materials, each a subset of the mesh. Colours of vertices that multiply a texture or a colour, their
// alpha, and that a material is unlit have no place there.
[[nodiscard]] std::vector<std::byte> encode_usdz(const Mesh& mesh, const Appearance& look, ImageKind images,
                                                 const SceneOptions& options);

// A name as USD takes it for a prim: letters, digits and _, not a digit first; `otherwise` where nothing is left of it.
[[nodiscard]] std::string usd_identifier(const std::string& name, const char* otherwise);

}  // namespace espalier
