// Meshes from files that anybody may have made. Nothing in a file is believed: sizes are compared with limits and with the
// bytes that are there before anything is allocated, indices with the arrays they point into, numbers must be finite.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "assets/appearance.h"
#include "assets/mesh.h"
#include "base/monitor.h"

namespace espalier {

struct ReadOptions {
  std::uint64_t max_bytes = std::uint64_t{2} << 30U;  // of a file, and of each file that it names
  std::int64_t max_vertices = 20'000'000;
  std::int64_t max_faces = 40'000'000;
  // What is read may take so much memory, and so much more for each byte of the files: far more than any honest file needs,
  // and little enough that a small one cannot fill the machine.
  std::uint64_t spare_memory = std::uint64_t{256} << 20U;
  std::uint64_t memory_per_byte = 8;
  std::uint64_t max_visits = 200'000;  // parts that a file shows, each as often as it is shown, whatever is in them
  bool texture = false;                // how it looks, too: materials and textures
  bool strict = false;                 // refuse what would be read with something left out
  const Monitor* monitor = nullptr;    // asked for cancellation
};

struct MeshFile {
  // In the coordinates of the writers turned back (docs/formats.md): Z up. Not scaled, not moved.
  Mesh mesh;
  Appearance appearance;             // no materials when they were not asked for or say nothing beyond the mesh's colours
  std::vector<std::string> notices;  // what was left out, and how the file was understood; one line each
  std::string format;                // "GLB", "glTF", "OBJ", "STL" or "PLY"
  double metres_per_unit = 1.0;      // 0.001 for STL, which by custom counts millimetres
};

// GLB and glTF 2.0 (triangles, strips and fans of the default scene with its transformations; skins, morphing and animation
// are left out), OBJ with its MTL, STL (binary or text; corners in one place become one vertex), PLY (text or binary, both
// byte orders). Polygons become fans of triangles. Files are told apart by content, OBJ also by its name.
//
// Throws format for a damaged file, one without triangles and one beyond the limits (checked before memory is taken);
// unsupported for what is refused by name (compressed glTF, sparse accessors, 3MF); not_found and io as read_file does. A file
// may name others, which are looked for beside it and in folders below, never elsewhere.
[[nodiscard]] MeshFile read_mesh(const std::filesystem::path& path, const ReadOptions& options = {});

// The same from memory; `name` is for messages and its ending may tell the format. A file that names others fails.
[[nodiscard]] MeshFile decode_mesh(std::span<const std::byte> bytes, const std::string& name, const ReadOptions& options = {});

}  // namespace espalier
