// A pipeline over networks and recipes of one's own, for tests and tools.
#pragma once

#include <memory>

#include "espalier/espalier.h"
#include "recipes/recipe.h"
#include "runtime/device_choice.h"
#include "session/checkpoint.h"
#include "session/registry.h"

namespace espalier {

// As Pipeline's constructor, on a checkpoint that is open already; `registry` and `recipes` must outlive the pipeline.
[[nodiscard]] Pipeline open_pipeline(const PipelineOptions& options, std::shared_ptr<const Checkpoint> checkpoint,
                                     const Registry& registry, const RecipeBook& recipes);

// What automatic is on a device: half on a GPU, full on the CPU; any other precision is itself.
[[nodiscard]] Precision precision_on(Precision precision, const DeviceChoice& device);

}  // namespace espalier
