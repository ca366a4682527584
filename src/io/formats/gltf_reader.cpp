// The triangles of a glTF scene as one mesh: nodes, skins and morph targets in their rest pose, and how it all looks.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "base/printable.h"
#include "image/colour.h"
#include "io/formats/gltf_materials.h"
#include "io/formats/gltf_scene.h"
#include "io/formats/reader_parts.h"

namespace espalier::reader {

namespace {

using Json = GltfJson;
using Accessor = GltfAccessor;

// Modes of primitives; those below are points and lines.
constexpr std::uint64_t kTriangles = 4, kStrip = 5, kFan = 6;

// Places and normals of one primitive before the world's transformation.
struct Shape {
  std::vector<std::array<double, 3>> positions, normals;
};

// The attribute of that name with one value per vertex, if it is there.
std::optional<Accessor> attribute(GltfDocument& document, const Json& attributes, const DracoMesh& packed,
                                  const std::string& name, std::size_t count, std::size_t width) {
  const auto unpacked = packed.attributes.find(name);
  if (unpacked == packed.attributes.end() && GltfDocument::find(attributes, name.c_str()) == nullptr) return std::nullopt;
  const Accessor a =
      unpacked != packed.attributes.end() ? unpacked->second : document.accessor(document.natural(attributes, name.c_str(), 0));
  if (a.count != count || a.width < width) document.source().damaged(name, " does not fit the vertices");
  return a;
}

// The same for one that the shape does without: nothing, and a notice, where it does not fit or is not finite.
std::optional<Accessor> spare_attribute(GltfDocument& document, const Json& attributes, const DracoMesh& packed,
                                        const std::string& name, std::size_t count, std::size_t width) {
  const Source& source = document.source();
  const auto unpacked = packed.attributes.find(name);
  const bool there = unpacked != packed.attributes.end() || GltfDocument::find(attributes, name.c_str()) != nullptr;
  if (!there) return std::nullopt;
  const Accessor a =
      unpacked != packed.attributes.end() ? unpacked->second : document.accessor(document.natural(attributes, name.c_str(), 0));
  const char* reason = a.count != count || a.width < width ? "it does not fit the vertices" : nullptr;
  for (std::size_t i = 0; reason == nullptr && i < count; ++i) {
    source.tick();
    for (std::size_t k = 0; k < a.width; ++k) reason = std::isfinite(a.at(i, k)) ? reason : "some of its values are not finite";
  }
  if (reason == nullptr) return a;
  source.left_out(name, " is left out: ", reason);
  return std::nullopt;
}

// What the faces look like: materials, colours and texture coordinates, primitive by primitive.
class Looks {
 public:
  Looks(const Source& source, GltfDocument& document) : source_(source), document_(document), materials_(document) {}

  [[nodiscard]] std::int32_t material_of(const Json& primitive) { return materials_.of(primitive); }
  void set_faces(std::size_t faces, std::int32_t material) { of_face_.resize(faces, material); }

  // Colours and texture coordinates of `count` vertices, which the mesh gets behind those that it has.
  void add(const Json& attributes, const DracoMesh& packed, std::size_t count, std::int32_t material, Mesh& mesh) {
    const std::size_t begin = parts_.empty() ? 0 : parts_.back().end;
    parts_.push_back({begin, begin + count, material});
    const GltfMaterial& look = materials_.at(material);
    const auto colours = spare_attribute(document_, attributes, packed, "COLOR_0", count, 3);
    any_colours_ = any_colours_ || colours.has_value();
    for (std::size_t i = 0; i < count; ++i) {
      source_.tick();
      for (std::size_t k = 0; k < 3; ++k)
        mesh.colours.push_back(colours ? static_cast<float>(std::clamp(colours->at(i, k), 0.0, 1.0)) : 1.0F);
      alpha_.push_back(colours && colours->width > 3 ? static_cast<float>(std::clamp(colours->at(i, 3), 0.0, 1.0)) : 1.0F);
    }
    const bool emission_apart =
        look.material.emission_texture.used() && look.material.texture.used() && look.emission != look.base;
    // Where only light comes from a texture, its coordinates are the mesh's.
    const GltfCoordinates& base =
        look.material.emission_texture.used() && !look.material.texture.used() ? look.emission : look.base;
    any_uvs_ = add_uvs(attributes, packed, count, base, mesh.uvs) || any_uvs_;
    if (!emission_apart && emission_uvs_.empty()) return;
    source_.take_memory(count, 2 * sizeof(float));
    if (emission_uvs_.empty()) emission_uvs_.assign(mesh.uvs.begin(), mesh.uvs.end() - static_cast<std::ptrdiff_t>(2 * count));
    add_uvs(attributes, packed, count, look.material.emission_texture.used() ? look.emission : look.base, emission_uvs_);
  }

  // Without textures the factors go into the colours of vertices; with them both stay apart, because they multiply.
  void finish(MeshFile& file) {
    Mesh& mesh = file.mesh;
    if (!any_uvs_) mesh.uvs.clear();
    Appearance look{materials_.materials(),   std::move(of_face_),    materials_.take_images(), {},
                    std::move(emission_uvs_), materials_.take_files()};
    if (!any_uvs_) {
      for (Material& m : look.materials) {
        if (m.texture.used() || m.emission_texture.used())
          source_.left_out("a texture is left out: the mesh has no coordinates of it");
        m.texture.image = m.emission_texture.image = -1;
      }
    }
    bool images = false, special = false;
    for (const Material& m : look.materials) {
      images = images || m.texture.used() || m.emission_texture.used();
      special = special || m.emits() || m.alpha != AlphaMode::opaque || m.unlit;
    }
    // Clay is what no material gives a colour, be it a gray one.
    const bool stated = materials_.coloured() || special || look.materials.size() > 1;
    const bool coloured = any_colours_ || (!images && stated);
    if (!images && coloured) bake_factors(look, mesh);
    if (coloured) {
      for (float& c : mesh.colours) c = srgb_of_linear(std::clamp(c, 0.0F, 1.0F));
    } else {
      mesh.colours.clear();
    }
    if (std::any_of(alpha_.begin(), alpha_.end(), [](float a) { return a < 1.0F; })) look.alpha = std::move(alpha_);
    const bool one_sided =
        std::any_of(look.materials.begin(), look.materials.end(), [](const Material& m) { return !m.double_sided; });
    if (source_.options.texture && (images || (coloured && (special || one_sided)))) file.appearance = std::move(look);
  }

 private:
  // Vertices of one primitive, which all have one material.
  struct Part {
    std::size_t begin, end;
    std::int32_t material;
  };

  bool add_uvs(const Json& attributes, const DracoMesh& packed, std::size_t count, const GltfCoordinates& coordinates,
               std::vector<float>& to) {
    const auto uvs = spare_attribute(document_, attributes, packed, str("TEXCOORD_", coordinates.set), count, 2);
    for (std::size_t i = 0; i < count; ++i) {
      const auto uv = uvs ? coordinates(uvs->at(i, 0), uvs->at(i, 1)) : std::array{0.0F, 0.0F};
      to.insert(to.end(), uv.begin(), uv.end());
    }
    return uvs.has_value();
  }

  void bake_factors(Appearance& look, Mesh& mesh) const {
    for (const Part& part : parts_) {
      const auto& factor = look.materials[static_cast<std::size_t>(part.material)].factor;
      for (std::size_t i = 3 * part.begin; i < 3 * part.end; ++i) mesh.colours[i] *= factor[i % 3];
    }
    for (Material& m : look.materials) m.factor[0] = m.factor[1] = m.factor[2] = 1.0F;
  }

  const Source& source_;
  GltfDocument& document_;
  GltfMaterials materials_;
  bool any_uvs_ = false, any_colours_ = false;
  std::vector<Part> parts_;
  std::vector<std::int32_t> of_face_;
  std::vector<float> alpha_, emission_uvs_;
};

class Assembler {
 public:
  explicit Assembler(const Source& source) : source_(source), document_(source), scene_(document_), looks_(source, document_) {
    file_.format = document_.binary() ? "GLB" : "glTF";
  }

  MeshFile assemble() {
    scene_.walk([&](const Json& node, std::uint64_t mesh, const GltfMatrix& to_world) { add_mesh(mesh, node, to_world); });
    mention_rest();
    Mesh& mesh = file_.mesh;
    if (!all_normals_) mesh.normals.clear();
    looks_.finish(file_);
    return std::move(file_);
  }

 private:
  void mention_rest() const {
    if (skipped_parts_ > 0) source_.left_out(skipped_parts_, " parts of points or lines are left out");
    if (splats_ > 0) source_.left_out(splats_, " parts of Gaussians are left out: this reads the meshes");
    if (document_.count("animations") > 0) source_.left_out("animations are left out: the mesh is as it rests");
    const Json* used = GltfDocument::find(document_.json(), "extensionsUsed");
    if (used == nullptr || !used->is_array()) return;
    for (const Json& extension : *used) {
      const std::string name = extension.is_string() ? extension.get<std::string>() : "?";
      if (!GltfDocument::follows(name)) source_.left_out("the extension ", printable(name), " is not followed");
    }
  }

  void add_mesh(std::uint64_t index, const Json& node, const GltfMatrix& to_world) {
    const Json& mesh = document_.item("meshes", index);
    const Json* primitives = GltfDocument::find(mesh, "primitives");
    if (primitives == nullptr || !primitives->is_array()) source_.damaged("mesh ", index, " has no primitives");
    source_.visit();
    const Json* weights = GltfDocument::find(node, "weights");
    if (weights == nullptr) weights = GltfDocument::find(mesh, "weights");
    const bool skinned = GltfDocument::find(node, "skin") != nullptr;
    const std::optional<std::vector<GltfMatrix>> joints =
        skinned ? std::optional(scene_.joints(document_.natural(node, "skin", 0))) : std::nullopt;
    for (const Json& primitive : *primitives) add_primitive(primitive, weights, joints ? &*joints : nullptr, to_world);
  }

  void add_primitive(const Json& primitive, const Json* weights, const std::vector<GltfMatrix>* joints,
                     const GltfMatrix& to_world) {
    source_.visit();
    const std::uint64_t mode = document_.natural(primitive, "mode", kTriangles);
    if (mode < kTriangles) {
      ++(GltfDocument::extension(primitive, "KHR_gaussian_splatting") != nullptr ? splats_ : skipped_parts_);
      return;
    }
    if (mode > kFan) source_.damaged("a primitive has the mode ", mode);
    const Json* attributes = GltfDocument::find(primitive, "attributes");
    if (attributes == nullptr || GltfDocument::find(*attributes, "POSITION") == nullptr)
      source_.damaged("a primitive has no positions");
    const Json* draco = GltfDocument::extension(primitive, "KHR_draco_mesh_compression");
    const DracoMesh& packed = draco != nullptr ? unpacked(primitive, *draco) : nothing_packed_;
    const auto in_draco = packed.attributes.find("POSITION");
    const Accessor positions = in_draco != packed.attributes.end()
                                   ? in_draco->second
                                   : document_.accessor(document_.natural(*attributes, "POSITION", 0));
    if (positions.width != 3) source_.damaged("positions do not have three coordinates");
    const std::size_t base = file_.mesh.vertices.size() / 3, count = positions.count;
    source_.check_counts(std::uint64_t{base} + count, 0);
    source_.take_memory(count, 12 * sizeof(float));  // position, normal, colour with alpha, texture coordinate
    const std::int32_t material = looks_.material_of(primitive);
    Shape shape = shape_of(positions, *attributes, packed, count);
    if (weights != nullptr) morph(primitive, *weights, shape);
    const bool mirrored = place(shape, *attributes, packed, joints, to_world);
    looks_.add(*attributes, packed, count, material, file_.mesh);
    add_faces(primitive, packed, mode, base, count, mirrored);
    looks_.set_faces(file_.mesh.faces.size() / 3, material);
  }

  const DracoMesh& unpacked(const Json& primitive, const Json& draco) {
    // A mesh that several nodes show is unpacked once.
    const auto known = draco_.find(&primitive);
    return known != draco_.end() ? known->second
                                 : draco_.emplace(&primitive, read_draco(document_, draco, primitive)).first->second;
  }

  Shape shape_of(const Accessor& positions, const Json& attributes, const DracoMesh& packed, std::size_t count) {
    const auto normals = spare_attribute(document_, attributes, packed, "NORMAL", count, 3);
    all_normals_ = all_normals_ && normals.has_value();
    source_.take_memory(count, (normals ? 6 : 3) * sizeof(double) / 2);  // given back behind each primitive
    Shape shape;
    shape.positions.resize(count);
    if (normals) shape.normals.resize(count);
    for (std::size_t i = 0; i < count; ++i) {
      source_.tick();
      for (std::size_t k = 0; k < 3; ++k) shape.positions[i][k] = positions.at(i, k);
      for (std::size_t k = 0; normals && k < 3; ++k) shape.normals[i][k] = normals->at(i, k);
    }
    return shape;
  }

  void morph(const Json& primitive, const Json& weights, Shape& shape) {
    const Json* targets = GltfDocument::find(primitive, "targets");
    if (targets == nullptr || !targets->is_array() || !weights.is_array()) return;
    for (std::size_t t = 0; t < targets->size() && t < weights.size(); ++t) {
      source_.visit();
      const double weight = document_.number(weights[t]);
      if (weight == 0.0) continue;
      // A target is as much work as the vertices that it moves, and takes next to no bytes where it moves them by zero.
      constexpr std::size_t kVerticesOfAVisit = 1000;
      source_.visit(shape.positions.size() / kVerticesOfAVisit);
      const auto move = [&](const char* name, std::vector<std::array<double, 3>>& values) {
        const auto by = attribute(document_, (*targets)[t], nothing_packed_, name, shape.positions.size(), 3);
        for (std::size_t i = 0; by && i < values.size(); ++i) {
          source_.tick();
          for (std::size_t k = 0; k < 3; ++k) values[i][k] += weight * by->at(i, k);
        }
      };
      move("POSITION", shape.positions);
      move("NORMAL", shape.normals);
      if (!(*targets)[t].is_object()) continue;
      for (const auto& [name, values] : (*targets)[t].items()) {
        if (name.starts_with("TEXCOORD_") || name.starts_with("COLOR_"))
          source_.left_out("changes of texture coordinates and colours in morph targets are left out");
      }
    }
  }

  // Into the world, turned to Z up. True where the surface is mirrored.
  bool place(const Shape& shape, const Json& attributes, const DracoMesh& packed, const std::vector<GltfMatrix>* joints,
             const GltfMatrix& to_world) {
    const std::size_t count = shape.positions.size();
    std::vector<std::pair<Accessor, Accessor>> sets;  // joints and their weights
    for (int s = 0; joints != nullptr && s < 4; ++s) {
      const auto which = attribute(document_, attributes, packed, str("JOINTS_", s), count, 4);
      const auto share = attribute(document_, attributes, packed, str("WEIGHTS_", s), count, 4);
      if (!which || !share) break;
      sets.emplace_back(*which, *share);
    }
    if (joints != nullptr && sets.empty()) source_.left_out("a skin is left out: its mesh has no joints and weights");
    bool mirrored = determinant(to_world) < 0.0;
    Mesh& mesh = file_.mesh;
    GltfMatrix cofactors = cofactors_of(to_world);
    for (std::size_t i = 0; i < count; ++i) {
      source_.tick();
      GltfMatrix m = to_world;
      if (!sets.empty()) {
        m = blended(sets, *joints, i, to_world);
        cofactors = cofactors_of(m);
        if (i == 0) mirrored = determinant(m) < 0.0;
      }
      put_turned(transformed(m, shape.positions[i], 1.0), mesh.vertices);
      if (!all_normals_) continue;
      auto n = transformed(cofactors, shape.normals[i], 0.0);
      const double length = std::hypot(n[0], n[1], n[2]) * (mirrored ? -1.0 : 1.0);
      for (double& x : n) x = length != 0.0 ? x / length : 0.0;
      put_turned(n, mesh.normals);
    }
    return mirrored;
  }

  GltfMatrix blended(const std::vector<std::pair<Accessor, Accessor>>& sets, const std::vector<GltfMatrix>& joints,
                     std::size_t vertex, const GltfMatrix& otherwise) const {
    GltfMatrix m{};
    double sum = 0.0;
    for (const auto& [which, share] : sets) {
      for (std::size_t k = 0; k < 4; ++k) {
        const double weight = share.at(vertex, k);
        if (weight == 0.0) continue;
        const std::uint64_t joint = which.index(vertex, k);
        if (!which.natural() || joint >= joints.size())
          source_.damaged("a vertex hangs on joint ", joint, " of ", joints.size());
        for (std::size_t e = 0; e < 16; ++e) m[e] += weight * joints[static_cast<std::size_t>(joint)][e];
        sum += weight;
      }
    }
    if (!(sum > 0.0)) return otherwise;
    for (double& x : m) x /= sum;
    return m;
  }

  // Y up to Z up.
  static void put_turned(const std::array<double, 3>& p, std::vector<float>& to) {
    to.insert(to.end(), {static_cast<float>(p[0]), static_cast<float>(-p[2]), static_cast<float>(p[1])});
  }

  void add_faces(const Json& primitive, const DracoMesh& packed, std::uint64_t mode, std::size_t base, std::size_t count,
                 bool mirrored) {
    std::optional<Accessor> indices = packed.indices;
    if (!indices && GltfDocument::find(primitive, "indices") != nullptr)
      indices = document_.accessor(document_.natural(primitive, "indices", 0));
    if (indices && (indices->width != 1 || !indices->natural())) source_.damaged("indices are not natural numbers");
    if (packed.indices) mode = kTriangles;
    const std::size_t corners = indices ? indices->count : count;
    const std::size_t faces = mode == kTriangles ? corners / 3 : (corners < 3 ? 0 : corners - 2);
    source_.check_counts(0, std::uint64_t{file_.mesh.faces.size() / 3} + faces);
    source_.take_memory(faces, 4 * sizeof(std::int32_t));
    const auto vertex = [&](std::size_t corner) {
      const std::uint64_t index = indices ? indices->index(corner) : corner;
      if (index >= count) source_.damaged("a face names vertex ", index, " of ", count);
      return static_cast<std::int32_t>(base + index);
    };
    for (std::size_t f = 0; f < faces; ++f) {
      source_.tick();
      std::array<std::size_t, 3> corner = {f * 3, f * 3 + 1, f * 3 + 2};
      if (mode == kStrip) corner = {f, f + 1 + f % 2, f + 2 - f % 2};
      if (mode == kFan) corner = {f + 1, f + 2, 0};
      if (mirrored) std::swap(corner[1], corner[2]);
      for (const std::size_t c : corner) file_.mesh.faces.push_back(vertex(c));
    }
  }

  const Source& source_;
  GltfDocument document_;
  GltfScene scene_;
  Looks looks_;
  MeshFile file_;
  bool all_normals_ = true;
  std::map<const Json*, DracoMesh> draco_;
  const DracoMesh nothing_packed_{};
  std::uint64_t skipped_parts_ = 0, splats_ = 0;
};

}  // namespace

MeshFile read_gltf(const Source& source) { return Assembler(source).assemble(); }

}  // namespace espalier::reader
