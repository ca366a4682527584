// Finishing meshes of other programs: their look is baked to the new texture.
#pragma once

#include "api/asset.h"
#include "espalier/options.h"
#include "runtime/device_choice.h"

namespace espalier {

// The look of a mesh that one texture, which ends at its edges, says all of.
[[nodiscard]] Appearance textured_look(const Mesh& mesh, const Image& texture);

// Of load_mesh, with nothing decoded beside it.
[[nodiscard]] bool is_given_mesh(const Asset::Data& data);

// A mesh of another program on its way through finishing. The asset's data must outlive it.
class GivenMesh {
 public:
  explicit GivenMesh(const Asset::Data& data);
  GivenMesh(const GivenMesh&) = delete;
  GivenMesh& operator=(const GivenMesh&) = delete;
  ~GivenMesh() = default;
  // Its shape and, as colours of vertices, its look; without texture coordinates and normals.
  [[nodiscard]] const Mesh& shape() const { return shape_; }
  [[nodiscard]] const GivenLook& look() const { return given_; }
  // `request` without what the mesh has nothing for: a texture of a mesh without any colour, unless maps go with it.
  [[nodiscard]] FinishRequest fitting(const FinishRequest& request) const;

 private:
  Mesh shape_;
  Appearance own_;  // where the asset has none
  GivenLook given_;
};

// Puts what finishing made of a given mesh into the asset: as a finished mesh, or, where it is transparent or emits light, as
// a mesh with a material of its own, which every writer knows.
void take_finished(FinishedMesh finished, AssetBuilder& asset);

}  // namespace espalier
