// TrellisImageTo3DPipeline: images of one object to an asset (Xiang et al. 2024).
#pragma once

#include <memory>

#include "recipes/recipe.h"

namespace espalier {

[[nodiscard]] std::unique_ptr<Recipe> open_trellis_image(const Session& session);

}  // namespace espalier
