#include "pipeline/job_costs.h"

#include <algorithm>

#include "parallel/parallel_for.h"
#include "pipeline/finish.h"

namespace espalier {
namespace {

// Bytes of weights times tokens per second: image-large's first flow (1.11 GB, 4096 tokens) takes 11 ms on an H100 in half
// precision, and 26 s on two cores in full.
constexpr double kCardRate = 4e14;
constexpr double kCoreRate = 8.5e10;
constexpr double kStructureTokens = 4096, kLatentTokens = 3000, kPictureTokens = 1374, kVoxels = 12000;

double rate_of(const EngineOptions& device) { return device.cuda ? kCardRate : kCoreRate * worker_count(); }

double seconds_for(const Checkpoint& checkpoint, const char* role, double tokens, const EngineOptions& device) {
  const auto found = checkpoint.modules.find(role);
  if (found == checkpoint.modules.end()) return 0.0;
  double bytes = 0.0;
  for (const auto& [name, entry] : found->second.tensors->entries()) bytes += static_cast<double>(entry.bytes);
  return bytes * tokens / rate_of(device);
}

double evaluations(const SamplerSettings& s, int pictures) {
  double n = 0;
  const auto times = flow_times(s.steps, s.rescale_t);
  for (int i = 0; i < s.steps; ++i)
    n += static_cast<double>(branches_of_step(s, i, times[static_cast<std::size_t>(i)], pictures).size());
  return n;
}

}  // namespace

std::vector<PlannedStage> sampling_costs(const Checkpoint& checkpoint, const EngineOptions& device,
                                         const SamplerSettings& structure, const SamplerSettings& latent, int pictures) {
  return {{"encoding the picture", pictures * seconds_for(checkpoint, kImageEncoder, kPictureTokens, device)},
          {"sampling the sparse structure",
           evaluations(structure, pictures) * seconds_for(checkpoint, "sparse_structure_flow_model", kStructureTokens, device)},
          // A convolution's weights act on every voxel of a volume, most of them on the coarser ones.
          {"decoding the sparse structure", seconds_for(checkpoint, "sparse_structure_decoder", 8 * kStructureTokens, device)},
          {"sampling the structured latent",
           evaluations(latent, pictures) * seconds_for(checkpoint, "slat_flow_model", kLatentTokens, device)}};
}

std::vector<PlannedStage> decoding_costs(const Checkpoint& checkpoint, const EngineOptions& device, const Request& request) {
  std::vector<PlannedStage> stages;
  if (request.gaussians)
    stages.push_back({"decoding the Gaussians", seconds_for(checkpoint, "slat_decoder_gs", kVoxels, device)});
  if (request.mesh) {
    stages.push_back({"decoding the mesh", 2.0 * seconds_for(checkpoint, "slat_decoder_mesh", kVoxels, device)});
    stages.push_back({"extracting the surface", device.cuda ? 0.002 : 1.6 / worker_count()});
  }
  if (request.radiance_field) {
    stages.push_back({"decoding the radiance field", seconds_for(checkpoint, "slat_decoder_rf", kVoxels, device)});
  }
  return stages;
}

std::vector<PlannedStage> finishing_costs(const EngineOptions& device, const FinishRequest& request) {
  const double cores = std::min(worker_count(), 8);
  const double view = request.view_size / 1024.0;
  std::vector<PlannedStage> stages{
      {kCleaningStage, (request.clean ? (device.cuda ? 4.0 : 24.0) : 3.0) / cores, StageKind::finishing}};
  if (request.texture) {
    stages.push_back({kUnwrappingStage, 4.0 / cores, StageKind::finishing});
    stages.push_back({kBakingStage, (device.cuda ? 0.003 : 0.6 / cores) * request.views * view * view, StageKind::finishing});
  }
  return stages;
}

}  // namespace espalier
