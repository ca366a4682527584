// What stages usually cost, for progress alone: from figures of docs/performance.md, scaled by sizes.
#pragma once

#include <vector>

#include "pipeline/checkpoint.h"
#include "pipeline/engine.h"
#include "pipeline/job_clock.h"

namespace espalier {

// Encoding and both samplings.
[[nodiscard]] std::vector<PlannedStage> sampling_costs(const Checkpoint& checkpoint, const EngineOptions& device,
                                                       const SamplerSettings& structure, const SamplerSettings& latent,
                                                       int pictures);
// Decoding what the request asks for.
[[nodiscard]] std::vector<PlannedStage> decoding_costs(const Checkpoint& checkpoint, const EngineOptions& device,
                                                       const Request& request);
[[nodiscard]] std::vector<PlannedStage> finishing_costs(const EngineOptions& device, const FinishRequest& request);

}  // namespace espalier
