#include <algorithm>
#include <optional>

#include "base/error.h"
#include "image/codec.h"
#include "io/formats/checks.h"
#include "io/formats/mesh_files.h"
#include "io/formats/obj_arrays.h"
#include "io/formats/text.h"

namespace espalier {

namespace {

void put_y_up(ByteWriter& out, const char* keyword, const float* v) {
  out.text(keyword);
  for (const float x : {v[0], v[2], -v[1]}) {
    out.put(' ');
    put_decimal(out, x);
  }
}

}  // namespace

void put_obj_arrays(ByteWriter& out, const Mesh& mesh, bool colours) {
  for (std::size_t i = 0; i < mesh.vertices.size(); i += 3) {
    put_y_up(out, "v", &mesh.vertices[i]);
    for (std::size_t k = 0; k < 3 && colours; ++k) {
      out.put(' ');
      put_decimal(out, std::clamp(mesh.colours[i + k], 0.0F, 1.0F));
    }
    out.put('\n');
  }
  for (std::size_t i = 0; i < mesh.uvs.size(); i += 2) {
    out.text("vt ");
    put_decimal(out, mesh.uvs[i]);
    out.put(' ');
    put_decimal(out, 1.0F - mesh.uvs[i + 1]);
    out.put('\n');
  }
  for (std::size_t i = 0; i < mesh.normals.size(); i += 3) {
    put_y_up(out, "vn", &mesh.normals[i]);
    out.put('\n');
  }
}

namespace {

constexpr const char* kFormat = "OBJ";

void put_faces(ByteWriter& out, const Mesh& mesh) {
  const bool uvs = !mesh.uvs.empty(), normals = !mesh.normals.empty();
  for (std::size_t i = 0; i < mesh.faces.size(); i += 3) {
    out.put('f');
    for (std::size_t k = 0; k < 3; ++k) {
      const std::int64_t index = std::int64_t{mesh.faces[i + k]} + 1;
      out.put(' ');
      put_integer(out, index);
      if (uvs || normals) out.put('/');
      if (uvs) put_integer(out, index);
      if (normals) out.put('/');
      if (normals) put_integer(out, index);
    }
    out.put('\n');
  }
}

// `library` names the MTL file; empty for a mesh that goes alone.
std::vector<std::byte> encode(const Mesh& mesh, std::span<const std::string> comments, const std::string& library,
                              const std::string& word) {
  check_writable_mesh(mesh, kFormat);
  check_comments(comments, kFormat);
  ByteWriter out(static_cast<std::size_t>(mesh.vertex_count()) * 96 + static_cast<std::size_t>(mesh.face_count()) * 40);
  for (const std::string& comment : comments) out.text("# " + comment + "\n");
  if (!library.empty()) out.text("mtllib " + library + "\n");
  out.text("o " + word + "\n");
  const bool colours = !mesh.colours.empty() && library.empty();
  put_obj_arrays(out, mesh, colours);
  if (!library.empty()) out.text("usemtl " + word + "\n");
  put_faces(out, mesh);
  return out.take();
}

// A name of an object or a material, which readers end at a space; other letters than ASCII are kept.
std::string one_word(const std::string& title) {
  std::string word = title.empty() ? "asset" : title;
  for (char& c : word) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7F || c == '#' || c == '\\') c = '_';
  }
  return word;
}

}  // namespace

std::vector<std::byte> encode_obj(const Mesh& mesh, std::span<const std::string> comments, const std::string& title) {
  return encode(mesh, comments, {}, one_word(title));
}

std::vector<NamedFile> encode_obj_files(const Mesh& mesh, std::span<const std::string> comments,
                                        std::span<const std::byte> texture, const std::string& stem, const std::string& title,
                                        std::span<const std::byte> normal_map) {
  check_stem(stem, kFormat);
  if (mesh.uvs.empty()) {
    fail(ErrorCode::invalid_argument, kFormat, ": a texture needs a mesh with texture coordinates",
         hint("unwrap the mesh first"));
  }
  const auto format = image_format(texture);
  if (format != ImageFormat::png && format != ImageFormat::jpeg) {
    fail(ErrorCode::invalid_argument, kFormat, ": the texture must be a PNG or JPEG image, which all programs read");
  }
  const auto ending_of = [](std::optional<ImageFormat> kind) { return kind == ImageFormat::png ? ".png" : ".jpg"; };
  const std::string name = plain_name(stem);
  const std::string image = name + ending_of(format);
  ByteWriter material(256);
  for (const std::string& comment : comments) material.text("# " + comment + "\n");
  material.text("newmtl " + one_word(title) + "\nKa 0 0 0\nKd 1 1 1\nKs 0 0 0\nd 1\nillum 1\nmap_Kd " + image + "\n");
  const std::string normals = name + "-normal" + ending_of(image_format(normal_map));
  if (!normal_map.empty()) material.text("norm " + normals + "\nmap_Bump -bm 1 " + normals + "\n");
  std::vector<std::byte> object = encode(mesh, comments, name + ".mtl", one_word(title));  // checks the comments, too
  std::vector<NamedFile> files;
  files.push_back({image, {texture.begin(), texture.end()}});
  if (!normal_map.empty()) files.push_back({normals, {normal_map.begin(), normal_map.end()}});
  files.push_back({name + ".mtl", material.take()});
  files.push_back({stem + ".obj", std::move(object)});
  return files;
}

}  // namespace espalier
