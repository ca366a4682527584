#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "image/codec.h"
#include "io/formats/checks.h"
#include "io/formats/mesh_files.h"
#include "io/formats/numbering.h"
#include "io/formats/placement.h"
#include "io/formats/text.h"
#include "io/formats/zip.h"

namespace espalier {

namespace {

constexpr const char* kFormat = "3MF";
constexpr int kTexture = 1, kProperties = 2, kObject = 3;  // resource ids

// Corners of faces by position: textures split vertices at their seams, but a 3MF wants a closed solid and can hold the
// texture coordinates apart from it.
struct Solid {
  PointNumbering points;
  std::vector<std::int32_t> point_of;  // per vertex of the mesh
};

Solid solid_of(const Mesh& mesh, const Placement& placement) {
  Solid solid;
  for (std::size_t i = 0; i < mesh.vertices.size(); i += 3) {
    const Vec3d p = placement(&mesh.vertices[i]);
    // Adding zero turns -0 into 0, which is the same place.
    solid.point_of.push_back(
        solid.points.of({static_cast<float>(p[0]) + 0.0F, static_cast<float>(p[1]) + 0.0F, static_cast<float>(p[2]) + 0.0F}));
  }
  return solid;
}

std::uint32_t rgb_of(const float* colour) {
  std::uint32_t rgb = 0;
  for (std::size_t k = 0; k < 3; ++k)
    rgb = rgb << 8U | static_cast<std::uint32_t>(std::lround(std::clamp(colour[k], 0.0F, 1.0F) * 255.0F));
  return rgb;
}

// The property group, and each vertex's index into it; empty when the mesh has neither texture nor colours.
std::vector<std::int32_t> put_properties(ByteWriter& out, const Mesh& mesh, const std::string& texture_part, const char* mime) {
  std::vector<std::int32_t> property;
  if (!texture_part.empty()) {
    out.text(str("<m:texture2d id=\"", kTexture, "\" path=\"/", texture_part, "\" contenttype=\"", mime,
                 "\" tilestyleu=\"clamp\" tilestylev=\"clamp\" filter=\"linear\"/>\n<m:texture2dgroup id=\"", kProperties,
                 "\" texid=\"", kTexture, "\">\n"));
    for (std::size_t i = 0; i < mesh.uvs.size(); i += 2) {
      property.push_back(static_cast<std::int32_t>(i / 2));
      out.text("<m:tex2coord u=\"");
      put_decimal(out, mesh.uvs[i]);
      out.text("\" v=\"");
      put_decimal(out, 1.0F - mesh.uvs[i + 1]);
      out.text("\"/>\n");
    }
    out.text("</m:texture2dgroup>\n");
  } else if (!mesh.colours.empty()) {
    Numbering<std::array<std::uint32_t, 1>, HashWords<std::uint32_t, 1>> colours;
    for (std::size_t i = 0; i < mesh.colours.size(); i += 3) property.push_back(colours.of({rgb_of(&mesh.colours[i])}));
    out.text(str("<m:colorgroup id=\"", kProperties, "\">\n"));
    for (const auto& [rgb] : colours.keys()) {
      constexpr const char* kHex = "0123456789ABCDEF";
      out.text("<m:color color=\"#");
      for (int shift = 20; shift >= 0; shift -= 4) out.put(kHex[rgb >> static_cast<unsigned>(shift) & 15U]);
      out.text("\"/>\n");
    }
    out.text("</m:colorgroup>\n");
  }
  return property;
}

void put_triangles(ByteWriter& out, const Mesh& mesh, const Solid& solid, const std::vector<std::int32_t>& property) {
  bool any = false;
  for (std::size_t f = 0; f < mesh.faces.size(); f += 3) {
    std::array<std::size_t, 3> vertex;
    for (std::size_t k = 0; k < 3; ++k) vertex[k] = static_cast<std::size_t>(mesh.faces[f + k]);
    const std::array<std::int32_t, 3> p = {solid.point_of[vertex[0]], solid.point_of[vertex[1]], solid.point_of[vertex[2]]};
    if (p[0] == p[1] || p[1] == p[2] || p[2] == p[0]) continue;  // the format forbids them
    any = true;
    constexpr std::array kPoint = {"<triangle v1=\"", "\" v2=\"", "\" v3=\""};
    constexpr std::array kProperty = {"\" p1=\"", "\" p2=\"", "\" p3=\""};
    for (std::size_t k = 0; k < 3; ++k) {
      out.text(kPoint[k]);
      put_integer(out, p[k]);
    }
    if (!property.empty()) {
      out.text("\" pid=\"");
      put_integer(out, kProperties);
      for (std::size_t k = 0; k < 3; ++k) {
        out.text(kProperty[k]);
        put_integer(out, property[vertex[k]]);
      }
    }
    out.text("\"/>\n");
  }
  if (!any)
    fail(ErrorCode::invalid_argument, kFormat, ": every face has two corners in one place, so there is nothing to print");
}

struct Labels {
  std::string texture_part;  // empty without a texture
  const char* mime;
  std::string title;
};

std::vector<std::byte> model_xml(const Mesh& mesh, const Placement& placement, std::span<const std::string> comments,
                                 const Labels& labels) {
  const Solid solid = solid_of(mesh, placement);
  ByteWriter out(static_cast<std::size_t>(mesh.vertex_count()) * 96 + static_cast<std::size_t>(mesh.face_count()) * 80);
  out.text(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<model unit=\"millimeter\" xml:lang=\"en-US\" "
      "xmlns=\"http://schemas.microsoft.com/3dmanufacturing/core/2015/02\" "
      "xmlns:m=\"http://schemas.microsoft.com/3dmanufacturing/material/2015/02\">\n"
      "<metadata name=\"Application\">Espalier</metadata>\n");
  if (!comments.empty()) {
    std::string description;
    for (const std::string& comment : comments) {
      if (!description.empty()) description += '\n';
      description += escaped_xml(comment);
    }
    out.text("<metadata name=\"Description\">" + description + "</metadata>\n");
  }
  out.text("<metadata name=\"Title\">" + escaped_xml(labels.title) + "</metadata>\n<resources>\n");
  const std::vector<std::int32_t> property = put_properties(out, mesh, labels.texture_part, labels.mime);
  out.text(str("<object id=\"", kObject, "\" type=\"model\" name=\"", escaped_xml(labels.title), "\""));
  if (!property.empty()) out.text(str(" pid=\"", kProperties, "\" pindex=\"0\""));
  out.text(">\n<mesh>\n<vertices>\n");
  for (const auto& point : solid.points.keys()) {
    constexpr std::array kAxis = {"<vertex x=\"", "\" y=\"", "\" z=\""};
    for (std::size_t k = 0; k < 3; ++k) {
      out.text(kAxis[k]);
      put_decimal(out, point[k]);
    }
    out.text("\"/>\n");
  }
  out.text("</vertices>\n<triangles>\n");
  put_triangles(out, mesh, solid, property);
  out.text(str("</triangles>\n</mesh>\n</object>\n</resources>\n<build>\n<item objectid=\"", kObject,
               "\" transform=\"1 0 0 0 1 0 0 0 1 "));
  // Consumers need not print what lies outside the positive octant.
  for (const std::size_t k : {0U, 1U, 2U}) {
    // Adding zero turns -0 into 0.
    put_decimal(out, static_cast<float>(-placement.low[k]) + 0.0F);
    if (k < 2) out.put(' ');
  }
  out.text("\"/>\n</build>\n</model>\n");
  return out.take();
}

NamedFile text_file(std::string name, const std::string& text) {
  ByteWriter out(text.size());
  out.text(text);
  return {std::move(name), out.take()};
}

std::string relationships(const std::string& target, const std::string& type) {
  return "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
         "<Relationships xmlns=\"http://schemas.openxmlformats.org/package/2006/relationships\">"
         "<Relationship Target=\"/" +
         target + "\" Id=\"rel0\" Type=\"http://schemas.microsoft.com/3dmanufacturing/2013/01/" + type +
         "\"/></Relationships>\n";
}

}  // namespace

std::vector<std::byte> encode_3mf(const Mesh& mesh, double largest_side_mm, std::span<const std::string> comments,
                                  std::span<const std::byte> texture) {
  check_writable_mesh(mesh, kFormat);
  return encode_3mf(mesh, placement_of(mesh, largest_side_mm, kFormat), comments, texture, "asset");
}

std::vector<std::byte> encode_3mf(const Mesh& mesh, const Placement& placement, std::span<const std::string> comments,
                                  std::span<const std::byte> texture, const std::string& title) {
  check_writable_mesh(mesh, kFormat);
  check_comments(comments, kFormat);
  std::string part;
  const char* mime = "";
  if (!texture.empty()) {
    if (mesh.uvs.empty()) {
      fail(ErrorCode::invalid_argument, kFormat, ": a texture needs a mesh with texture coordinates",
           hint("unwrap the mesh first"));
    }
    const auto format = image_format(texture);
    if (format != ImageFormat::png && format != ImageFormat::jpeg) {
      fail(ErrorCode::invalid_argument, kFormat, ": the texture must be a PNG or JPEG image",
           hint("the format knows no others"));
    }
    part = format == ImageFormat::png ? "3D/Textures/texture.png" : "3D/Textures/texture.jpeg";
    mime = format == ImageFormat::png ? "image/png" : "image/jpeg";
  }
  std::vector<NamedFile> files;
  files.push_back(
      text_file("[Content_Types].xml",
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\">"
                "<Default Extension=\"rels\" ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/>"
                "<Default Extension=\"model\" ContentType=\"application/vnd.ms-package.3dmanufacturing-3dmodel+xml\"/>"
                "<Default Extension=\"png\" ContentType=\"image/png\"/><Default Extension=\"jpeg\" "
                "ContentType=\"image/jpeg\"/></Types>\n"));
  files.push_back(text_file("_rels/.rels", relationships("3D/3dmodel.model", "3dmodel")));
  files.push_back({"3D/3dmodel.model", model_xml(mesh, placement, comments, {part, mime, title})});
  if (!texture.empty()) {
    files.push_back(text_file("3D/_rels/3dmodel.model.rels", relationships(part, "3dtexture")));
    files.push_back({part, {texture.begin(), texture.end()}});
  }
  return encode_zip(files);
}

}  // namespace espalier
