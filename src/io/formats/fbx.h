// FBX 7.4, binary: the format that game engines and modelling programs exchange.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "io/formats/mesh_scene.h"

namespace espalier {

// One model with one mesh: Y up, centimetres (the unit that programs assume where they do not read it), the vertices of one
// place joined, since texture coordinates and normals hang on the corners of faces; Phong materials without highlights;
// images inside the file. The texture is the bytes of a PNG or JPEG file or empty; without one the vertex colours are
// written, in sRGB. The rules of mesh_files.h.
[[nodiscard]] std::vector<std::byte> encode_fbx(const Mesh& mesh, std::span<const std::byte> texture,
                                                const SceneOptions& options);
// The same with several materials. Colours that multiply a texture, mirrored textures, emission textures with coordinates of
// their own, masks, sides of materials and alpha of vertices have no place there.
[[nodiscard]] std::vector<std::byte> encode_fbx(const Mesh& mesh, const Appearance& look, ImageKind images,
                                                const SceneOptions& options);

}  // namespace espalier
