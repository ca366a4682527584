// What stages usually cost, for progress alone: from figures of docs/performance.md, scaled by sizes.
#pragma once

#include <vector>

#include "api/job_clock.h"
#include "session/checkpoint.h"
#include "session/engine.h"

namespace espalier {

// What the costs grow with. Before something exists, what it usually is.
struct JobSizes {
  double voxels = 12000;
  double faces = 0;      // decoded; 0: by the voxels
  double gaussians = 0;  // 0: by the voxels
  int pictures = 1;
};

// Encoding and both samplings.
[[nodiscard]] std::vector<PlannedStage> sampling_costs(const Checkpoint& checkpoint, const EngineOptions& device,
                                                       const SamplerSettings& structure, const SamplerSettings& latent,
                                                       const JobSizes& sizes);
// Decoding what the request asks for.
[[nodiscard]] std::vector<PlannedStage> decoding_costs(const Checkpoint& checkpoint, const EngineOptions& device,
                                                       const Request& request, const JobSizes& sizes);
[[nodiscard]] std::vector<PlannedStage> finishing_costs(const EngineOptions& device, const FinishRequest& request,
                                                        const JobSizes& sizes);

}  // namespace espalier
