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

// The defaults with what a request changes.
[[nodiscard]] SamplerSettings with_request(SamplerSettings defaults, const SamplerRequest& request, MultiImageMode mode);
// "steps 12, guidance 7.5, ..." for the record of an asset.
[[nodiscard]] std::string describe(const SamplerSettings& settings);

}  // namespace espalier
