// The stages of a job. Programs exchange ids ("sample-structure"); titles ("sampling the sparse structure") are for people.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "espalier/export.h"

namespace espalier {

enum class Stage : std::uint8_t {
  encode_image,
  encode_structure,
  sample_structure,
  decode_structure,
  sample_latent,
  decode_gaussians,
  decode_mesh,
  extract_surface,
  decode_radiance_field,
  clean_mesh,
  unwrap_mesh,
  bake_texture,
  project_images,
  write_files,
  render_views,
  render_turntable,
  render_contact_sheet,
  encode_text,
};
inline constexpr int kStages = static_cast<int>(Stage::encode_text) + 1;

// "sample-structure"; stable between versions.
[[nodiscard]] ESPALIER_API std::string_view stage_id(Stage stage);
// "sampling the sparse structure"; may change with the wording of the program.
[[nodiscard]] ESPALIER_API std::string_view stage_title(Stage stage);
// What a person follows: "input", "structure", "detail", "mesh" or "finish".
[[nodiscard]] ESPALIER_API std::string_view stage_phase(Stage stage);
// The stage of an id; nothing for an unknown one.
[[nodiscard]] ESPALIER_API std::optional<Stage> stage_from_id(std::string_view id);

}  // namespace espalier
