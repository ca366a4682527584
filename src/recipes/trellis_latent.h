// What every TRELLIS recipe does from a condition on: sampling the structure and the latent, and decoding.
#pragma once

#include <span>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "recipes/recipe.h"
#include "recipes/trellis_settings.h"
#include "session/roles.h"

namespace espalier {

// Checks that flows and decoders are there and fit together and to a condition of these channels. Throws format naming the
// file.
void check_trellis_networks(const Session& session, const TrellisSettings& settings, std::int64_t condition_channels);

// `values` normal numbers, the next of the stream.
[[nodiscard]] std::vector<float> draw_noise(TorchGenerator& stream, std::int64_t values);

// The occupancy grid that a sampled latent of the structure stands for; one without voxels is no error here.
[[nodiscard]] Structure decode_structure(Session& session, std::span<const float> latent);

// The same. Throws invalid_argument where there is no voxel.
[[nodiscard]] Structure occupied_voxels(Structure structure);

struct SampledStructure {
  Voxels voxels;
  std::vector<float> latent;  // that they were decoded of
};
// The occupied voxels that a condition leads to, and on the way what they look like so far. Throws invalid_argument when there
// is none.
[[nodiscard]] SampledStructure sample_structure(Session& session, const Condition& condition, const SamplerSettings& settings,
                                                TorchGenerator& stream, RecipeSink& sink);
// The denormalised latent of the voxels.
[[nodiscard]] std::vector<float> sample_latent(Session& session, const TrellisSettings& trellis, const Voxels& voxels,
                                               const Condition& condition, const SamplerSettings& settings,
                                               TorchGenerator& stream);
// A role of a decoder that the checkpoint may lack: then not_found, saying what cannot be had.
template <class Decoder>
[[nodiscard]] Decoder& decoder_of(Session& session, const char* role, const char* what) {
  if (!session.has(role)) {
    fail(ErrorCode::not_found, session.checkpoint().folder.string(), ": the checkpoint has no decoder for ", what,
         hint("ask for something else"));
  }
  return session.network<Decoder>(role);
}
// What the request asks for.
void decode_latent(Session& session, const Voxels& voxels, const std::vector<float>& latent, const Request& request,
                   RecipeSink& sink);

// Usual times of these stages; `settings` with what the request changes.
[[nodiscard]] std::vector<PlannedStage> plan_sampling(const Session& session, const SamplerSettings& structure,
                                                      const SamplerSettings& latent, const JobSizes& sizes);
[[nodiscard]] std::vector<PlannedStage> plan_decoders(const Session& session, const Request& request, const JobSizes& sizes);

}  // namespace espalier
