#include "io/formats/usdz.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "image/colour.h"
#include "io/formats/byte_writer.h"
#include "io/formats/text.h"
#include "io/formats/zip.h"

namespace espalier {

namespace {

constexpr const char* kFormat = "USDZ";

bool alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// A text in quotation marks.
std::string usd_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      default: out += static_cast<unsigned char>(c) < ' ' ? '_' : c;
    }
  }
  return out + "\"";
}

const char* wrap_word(Wrap wrap) {
  constexpr std::array kWords = {"repeat", "mirror", "clamp"};  // as Wrap counts them
  return kWords.at(static_cast<std::size_t>(wrap));
}

// Indented lines and values.
class UsdText {
 public:
  explicit UsdText(std::size_t expected) : out_(expected) {}
  [[nodiscard]] std::vector<std::byte> take() { return out_.take(); }

 protected:
  void line(const std::string& text) {
    for (int i = 0; i < depth_; ++i) out_.text("    ");
    out_.text(text + "\n");
  }
  void open() {
    line("{");
    ++depth_;
  }
  void close() {
    --depth_;
    line("}");
  }
  void begin(const std::string& text) {
    for (int i = 0; i < depth_; ++i) out_.text("    ");
    out_.text(text);
  }
  void end_line() { out_.put('\n'); }
  void put_tuple(std::initializer_list<float> values) {
    const char* before = "(";
    for (const float x : values) {
      out_.text(before);
      put_decimal(out_, x + 0.0F);  // which turns -0 into 0
      before = ", ";
    }
    out_.put(')');
  }
  // `tuple` puts the i-th of `count`.
  template <class Put>
  void put_array(const std::string& declaration, std::size_t count, const Put& put) {
    begin(declaration + " = [");
    for (std::size_t i = 0; i < count; ++i) {
      if (i > 0) out_.text(", ");
      put(i);
    }
    out_.put(']');
  }
  void put_value(const std::string& declaration, std::initializer_list<float> values) {
    begin(declaration + " = ");
    if (values.size() == 1) {
      put_decimal(out_, *values.begin());
    } else {
      put_tuple(values);
    }
    end_line();
  }

  ByteWriter out_;

 private:
  int depth_ = 0;
};

// The text of the scene.
class Layer : public UsdText {
 public:
  Layer(const MeshScene& scene, const SceneOptions& options)
      : UsdText(scene.mesh->vertices.size() * 48),
        scene_(scene),
        mesh_(*scene.mesh),
        root_(usd_identifier(options.title, "asset")) {
    std::set<std::string> used = {"Geometry"};
    for (const Material& m : scene.materials) {
      const std::string first = usd_identifier(m.name, "material");
      names_.push_back(first);
      for (int i = 2; !used.insert(names_.back()).second; ++i) names_.back() = str(first, "_", i);
    }
    put_head(options);
    line("def Xform \"" + root_ + "\" (");
    line("    assetInfo = {");
    line("        string name = " + usd_string(options.title));
    line("    }");
    line("    kind = \"component\"");
    line(")");
    open();
    put_mesh();
    // Some readers find materials only here, directly below the first prim.
    for (std::size_t m = 0; m < names_.size(); ++m) put_material(m);
    close();
  }

 private:
  void put_head(const SceneOptions& options) {
    line("#usda 1.0");
    line("(");
    std::string record;
    for (const std::string& comment : options.comments) record += (record.empty() ? "" : "\n") + comment;
    line("    customLayerData = {");
    line("        string creator = " + usd_string(options.generator));
    line("    }");
    line("    defaultPrim = \"" + root_ + "\"");
    if (!record.empty()) line("    doc = " + usd_string(record));
    line("    metersPerUnit = 1");
    line("    upAxis = \"Y\"");
    line(")");
    line("");
  }

  // ---- The mesh

  void per_vertex() {
    out_.text(" (\n");
    line("    interpolation = \"vertex\"");
    line(")");
  }
  void put_extent() {
    std::array<float, 3> low{}, high{};
    low.fill(std::numeric_limits<float>::max());
    high.fill(std::numeric_limits<float>::lowest());
    for (std::size_t i = 0; i < mesh_.vertices.size(); ++i) {
      low.at(i % 3) = std::min(low.at(i % 3), mesh_.vertices[i]);
      high.at(i % 3) = std::max(high.at(i % 3), mesh_.vertices[i]);
    }
    begin("float3[] extent = [");
    put_tuple({low[0], low[2], -high[1]});
    out_.text(", ");
    put_tuple({high[0], high[2], -low[1]});
    out_.text("]\n");
  }
  void put_pairs(const char* declaration, const std::vector<float>& uvs) {
    put_array(declaration, uvs.size() / 2, [&](std::size_t i) { put_tuple({uvs[2 * i], 1.0F - uvs[2 * i + 1]}); });
    per_vertex();
  }
  void put_normals() {
    const std::vector<float>& n = mesh_.normals;
    put_array("normal3f[] normals", n.size() / 3, [&](std::size_t i) {
      const double length = std::hypot(double{n[3 * i]}, double{n[3 * i + 1]}, double{n[3 * i + 2]});
      if (length <= 0.0) return put_tuple({0, 1, 0});
      const auto unit = [&](std::size_t k) { return static_cast<float>(n[3 * i + k] / length); };
      put_tuple({unit(0), unit(2), -unit(1)});
    });
    per_vertex();
  }
  void put_colours() {
    const std::vector<float>& c = mesh_.colours;
    const auto linear = [&](std::size_t i) { return linear_of_srgb(std::clamp(c[i], 0.0F, 1.0F)); };
    put_array("color3f[] primvars:displayColor", c.size() / 3, [&](std::size_t i) {
      put_tuple({linear(3 * i), linear(3 * i + 1), linear(3 * i + 2)});
    });
    per_vertex();
  }

  void put_mesh() {
    line("def Mesh \"Geometry\" (");
    line("    prepend apiSchemas = [\"MaterialBindingAPI\"]");
    line(")");
    open();
    const auto& materials = scene_.materials;
    const bool two_sides = std::any_of(materials.begin(), materials.end(), [](const Material& m) { return m.double_sided; });
    line(two_sides ? "uniform bool doubleSided = 1" : "uniform bool doubleSided = 0");
    put_extent();
    put_array("int[] faceVertexCounts", mesh_.faces.size() / 3, [&](std::size_t /*face*/) { out_.put('3'); });
    end_line();
    put_array("int[] faceVertexIndices", mesh_.faces.size(), [&](std::size_t i) { put_integer(out_, mesh_.faces[i]); });
    end_line();
    const std::vector<float>& v = mesh_.vertices;
    put_array("point3f[] points", v.size() / 3, [&](std::size_t i) { put_tuple({v[3 * i], v[3 * i + 2], -v[3 * i + 1]}); });
    end_line();
    if (!mesh_.normals.empty()) put_normals();
    if (scene_.any_vertex_colours()) put_colours();
    if (!mesh_.uvs.empty()) put_pairs("texCoord2f[] primvars:st", mesh_.uvs);
    if (!scene_.emission_uvs.empty()) put_pairs("texCoord2f[] primvars:st1", scene_.emission_uvs);
    line("uniform token subdivisionScheme = \"none\"");
    if (scene_.of_face.empty()) {
      line("rel material:binding = <" + path_of(0) + ">");
    } else {
      line("uniform token subsetFamily:materialBind:familyType = \"partition\"");
      for (std::size_t m = 0; m < names_.size(); ++m) put_subset(m);
    }
    close();
  }
  void put_subset(std::size_t m) {
    line("def GeomSubset \"" + names_[m] + "\" (");
    line("    prepend apiSchemas = [\"MaterialBindingAPI\"]");
    line(")");
    open();
    line("uniform token elementType = \"face\"");
    line("uniform token familyName = \"materialBind\"");
    const std::vector<std::int32_t> faces = scene_.faces_of(m);
    put_array("int[] indices", faces.size(), [&](std::size_t i) { put_integer(out_, faces[i]); });
    end_line();
    line("rel material:binding = <" + path_of(m) + ">");
    close();
  }

  // ---- Materials

  [[nodiscard]] std::string path_of(std::size_t m) const { return "/" + root_ + "/" + names_[m]; }

  void put_material(std::size_t m) {
    const Material& material = scene_.materials[m];
    const std::string path = path_of(m);
    line("def Material \"" + names_[m] + "\"");
    open();
    line("token outputs:surface.connect = <" + path + "/Surface.outputs:surface>");
    put_surface(material, path);
    if (scene_.shows_vertex_colours(material)) put_reader("Colours", "float3", "displayColor");
    if (material.texture.used()) {
      put_reader("Coordinates", "float2", "st");
      const auto& f = material.factor;
      put_texture("Texture", path + "/Coordinates", material.texture, {f[0], f[1], f[2], f[3]});
      if (scene_.normal_map >= 0) put_map("NormalMap", path + "/Coordinates", scene_.normal_map, true);
      if (scene_.occlusion_map >= 0) put_map("OcclusionMap", path + "/Coordinates", scene_.occlusion_map, false);
    }
    if (emission_textured(material)) {
      put_reader("EmissionCoordinates", "float2", scene_.emission_uvs.empty() ? "st" : "st1");
      const auto& e = material.emission;
      put_texture("EmissionTexture", path + "/EmissionCoordinates", material.emission_texture, {e[0], e[1], e[2], 1});
    }
    close();
  }
  static bool emission_textured(const Material& m) { return m.emits() && m.emission_texture.used(); }

  void put_surface(const Material& m, const std::string& path) {
    line("def Shader \"Surface\"");
    open();
    line("uniform token info:id = \"UsdPreviewSurface\"");
    if (m.texture.used()) {
      line("color3f inputs:diffuseColor.connect = <" + path + "/Texture.outputs:rgb>");
    } else if (scene_.shows_vertex_colours(m)) {
      line("color3f inputs:diffuseColor.connect = <" + path + "/Colours.outputs:result>");
    } else {
      put_value("color3f inputs:diffuseColor", {m.factor[0], m.factor[1], m.factor[2]});
    }
    if (emission_textured(m)) {
      line("color3f inputs:emissiveColor.connect = <" + path + "/EmissionTexture.outputs:rgb>");
    } else if (m.emits()) {
      put_value("color3f inputs:emissiveColor", {m.emission[0], m.emission[1], m.emission[2]});
    }
    put_value("float inputs:metallic", {0});
    if (m.texture.used() && scene_.normal_map >= 0)
      line("normal3f inputs:normal.connect = <" + path + "/NormalMap.outputs:rgb>");
    if (m.texture.used() && scene_.occlusion_map >= 0)
      line("float inputs:occlusion.connect = <" + path + "/OcclusionMap.outputs:r>");
    if (m.alpha != AlphaMode::opaque) {
      if (m.texture.used() && scene_.transparent[static_cast<std::size_t>(m.texture.image)]) {
        line("float inputs:opacity.connect = <" + path + "/Texture.outputs:a>");
      } else {
        put_value("float inputs:opacity", {std::clamp(m.factor[3], 0.0F, 1.0F)});
      }
    }
    if (m.alpha == AlphaMode::mask) put_value("float inputs:opacityThreshold", {m.alpha_cutoff});
    put_value("float inputs:roughness", {1});
    line("token outputs:surface");
    close();
  }
  void put_reader(const char* name, const std::string& type, const std::string& primvar) {
    line(str("def Shader \"", name, "\""));
    open();
    line("uniform token info:id = \"UsdPrimvarReader_" + type + "\"");
    line("string inputs:varname = \"" + primvar + "\"");
    line(type + " outputs:result");
    close();
  }
  void put_texture(const char* name, const std::string& coordinates, const TextureUse& use,
                   std::initializer_list<float> scale) {
    line(str("def Shader \"", name, "\""));
    open();
    line("uniform token info:id = \"UsdUVTexture\"");
    line("asset inputs:file = @textures/" + scene_.images[static_cast<std::size_t>(use.image)].name + "@");
    if (std::any_of(scale.begin(), scale.end(), [](float x) { return x != 1.0F; })) put_value("float4 inputs:scale", scale);
    line("token inputs:sourceColorSpace = \"sRGB\"");
    line("float2 inputs:st.connect = <" + coordinates + ".outputs:result>");
    line(str("token inputs:wrapS = \"", wrap_word(use.u), "\""));
    line(str("token inputs:wrapT = \"", wrap_word(use.v), "\""));
    line("float outputs:a");
    line("float3 outputs:rgb");
    close();
  }

  // Numbers, no colours; those of a normal map from -1 to 1.
  void put_map(const char* name, const std::string& coordinates, std::int32_t image, bool normals) {
    line(str("def Shader \"", name, "\""));
    open();
    line("uniform token info:id = \"UsdUVTexture\"");
    if (normals) put_value("float4 inputs:bias", {-1, -1, -1, 0});
    line("asset inputs:file = @textures/" + scene_.images[static_cast<std::size_t>(image)].name + "@");
    if (normals) put_value("float4 inputs:scale", {2, 2, 2, 1});
    line("token inputs:sourceColorSpace = \"raw\"");
    line("float2 inputs:st.connect = <" + coordinates + ".outputs:result>");
    line("token inputs:wrapS = \"clamp\"");
    line("token inputs:wrapT = \"clamp\"");
    line(normals ? "float3 outputs:rgb" : "float outputs:r");
    close();
  }

  const MeshScene& scene_;
  const Mesh& mesh_;
  std::string root_;
  std::vector<std::string> names_;  // of the materials
};

std::vector<std::byte> archive(MeshScene scene, const SceneOptions& options) {
  std::vector<NamedFile> files;
  files.push_back({usd_identifier(options.title, "asset") + ".usda", Layer(scene, options).take()});
  for (NamedFile& image : scene.images) files.push_back({"textures/" + image.name, std::move(image.bytes)});
  constexpr std::size_t kAlignment = 64;
  return encode_stored_zip(files, kAlignment);
}

}  // namespace

std::string usd_identifier(const std::string& name, const char* otherwise) {
  std::string out;
  for (const char c : name) {
    constexpr unsigned kContinuation = 0x80, kMask = 0xC0;  // of a letter in UTF-8 that began before
    if ((static_cast<unsigned char>(c) & kMask) != kContinuation) out += alphanumeric(c) ? c : '_';
  }
  if (std::none_of(out.begin(), out.end(), alphanumeric)) return otherwise;
  if (out.front() >= '0' && out.front() <= '9') out.insert(out.begin(), '_');
  return out;
}

std::vector<std::byte> encode_usdz(const Mesh& mesh, std::span<const std::byte> texture, const SceneOptions& options) {
  return archive(scene_of(mesh, texture, options, kFormat), options);
}

std::vector<std::byte> encode_usdz(const Mesh& mesh, const Appearance& look, ImageKind images, const SceneOptions& options) {
  return archive(scene_of(mesh, look, images, options, kFormat), options);
}

}  // namespace espalier
