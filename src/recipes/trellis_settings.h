// What pipeline.json says of the samplers and of the latent's normalisation; every TRELLIS pipeline has the same.
#pragma once

#include <string>
#include <vector>

#include "espalier/espalier.h"
#include "samplers/flow_euler.h"
#include "session/checkpoint.h"

namespace espalier {

struct TrellisSettings {
  SamplerSettings structure, latent;   // defaults of the two samplers
  std::vector<float> mean, deviation;  // per latent channel
};
// Throws format or unsupported naming the file.
[[nodiscard]] TrellisSettings read_trellis_settings(const Checkpoint& checkpoint);

// The settings of both samplers for so many images: what the request says, then its preset, then the checkpoint. `repeats` of
// every step. Throws invalid_argument for what cannot be sampled.
struct Samplers {
  SamplerSettings structure, latent;
};
[[nodiscard]] Samplers samplers_for(const TrellisSettings& settings, const Request& request, int images, int repeats = 1);
// "steps 12, guidance 7.5, ..." for the record of an asset, with the evaluations where velocities are reused.
[[nodiscard]] std::string describe(const SamplerSettings& settings, int conditions);

}  // namespace espalier
