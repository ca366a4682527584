// Finishing: from decoded surface and Gaussians to a clean textured mesh, on one device, without networks.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "assets/appearance.h"
#include "assets/gaussians.h"
#include "assets/mesh.h"
#include "assets/radiance_field.h"
#include "bake/project.h"
#include "espalier/espalier.h"
#include "finishing/kept.h"
#include "geometry/mesh/mesh_report.h"
#include "image/image.h"
#include "runtime/device_choice.h"
#include "session/stage_runner.h"

namespace espalier {

// Images beside the texture, for the same coordinates: RGB; empty where there is none.
struct FinishedMaps {
  Image normal{};     // in the tangent space of tangents_of(mesh), see normal_map()
  Image occlusion{};  // equal channels
  [[nodiscard]] bool any() const { return normal.width > 0 || occlusion.width > 0; }
};

// What a mesh of another program had beyond its colours.
struct FinishedCoat {
  AlphaMode alpha = AlphaMode::opaque;  // else the texture is RGBA; a mask has the cutoff 0.5
  Image emission{};                     // RGB, of the size of the texture; empty: none
  float emission_strength = 0.0F;       // what its colours are multiplied with, in linear light
  bool double_sided = true, unlit = false;
  // What is more than a texture.
  [[nodiscard]] bool special() const { return alpha != AlphaMode::opaque || emission_strength > 0.0F; }
};

struct FinishedMesh {
  Mesh mesh;      // with uvs and normals when there is a texture
  Image texture;  // RGB; empty without one
  FinishReport report;
  std::vector<std::string> notices;
  ImageFile texture_file{};  // that the texture came as, of a mesh from a file; null where it was baked
  FinishedMaps maps{};
  FinishedCoat coat{};
};

// A mesh of another program as it came, whose look the finished mesh gets.
struct GivenLook {
  const Mesh* mesh = nullptr;
  const Appearance* look = nullptr;
};

// What is finished. Gaussians and radiance field may be null where nothing is baked from them.
struct FinishInput {
  const Mesh* mesh = nullptr;
  SurfaceRule surface = SurfaceRule::reference;  // a solid has no interior faces to search for
  const Gaussians* gaussians = nullptr;
  const RadianceField* radiance_field = nullptr;
  std::span<const Image> images{};   // foregrounds of the object, square and RGBA
  const KeptMesh* kept = nullptr;    // the mesh is neither cleaned nor simplified, and only gets a texture
  const GivenLook* given = nullptr;  // what is baked comes from here; `mesh` is its shape, without texture coordinates
};

// Runs the stages above. `stages` receives what each cost. Throws invalid_argument where the input lacks what is asked for or
// no face is left, cancelled, out_of_memory.
[[nodiscard]] FinishedMesh finish_mesh(const DeviceChoice& device, const FinishInput& input, const FinishRequest& request,
                                       const StageHooks& hooks, std::vector<StageReport>& stages);

[[nodiscard]] MeshSummary summary_of(const MeshReport& report);
// The same with what quality_of finds. Throws cancelled.
[[nodiscard]] MeshSummary searched_summary_of(const MeshReport& report, const Mesh& mesh, const Monitor* monitor = nullptr);
inline constexpr int kHiddenRays = 128;  // to each side of a face, at most
// What the user should know of a finished mesh; empty when there is nothing.
[[nodiscard]] std::string hidden_notice(const MeshSummary& mesh);

// What FinishRequest::watertight asks for, and what is to be said of it.
void make_printable(const FinishRequest& request, Mesh& mesh, std::vector<std::string>& notices, const Monitor* monitor);

// What a report says of a projected image; texels: those inside charts.
[[nodiscard]] ImageMatch match_of(const ProjectedImage& image, std::int64_t texels);
// The notice of an image that was left out, the `number`-th of `count`.
[[nodiscard]] std::string unused_image(const ProjectedImage& image, std::size_t number, std::size_t count);

}  // namespace espalier
