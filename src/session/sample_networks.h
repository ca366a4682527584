// Configurations of networks that no checkpoint describes: what benchmarks run with synthetic weights.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

namespace espalier {

enum class SampleSize : std::uint8_t {
  large,  // those of image-large
  small,  // only to show that everything runs
};

// Arguments of a class as the JSON of a module has them. Networks of one size fit together.
[[nodiscard]] nlohmann::json sample_image_encoder(SampleSize size);
[[nodiscard]] nlohmann::json sample_structure_flow(SampleSize size);
[[nodiscard]] nlohmann::json sample_structure_decoder(SampleSize size);
[[nodiscard]] nlohmann::json sample_latent_flow(SampleSize size);
[[nodiscard]] nlohmann::json sample_gaussian_decoder(SampleSize size);
[[nodiscard]] nlohmann::json sample_mesh_decoder(SampleSize size);

}  // namespace espalier
