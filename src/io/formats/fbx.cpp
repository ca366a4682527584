#include "io/formats/fbx.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "io/formats/fbx_node.h"
#include "io/formats/numbering.h"

namespace espalier {

namespace {

constexpr const char* kFormat = "FBX";
constexpr double kCentimetres = 100.0;  // of a metre
constexpr std::int64_t kDocument = 1'000'000, kGeometry = 2'000'000, kModel = 3'000'000, kMaterials = 10'000'000'000,
                       kTextures = 20'000'000'000, kImages = 30'000'000'000;  // what objects are numbered from

// Names carry their class behind them.
std::string classed(const std::string& name, const char* kind) {
  std::string out;
  for (const char c : name) out += static_cast<unsigned char>(c) < ' ' ? '_' : c;
  out += {'\0', '\1'};
  return out.append(kind);
}

// ---- Lists of named values

FbxNode& value(FbxNode& list, const char* name, const char* type, const char* label, const char* flags = "") {
  return list.add("P").text(name).text(type).text(label).text(flags);
}
void put_integer(FbxNode& list, const char* name, std::int32_t x) { value(list, name, "int", "Integer").integer(x); }
void put_number(FbxNode& list, const char* name, double x) { value(list, name, "double", "Number").number(x); }
void put_factor(FbxNode& list, const char* name, double x) { value(list, name, "Number", "", "A").number(x); }
void put_choice(FbxNode& list, const char* name, std::int32_t x) { value(list, name, "enum", "").integer(x); }
void put_flag(FbxNode& list, const char* name, bool x) { value(list, name, "bool", "").integer(x ? 1 : 0); }
void put_text(FbxNode& list, const char* name, const std::string& x) { value(list, name, "KString", "").text(x); }
void put_colour(FbxNode& list, const char* name, double r, double g, double b) {
  value(list, name, "Color", "", "A").number(r).number(g).number(b);
}
void put_colour(FbxNode& list, const char* name, const float* rgb) { put_colour(list, name, rgb[0], rgb[1], rgb[2]); }
void put_transform(FbxNode& list, const char* name, double x) {
  value(list, name, name, "", "A").number(x).number(x).number(x);
}

// ---- What every file has

void put_head(std::list<FbxNode>& nodes, const SceneOptions& options) {
  FbxNode& head = nodes.emplace_back("FBXHeaderExtension");
  head.add("FBXHeaderVersion").integer(1003);
  head.add("FBXVersion").integer(7400);
  head.add("EncryptionType").integer(0);
  // A fixed time, so that the same asset gives the same bytes.
  FbxNode& time = head.add("CreationTimeStamp");
  time.add("Version").integer(1000);
  time.add("Year").integer(1970);
  for (const char* one : {"Month", "Day"}) time.add(one).integer(1);
  time.add("Hour").integer(10);
  for (const char* none : {"Minute", "Second", "Millisecond"}) time.add(none).integer(0);
  head.add("Creator").text(options.generator);
  FbxNode& info = head.add("SceneInfo").text(classed("GlobalInfo", "SceneInfo")).text("UserData");
  info.add("Type").text("UserData");
  info.add("Version").integer(100);
  FbxNode& data = info.add("MetaData");
  data.add("Version").integer(100);
  data.add("Title").text(options.title);
  for (const char* none : {"Subject", "Author", "Keywords", "Revision"}) data.add(none).text("");
  std::string record;
  for (const std::string& comment : options.comments) record += (record.empty() ? "" : "\n") + comment;
  data.add("Comment").text(record);
  nodes.emplace_back("FileId").raw(std::as_bytes(std::span(FbxIdentity::kFile)));
  nodes.emplace_back("CreationTime").text(FbxIdentity::kCreated);
  nodes.emplace_back("Creator").text(options.generator);
}

void put_settings(std::list<FbxNode>& nodes) {
  FbxNode& settings = nodes.emplace_back("GlobalSettings");
  settings.add("Version").integer(1000);
  FbxNode& list = settings.add("Properties70");
  constexpr std::int32_t kX = 0, kY = 1, kZ = 2;
  put_integer(list, "UpAxis", kY);
  put_integer(list, "UpAxisSign", 1);
  put_integer(list, "FrontAxis", kZ);
  put_integer(list, "FrontAxisSign", 1);
  put_integer(list, "CoordAxis", kX);
  put_integer(list, "CoordAxisSign", 1);
  put_integer(list, "OriginalUpAxis", kY);
  put_integer(list, "OriginalUpAxisSign", 1);
  put_number(list, "UnitScaleFactor", 1.0);  // centimetres of a unit
  put_number(list, "OriginalUnitScaleFactor", 1.0);
}

void put_document(std::list<FbxNode>& nodes) {
  FbxNode& documents = nodes.emplace_back("Documents");
  documents.add("Count").integer(1);
  FbxNode& document = documents.add("Document").id(kDocument).text("").text("Scene");
  FbxNode& list = document.add("Properties70");
  value(list, "SourceObject", "object", "");
  put_text(list, "ActiveAnimStackName", "");
  document.add("RootNode").id(0);
  nodes.emplace_back("References");
}

// The values of a Phong material without highlights.
void put_look(FbxNode& list, const Material& m, bool emits) {
  put_text(list, "ShadingModel", "phong");
  put_colour(list, "DiffuseColor", m.factor.data());
  put_factor(list, "DiffuseFactor", 1.0);
  put_colour(list, "AmbientColor", 0, 0, 0);
  if (emits) {
    put_colour(list, "EmissiveColor", m.emission.data());
  } else {
    put_colour(list, "EmissiveColor", 0, 0, 0);
  }
  put_factor(list, "EmissiveFactor", emits ? 1.0 : 0.0);
  put_colour(list, "SpecularColor", 0, 0, 0);
  put_factor(list, "SpecularFactor", 0.0);
  put_factor(list, "Shininess", 0.0);
  put_factor(list, "ShininessExponent", 0.0);
  put_factor(list, "ReflectionFactor", 0.0);
  const double opacity = m.alpha == AlphaMode::opaque ? 1.0 : std::clamp(double{m.factor[3]}, 0.0, 1.0);
  if (opacity < 1.0) put_colour(list, "TransparentColor", 1, 1, 1);
  put_factor(list, "TransparencyFactor", 1.0 - opacity);
  put_factor(list, "Opacity", opacity);
}

class Document {
 public:
  Document(const MeshScene& scene, const SceneOptions& options) : scene_(scene), mesh_(*scene.mesh), options_(options) {
    put_head(nodes_, options);
    put_settings(nodes_);
    put_document(nodes_);
    FbxNode& definitions = add("Definitions");
    FbxNode& objects = add("Objects");
    put_geometry(objects);
    put_model(objects);
    for (std::size_t m = 0; m < scene_.materials.size(); ++m) put_material(objects, m);
    put_textures(objects);
    put_images(objects);
    put_definitions(definitions);
    put_connections();
    add("Takes").add("Current").text("");
  }
  [[nodiscard]] std::vector<std::byte> bytes() const { return encode_fbx_nodes(nodes_); }

 private:
  FbxNode& add(const char* name) { return nodes_.emplace_back(name); }

  // ---- Objects

  void put_geometry(FbxNode& objects) {
    FbxNode& geometry = objects.add("Geometry").id(kGeometry).text(classed(options_.title, "Geometry")).text("Mesh");
    geometry.add("Properties70");
    geometry.add("GeometryVersion").integer(124);
    put_faces(geometry);
    FbxNode layer("Layer");
    layer.integer(0);
    layer.add("Version").integer(100);
    const auto in_layer = [&](const char* type) {
      FbxNode& element = layer.add("LayerElement");
      element.add("Type").text(type);
      element.add("TypedIndex").integer(0);
    };
    if (!mesh_.normals.empty()) {
      put_normals(begin_layer(geometry, "LayerElementNormal", "", "ByPolygonVertex", "Direct"));
      in_layer("LayerElementNormal");
    }
    if (scene_.any_vertex_colours()) {
      put_colours(begin_layer(geometry, "LayerElementColor", "Col", "ByPolygonVertex", "IndexToDirect"));
      in_layer("LayerElementColor");
    }
    if (!mesh_.uvs.empty()) {
      put_uvs(begin_layer(geometry, "LayerElementUV", kUvs, "ByPolygonVertex", "IndexToDirect"));
      in_layer("LayerElementUV");
    }
    const bool several = !scene_.of_face.empty();
    FbxNode& materials = begin_layer(geometry, "LayerElementMaterial", "", several ? "ByPolygon" : "AllSame", "IndexToDirect");
    constexpr std::array<std::int32_t, 1> kFirst = {0};
    materials.add("Materials").integers(several ? std::span<const std::int32_t>(scene_.of_face) : kFirst);
    in_layer("LayerElementMaterial");
    geometry.append(std::move(layer));
  }

  static FbxNode& begin_layer(FbxNode& geometry, const char* kind, const char* name, const char* mapping,
                              const char* reference) {
    FbxNode& layer = geometry.add(kind).integer(0);
    layer.add("Version").integer(101);
    layer.add("Name").text(name);
    layer.add("MappingInformationType").text(mapping);
    layer.add("ReferenceInformationType").text(reference);
    return layer;
  }

  // Textures split vertices at their seams; here the points of the surface are one each.
  void put_faces(FbxNode& geometry) {
    PointNumbering points;
    std::vector<std::int32_t> point_of;
    const std::vector<float>& v = mesh_.vertices;
    for (std::size_t i = 0; i < v.size(); i += 3)
      point_of.push_back(points.of({v[i] + 0.0F, v[i + 1] + 0.0F, v[i + 2] + 0.0F}));  // + 0: -0 is the same place
    std::vector<double> positions;
    for (const auto& p : points.keys())
      positions.insert(positions.end(), {kCentimetres * p[0], kCentimetres * p[2], 0.0 - kCentimetres * p[1]});
    std::vector<std::int32_t> corners;
    for (std::size_t i = 0; i < mesh_.faces.size(); ++i) {
      const std::int32_t point = point_of[static_cast<std::size_t>(mesh_.faces[i])];
      corners.push_back(i % 3 == 2 ? -1 - point : point);  // which ends a polygon
    }
    geometry.add("Vertices").numbers(positions);
    geometry.add("PolygonVertexIndex").integers(corners);
  }

  void put_normals(FbxNode& layer) {
    std::vector<double> normals;
    for (const std::int32_t corner : mesh_.faces) {
      const float* n = &mesh_.normals[3 * static_cast<std::size_t>(corner)];
      const double length = std::hypot(double{n[0]}, double{n[1]}, double{n[2]});
      if (length > 0.0)
        normals.insert(normals.end(), {n[0] / length, n[2] / length, 0.0 - n[1] / length});
      else
        normals.insert(normals.end(), {0.0, 1.0, 0.0});
    }
    layer.add("Normals").numbers(normals);
  }

  void put_colours(FbxNode& layer) {
    std::vector<double> colours;
    for (std::size_t i = 0; i < mesh_.colours.size(); i += 3) {
      for (std::size_t k = 0; k < 3; ++k) colours.push_back(std::clamp(mesh_.colours[i + k], 0.0F, 1.0F));
      colours.push_back(1.0);
    }
    layer.add("Colors").numbers(colours);
    layer.add("ColorIndex").integers(mesh_.faces);
  }

  void put_uvs(FbxNode& layer) {
    std::vector<double> uvs;
    for (std::size_t i = 0; i < mesh_.uvs.size(); i += 2) uvs.insert(uvs.end(), {mesh_.uvs[i], 1.0 - mesh_.uvs[i + 1]});
    layer.add("UV").numbers(uvs);
    layer.add("UVIndex").integers(mesh_.faces);
  }

  void put_model(FbxNode& objects) {
    FbxNode& model = objects.add("Model").id(kModel).text(classed(options_.title, "Model")).text("Mesh");
    model.add("Version").integer(232);
    FbxNode& list = model.add("Properties70");
    put_choice(list, "InheritType", 1);
    put_integer(list, "DefaultAttributeIndex", 0);
    put_transform(list, "Lcl Translation", 0.0);
    put_transform(list, "Lcl Rotation", 0.0);
    put_transform(list, "Lcl Scaling", 1.0);
    model.add("Shading").flag(true);
    model.add("Culling").text("CullingOff");
    connect(kModel, 0);
    connect(kGeometry, kModel);
  }

  void put_material(FbxNode& objects, std::size_t index) {
    const Material& m = scene_.materials[index];
    const std::int64_t id = kMaterials + static_cast<std::int64_t>(index);
    FbxNode& material = objects.add("Material").id(id).text(classed(m.name, "Material")).text("");
    material.add("Version").integer(102);
    material.add("ShadingModel").text("phong");
    material.add("MultiLayer").integer(0);
    // Without its texture, which would need coordinates of its own, all of the material would glow.
    const bool emits = m.emits() && (!m.emission_texture.used() || scene_.emission_uvs.empty());
    put_look(material.add("Properties70"), m, emits);
    connect(id, kModel);
  }

  void put_textures(FbxNode& objects) {
    for (std::size_t m = 0; m < scene_.materials.size(); ++m) {
      const Material& material = scene_.materials[m];
      const std::int64_t id = kMaterials + static_cast<std::int64_t>(m);
      if (material.texture.used()) {
        const std::int64_t texture = put_texture(objects, material.texture, material.alpha != AlphaMode::opaque);
        connect(texture, id, "DiffuseColor");
        const bool transparent = scene_.transparent[static_cast<std::size_t>(material.texture.image)];
        if (transparent && material.alpha != AlphaMode::opaque) connect(texture, id, "TransparentColor");
        if (scene_.normal_map >= 0)
          connect(put_texture(objects, {scene_.normal_map, Wrap::clamp, Wrap::clamp}, false), id, "NormalMap");
      }
      if (material.emits() && material.emission_texture.used() && scene_.emission_uvs.empty())
        connect(put_texture(objects, material.emission_texture, false), id, "EmissiveColor");
    }
  }
  std::int64_t put_texture(FbxNode& objects, const TextureUse& use, bool alpha) {
    const auto image = static_cast<std::size_t>(use.image);
    const std::string& name = scene_.images[image].name;
    const std::int64_t id = kTextures + textures_++;
    FbxNode& texture = objects.add("Texture").id(id).text(classed(name, "Texture")).text("");
    texture.add("Type").text("TextureVideoClip");
    texture.add("Version").integer(202);
    texture.add("TextureName").text(classed(name, "Texture"));
    texture.add("Media").text(classed(name, "Video"));
    texture.add("FileName").text(name);
    texture.add("RelativeFilename").text(name);
    texture.add("ModelUVTranslation").number(0).number(0);
    texture.add("ModelUVScaling").number(1).number(1);
    texture.add("Texture_Alpha_Source").text(alpha && scene_.transparent[image] ? "Alpha_Black" : "None");
    texture.add("Cropping").integer(0).integer(0).integer(0).integer(0);
    FbxNode& list = texture.add("Properties70");
    put_text(list, "UVSet", kUvs);
    put_flag(list, "UseMaterial", true);
    constexpr std::int32_t kRepeat = 0, kClamp = 1;
    put_choice(list, "WrapModeU", use.u == Wrap::clamp ? kClamp : kRepeat);
    put_choice(list, "WrapModeV", use.v == Wrap::clamp ? kClamp : kRepeat);
    connect(kImages + static_cast<std::int64_t>(image), id);
    return id;
  }

  void put_images(FbxNode& objects) {
    for (std::size_t i = 0; i < scene_.images.size(); ++i) {
      const NamedFile& image = scene_.images[i];
      const std::int64_t id = kImages + static_cast<std::int64_t>(i);
      FbxNode& video = objects.add("Video").id(id).text(classed(image.name, "Video")).text("Clip");
      video.add("Type").text("Clip");
      value(video.add("Properties70"), "Path", "KString", "XRefUrl").text(image.name);
      video.add("UseMipMap").integer(0);
      video.add("Filename").text(image.name);
      video.add("RelativeFilename").text(image.name);
      video.add("Content").raw(image.bytes);
    }
  }

  // ---- What there is, and what belongs to what

  void put_definitions(FbxNode& definitions) const {
    const std::array<std::pair<const char*, std::int64_t>, 6> counts = {
        {{"GlobalSettings", 1},
         {"Geometry", 1},
         {"Model", 1},
         {"Material", static_cast<std::int64_t>(scene_.materials.size())},
         {"Texture", textures_},
         {"Video", static_cast<std::int64_t>(scene_.images.size())}}};
    std::int64_t all = 0;
    for (const auto& [type, count] : counts) all += count;
    definitions.add("Version").integer(100);
    definitions.add("Count").integer(static_cast<std::int32_t>(all));
    for (const auto& [type, count] : counts) {
      if (count > 0) definitions.add("ObjectType").text(type).add("Count").integer(static_cast<std::int32_t>(count));
    }
  }

  // The second of the two is the one that has the first, as its property if that is named.
  void connect(std::int64_t part, std::int64_t whole, const char* property = nullptr) {
    FbxNode& connection = connections_.add("C").text(property == nullptr ? "OO" : "OP").id(part).id(whole);
    if (property != nullptr) connection.text(property);
  }
  void put_connections() { nodes_.push_back(std::move(connections_)); }

  static constexpr const char* kUvs = "UVMap";
  const MeshScene& scene_;
  const Mesh& mesh_;
  const SceneOptions& options_;
  std::list<FbxNode> nodes_;
  FbxNode connections_{"Connections"};
  std::int64_t textures_ = 0;
};

}  // namespace

std::vector<std::byte> encode_fbx(const Mesh& mesh, std::span<const std::byte> texture, const SceneOptions& options) {
  const MeshScene scene = scene_of(mesh, texture, options, kFormat);
  return Document(scene, options).bytes();
}

std::vector<std::byte> encode_fbx(const Mesh& mesh, const Appearance& look, ImageKind images, const SceneOptions& options) {
  const MeshScene scene = scene_of(mesh, look, images, options, kFormat);
  return Document(scene, options).bytes();
}

}  // namespace espalier
