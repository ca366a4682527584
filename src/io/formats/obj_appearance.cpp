// OBJ and MTL of a mesh with several materials.
#include <algorithm>
#include <set>

#include "base/error.h"
#include "image/colour.h"
#include "io/formats/appearance_files.h"
#include "io/formats/checks.h"
#include "io/formats/obj_arrays.h"
#include "io/formats/text.h"

namespace espalier {

namespace {

constexpr const char* kFormat = "OBJ";

void put_values(ByteWriter& out, const char* key, std::initializer_list<float> values) {
  out.text(key);
  for (const float x : values) {
    out.put(' ');
    put_decimal(out, x);
  }
  out.put('\n');
}

float srgb(float linear) { return srgb_of_linear(std::clamp(linear, 0.0F, 1.0F)); }

// One name for each material, none twice.
std::vector<std::string> names_of(const Appearance& look) {
  std::vector<std::string> names;
  std::set<std::string> used;
  for (const Material& m : look.materials) {
    std::string name = plain_name(m.name.empty() ? "material" : m.name);
    const std::string first = name;
    for (int i = 2; !used.insert(name).second; ++i) name = str(first, "_", i);
    names.push_back(std::move(name));
  }
  return names;
}

void put_map(ByteWriter& out, const char* key, const TextureUse& use, const std::vector<std::string>& images) {
  out.text(key);
  if (use.u == Wrap::clamp && use.v == Wrap::clamp) out.text(" -clamp on");
  out.text(" " + images[static_cast<std::size_t>(use.image)] + "\n");
}

void put_material(ByteWriter& out, const std::string& name, const Material& m, const Appearance& look,
                  const std::vector<std::string>& images) {
  out.text("newmtl " + name + "\nKa 0 0 0\nKs 0 0 0\nillum 1\n");
  put_values(out, "Kd", {srgb(m.factor[0]), srgb(m.factor[1]), srgb(m.factor[2])});
  put_values(out, "d", {m.alpha == AlphaMode::opaque ? 1.0F : m.factor[3]});
  if (m.texture.used()) {
    put_map(out, "map_Kd", m.texture, images);
    const bool alpha = look.images[static_cast<std::size_t>(m.texture.image)].channels == 4;
    if (alpha && m.alpha != AlphaMode::opaque) put_map(out, "map_d", m.texture, images);
  }
  // Without its texture, which would need coordinates of its own, all of the material would glow.
  if (!m.emits() || (m.emission_texture.used() && !look.emission_uvs.empty())) return;
  put_values(out, "Ke", {srgb(m.emission[0]), srgb(m.emission[1]), srgb(m.emission[2])});
  if (m.emission_texture.used()) put_map(out, "map_Ke", m.emission_texture, images);
}

void put_face(ByteWriter& out, const Mesh& mesh, std::size_t face) {
  const bool uvs = !mesh.uvs.empty(), normals = !mesh.normals.empty();
  out.put('f');
  for (std::size_t k = 0; k < 3; ++k) {
    const std::int64_t index = std::int64_t{mesh.faces[3 * face + k]} + 1;
    out.put(' ');
    put_integer(out, index);
    if (uvs || normals) out.put('/');
    if (uvs) put_integer(out, index);
    if (normals) out.put('/');
    if (normals) put_integer(out, index);
  }
  out.put('\n');
}

}  // namespace

std::vector<NamedFile> encode_obj_files(const Mesh& mesh, const Appearance& look, std::span<const std::string> comments,
                                        const AppearanceOptions& options, const std::string& stem) {
  check_writable_mesh(mesh, kFormat);
  check_comments(comments, kFormat);
  check_stem(stem, kFormat);
  require(look.of_face.size() == mesh.faces.size() / 3, "encode_obj_files", "an appearance of another mesh");
  const std::string name = plain_name(stem);
  const std::vector<std::string> materials = names_of(look);
  std::vector<NamedFile> files;
  std::vector<std::string> images;
  for (std::size_t i = 0; i < look.images.size(); ++i) {
    EncodedImage image = encoded_image(look, i, options.images, false);
    images.push_back(look.images.size() == 1 ? name + image.ending : str(name, "-", i, image.ending));
    files.push_back({images.back(), std::move(image.bytes)});
  }
  ByteWriter library(1024);
  for (const std::string& comment : comments) library.text("# " + comment + "\n");
  for (std::size_t m = 0; m < materials.size(); ++m) put_material(library, materials[m], look.materials[m], look, images);
  ByteWriter out(mesh.vertices.size() * 48);
  for (const std::string& comment : comments) out.text("# " + comment + "\n");
  out.text("mtllib " + name + ".mtl\no asset\n");
  put_obj_arrays(out, mesh, !mesh.colours.empty() && !look.textured());
  for (std::size_t m = 0; m < materials.size(); ++m) {
    bool begun = false;
    for (std::size_t f = 0; f < look.of_face.size(); ++f) {
      if (look.of_face[f] != static_cast<std::int32_t>(m)) continue;
      if (!begun) out.text("usemtl " + materials[m] + "\n");
      begun = true;
      put_face(out, mesh, f);
    }
  }
  files.push_back({name + ".mtl", library.take()});
  files.push_back({stem + ".obj", out.take()});
  return files;
}

}  // namespace espalier
