// TrellisTextTo3DPipeline: a prompt to an asset (Xiang et al. 2024).
#pragma once

#include <memory>

#include "recipes/recipe.h"

namespace espalier {

[[nodiscard]] std::unique_ptr<Recipe> open_trellis_text(const Session& session);

}  // namespace espalier
