// Zip archives with a mesh in them.
#include <algorithm>

#include "base/printable.h"
#include "io/formats/three_mf_reader.h"
#include "io/formats/zip_reader.h"

namespace espalier::reader {

namespace {

bool is_mesh(const std::string& name) {
  constexpr std::array<std::string_view, 6> kEndings = {".glb", ".gltf", ".obj", ".ply", ".stl", ".3mf"};
  const std::string base = lower(name.substr(name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1));
  // What the Finder of macOS puts beside every file.
  if (name.starts_with("__MACOSX/") || base.starts_with("._")) return false;
  return std::any_of(kEndings.begin(), kEndings.end(), [&](std::string_view ending) { return base.ends_with(ending); });
}

}  // namespace

MeshFile read_archive(const Source& source) {
  const ZipArchive archive(source);
  if (archive.find("[Content_Types].xml") && archive.find("_rels/.rels")) {
    if (const auto model = three_mf_model(archive, source)) return read_3mf(archive, *model, source);
  }
  std::vector<std::string> meshes;
  std::copy_if(archive.names().begin(), archive.names().end(), std::back_inserter(meshes), is_mesh);
  if (meshes.empty()) {
    source.unsupported("this zip archive holds no GLB, glTF, OBJ, PLY, STL or 3MF file", hint("name an archive with a mesh"));
  }
  std::sort(meshes.begin(), meshes.end());
  const std::string& name = meshes.front();
  if (meshes.size() > 1)
    source.left_out("the archive holds ", meshes.size(), " meshes, of which ", printable(name), " is read");
  const std::vector<std::byte> bytes = archive.read(name);
  if (text_of(bytes).starts_with("PK\x03\x04") && !lower(name).ends_with(".3mf"))
    source.unsupported("its file ", printable(name), " is an archive, too");
  const ZipFolder folder(archive, name);
  const Source inner(bytes, source.name + ": " + printable(name), source.options, &folder);
  MeshFile file = decode_mesh_file(inner);
  for (const std::string& notice : file.notices) source.left_out(notice);
  return file;
}

}  // namespace espalier::reader
