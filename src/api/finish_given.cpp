#include "api/finish_given.h"

#include <algorithm>
#include <utility>

#include "io/formats/appearance_files.h"

namespace espalier {
namespace {

// One material for all faces; of a mesh without colours a light gray, as it is written and drawn.
Appearance plain_look(const Mesh& mesh) {
  constexpr float kLightGray = 0.8F;
  Appearance look;
  Material material;
  if (mesh.colours.empty()) material.factor = {kLightGray, kLightGray, kLightGray, 1.0F};
  look.materials.push_back(std::move(material));
  look.of_face.assign(mesh.faces.size() / 3, 0);
  return look;
}

bool has_colours(const Mesh& mesh, const Appearance& look) {
  const auto shows = [&](const Material& m) {
    const auto& f = m.factor;
    return m.texture.used() || m.emits() || f[0] != f[1] || f[1] != f[2] || f != look.materials.front().factor;
  };
  return !mesh.colours.empty() || std::any_of(look.materials.begin(), look.materials.end(), shows);
}

}  // namespace

Appearance textured_look(const Mesh& mesh, const Image& texture) {
  Appearance look = plain_look(mesh);
  look.materials.front().factor = {1, 1, 1, 1};
  look.materials.front().vertex_colours = false;
  look.materials.front().texture = {0, Wrap::clamp, Wrap::clamp};
  look.images.push_back(texture);
  return look;
}

bool is_given_mesh(const Asset::Data& data) {
  return data.record.contains("source") && data.mesh && !data.gaussians && data.latent.empty();
}

GivenMesh::GivenMesh(const Asset::Data& data) {
  given_.mesh = &*data.mesh;
  if (data.appearance) {
    given_.look = &*data.appearance;
  } else {
    own_ = data.finished && data.finished->texture.width > 0 ? textured_look(data.finished->mesh, data.finished->texture)
                                                             : plain_look(*data.mesh);
    given_.look = &own_;
  }
  if (has_colours(*given_.mesh, *given_.look)) {
    shape_ = with_vertex_colours(*given_.mesh, *given_.look);
  } else {
    shape_.vertices = given_.mesh->vertices;
    shape_.faces = given_.mesh->faces;
  }
  shape_.normals.clear();
}

FinishRequest GivenMesh::fitting(const FinishRequest& request) const {
  FinishRequest out = request;
  if (!has_colours(*given_.mesh, *given_.look) && !request.maps.any()) out.texture = false;
  return out;
}

void take_finished(FinishedMesh finished, AssetBuilder& asset) {
  if (!finished.coat.special()) return asset.finished(std::move(finished));
  if (finished.maps.any())
    asset.notice("the maps are left out: they go with meshes that are opaque and emit no light, which this one is not");
  Appearance look;
  Material material;
  material.name = "material";
  material.texture = {0, Wrap::clamp, Wrap::clamp};
  material.alpha = finished.coat.alpha;
  material.double_sided = finished.coat.double_sided;
  material.unlit = finished.coat.unlit;
  material.vertex_colours = false;
  look.images.push_back(std::move(finished.texture));
  if (finished.coat.emission_strength > 0.0F) {
    const float strength = finished.coat.emission_strength;
    material.emission = {strength, strength, strength};
    material.emission_texture = {1, Wrap::clamp, Wrap::clamp};
    look.images.push_back(std::move(finished.coat.emission));
  }
  look.of_face.assign(finished.mesh.faces.size() / 3, 0);
  look.materials.push_back(std::move(material));
  asset.mesh(std::move(finished.mesh));
  asset.appearance(std::move(look));
}

}  // namespace espalier
