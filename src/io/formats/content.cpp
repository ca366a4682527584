#include "io/formats/content.h"

#include <fstream>

#include "base/file.h"
#include "io/formats/gltf_document.h"
#include "io/formats/zip_reader.h"

namespace espalier {

namespace {

namespace fs = std::filesystem;
using reader::GltfDocument;
using reader::GltfJson;

std::string head_of(const fs::path& path) {
  constexpr std::size_t kHead = std::size_t{4} << 20U;
  std::string head(kHead, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return head;
}

// Gaussians, and no triangles beside them.
bool gltf_holds_gaussians(const reader::Source& source) {
  const GltfDocument document(source);
  bool gaussians = false;
  for (std::size_t m = 0; m < document.count("meshes"); ++m) {
    const GltfJson* primitives = GltfDocument::find(document.item("meshes", m), "primitives");
    if (primitives == nullptr || !primitives->is_array()) continue;
    for (const GltfJson& primitive : *primitives) {
      if (document.natural(primitive, "mode", 4) >= 4) return false;
      gaussians = gaussians || GltfDocument::extension(primitive, "KHR_gaussian_splatting") != nullptr;
    }
  }
  return gaussians;
}

bool looks_like_gaussians(const fs::path& path) {
  const std::string name = reader::lower(path.filename().string());
  for (const char* ending : {".spz", ".splat", ".ksplat", ".sog"}) {
    if (name.ends_with(ending)) return true;
  }
  const std::string whole = head_of(path);
  const std::string_view head = reader::without_mark(whole);
  if (head.starts_with("ply")) return reader::content_of_ply(head).gaussians;
  if (head.starts_with("NGSP") || head.starts_with("\x1F\x8B")) return true;
  const bool zip = head.starts_with("PK\x03\x04"), gltf = head.starts_with("glTF");
  const bool splats = head.find("KHR_gaussian_splatting") != std::string::npos;
  // The JSON of a GLB stands at its beginning; only one that names the extension is looked into.
  if (zip || (gltf && splats)) {
    const ReadOptions options;
    const std::vector<std::byte> bytes = read_file(path, options.max_bytes);
    const reader::DiskFolder folder(path.parent_path(), options.max_bytes);
    const reader::Source source(bytes, path.string(), options, &folder);
    if (gltf) return gltf_holds_gaussians(source);
    const reader::ZipArchive archive(source);
    return reader::sog_meta(archive).has_value() && !archive.find("[Content_Types].xml");
  }
  if (reader::trimmed(head).starts_with('{')) {
    if (name == "meta.json" && head.find("\"means\"") != std::string::npos) return true;
    if (!splats) return false;
    const ReadOptions options;
    const std::vector<std::byte> bytes = read_file(path, options.max_bytes);
    const reader::DiskFolder folder(path.parent_path(), options.max_bytes);
    return gltf_holds_gaussians(reader::Source(bytes, path.string(), options, &folder));
  }
  return false;
}

}  // namespace

bool holds_gaussians(const fs::path& path) {
  try {
    return looks_like_gaussians(path);
  } catch (const Error&) {
    return false;
  }
}

}  // namespace espalier
