// The one table of stage names.
#include "espalier/stages.h"

#include <array>

#include "base/error.h"

namespace espalier {
namespace {

struct StageNames {
  Stage stage;
  std::string_view id, title, phase;
};

constexpr std::array<StageNames, kStages> kNames{{
    {Stage::encode_image, "encode-image", "encoding the image", "input"},
    {Stage::encode_structure, "encode-structure", "encoding the sparse structure", "input"},
    {Stage::sample_structure, "sample-structure", "sampling the sparse structure", "structure"},
    {Stage::decode_structure, "decode-structure", "decoding the sparse structure", "structure"},
    {Stage::sample_latent, "sample-latent", "sampling the structured latent", "detail"},
    {Stage::decode_gaussians, "decode-gaussians", "decoding the Gaussians", "detail"},
    {Stage::decode_mesh, "decode-mesh", "decoding the mesh", "mesh"},
    {Stage::extract_surface, "extract-surface", "extracting the surface", "mesh"},
    {Stage::decode_radiance_field, "decode-radiance-field", "decoding the radiance field", "detail"},
    {Stage::clean_mesh, "clean-mesh", "cleaning the mesh", "finish"},
    {Stage::unwrap_mesh, "unwrap-mesh", "unwrapping the mesh", "finish"},
    {Stage::bake_texture, "bake-texture", "baking the texture", "finish"},
    {Stage::project_images, "project-images", "projecting the images", "finish"},
    {Stage::write_files, "write-files", "writing the files", "finish"},
    {Stage::render_views, "render-views", "rendering views", "finish"},
    {Stage::render_turntable, "render-turntable", "rendering the turntable", "finish"},
    {Stage::render_contact_sheet, "render-contact-sheet", "rendering the contact sheet", "finish"},
    {Stage::encode_text, "encode-text", "encoding the prompt", "input"},
}};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (static_cast<std::size_t>(kNames[i].stage) != i) return false;
  }
  return true;
}
static_assert(in_order(), "the table is indexed by the enumerators");

const StageNames& names_of(Stage stage) {
  const auto index = static_cast<std::size_t>(stage);
  require(index < kNames.size(), "names_of", "stage ", index);
  return kNames[index];
}

}  // namespace

std::string_view stage_id(Stage stage) { return names_of(stage).id; }
std::string_view stage_title(Stage stage) { return names_of(stage).title; }
std::string_view stage_phase(Stage stage) { return names_of(stage).phase; }

std::optional<Stage> stage_from_id(std::string_view id) {
  for (const StageNames& names : kNames) {
    if (names.id == id) return names.stage;
  }
  return std::nullopt;
}

}  // namespace espalier
