// What the stages of a TRELLIS job would take, measured by walking through them without weights and without running anything.
#pragma once

#include <string>
#include <vector>

#include "recipes/trellis_settings.h"
#include "session/session.h"

namespace espalier {

struct MeasuredJob {
  int images = 1;       // of one object
  int assets = 1;       // that are sampled together
  bool sampled = true;  // false: a latent is given, and only decoders run
  Samplers samplers{};  // that it is sampled with
  Voxels voxels{};      // that sampling is expected to find, or those of the latent
  bool mesh = true, gaussians = true, radiance_field = false;
  SurfaceRule surface = SurfaceRule::solid;
};

struct MeasuredStage {
  Stage stage = Stage::encode_image;
  std::string role;      // of the network that runs
  std::size_t work = 0;  // bytes beside its weights; of a mesh without what the surface itself takes, which its shape decides
};

// In their order. `session` only measures (SessionOptions::only_measure). Throws not_found for a decoder that the checkpoint
// does not have.
[[nodiscard]] std::vector<MeasuredStage> measure_stages(Session& session, const MeasuredJob& job);

}  // namespace espalier
