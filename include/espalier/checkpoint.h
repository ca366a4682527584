// Espalier: what a checkpoint says of itself, read from its configurations and headers. May throw espalier::Error.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "espalier/espalier.h"

namespace espalier {

struct CheckpointDescription {
  std::string pipeline;  // TrellisImageTo3DPipeline
  // espalier.description of pipeline.json: what kind of model it is, where that has to be said ("a demo model of ..."); empty
  // for most.
  std::string text;
  // espalier.full_model: the name that `espalier pull` takes for the model that it stands in for; empty for most.
  std::string full_model;
  bool takes_text = false;         // it makes assets from prompts, not from images
  std::uint64_t weight_bytes = 0;  // of the files of its networks and its image or text encoder
  // The first-stage and second-stage defaults, as (steps, guidance).
  std::pair<int, double> structure_defaults, latent_defaults;
};
// Of the options, checkpoint, encoders and repositories matter. Throws not_found, format or unsupported, naming the file.
[[nodiscard]] ESPALIER_API CheckpointDescription describe_checkpoint(const PipelineOptions& options);

// What the options' device has to have free, in bytes, weights and work together: `least` with the weights of one network at a
// time (the low tier), `all` with all of them (the high tier). For a detailed object; nothing is loaded. Checks every tensor
// against its network.
struct MemoryNeed {
  std::uint64_t least = 0, all = 0;
};
[[nodiscard]] ESPALIER_API MemoryNeed memory_need(const PipelineOptions& options);

}  // namespace espalier
