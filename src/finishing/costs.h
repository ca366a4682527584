// What the stages of finishing usually take, for progress alone: from figures of docs/performance.md, scaled by sizes.
#pragma once

#include <vector>

#include "espalier/espalier.h"
#include "runtime/device_choice.h"
#include "session/job_clock.h"

namespace espalier {

// `surface`: of the mesh; a solid is not searched for interior faces.
[[nodiscard]] std::vector<PlannedStage> finishing_costs(const DeviceChoice& device, const FinishRequest& request,
                                                        const JobSizes& sizes, SurfaceRule surface);

}  // namespace espalier
