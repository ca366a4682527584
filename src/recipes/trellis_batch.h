// Sampling several assets of a TRELLIS checkpoint together, each from its own noise and condition.
#pragma once

#include <span>

#include "recipes/recipe.h"
#include "recipes/trellis_settings.h"

namespace espalier {

// Voxels and latents of all members that stay, whose settings these are. A member that fails, for want of voxels or of memory
// for it alone, has its failure; others go on. Where memory does not hold all of them, halves are sampled one after the other.
void sample_members(Session& session, const TrellisSettings& trellis, const Samplers& samplers,
                    std::span<BatchMember* const> members);

}  // namespace espalier
