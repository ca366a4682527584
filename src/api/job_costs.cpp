#include "api/job_costs.h"

#include <algorithm>
#include <cmath>

#include "bake/bake.h"
#include "finishing/finish.h"
#include "geometry/repair/clean.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

// Bytes of weights times tokens per second: image-large's first flow (1.11 GB, 4096 tokens) takes 11 ms on an H100 in half
// precision, and 26 s on two cores in full.
constexpr double kCardRate = 4e14;
constexpr double kCoreRate = 8.5e10;
constexpr double kStructureTokens = 4096, kPictureTokens = 1374;
constexpr double kVoxelsPerToken = 4;  // of the latent's flow, which works on blocks
constexpr double kBakingSweeps = BakeOptions{}.sweeps;
constexpr double kFacesPerVoxel = 63, kGaussiansPerVoxel = 32;

double faces_of(const JobSizes& sizes) { return sizes.faces > 0 ? sizes.faces : kFacesPerVoxel * sizes.voxels; }
double gaussians_of(const JobSizes& sizes) { return sizes.gaussians > 0 ? sizes.gaussians : kGaussiansPerVoxel * sizes.voxels; }

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
                                         const SamplerSettings& structure, const SamplerSettings& latent,
                                         const JobSizes& sizes) {
  const int pictures = sizes.pictures;
  return {{"encoding the picture", pictures * seconds_for(checkpoint, kImageEncoder, kPictureTokens, device)},
          {"sampling the sparse structure",
           evaluations(structure, pictures) * seconds_for(checkpoint, "sparse_structure_flow_model", kStructureTokens, device)},
          // A convolution's weights act on every voxel of a volume, most of them on the coarser ones.
          {"decoding the sparse structure", seconds_for(checkpoint, "sparse_structure_decoder", 8 * kStructureTokens, device)},
          {"sampling the structured latent",
           evaluations(latent, pictures) * seconds_for(checkpoint, "slat_flow_model", sizes.voxels / kVoxelsPerToken, device)}};
}

std::vector<PlannedStage> decoding_costs(const Checkpoint& checkpoint, const EngineOptions& device, const Request& request,
                                         const JobSizes& sizes) {
  std::vector<PlannedStage> stages;
  if (request.gaussians)
    stages.push_back({"decoding the Gaussians", seconds_for(checkpoint, "slat_decoder_gs", sizes.voxels, device)});
  if (request.mesh) {
    stages.push_back({"decoding the mesh", 2.0 * seconds_for(checkpoint, "slat_decoder_mesh", sizes.voxels, device)});
    stages.push_back({"extracting the surface", (device.cuda ? 2.7e-9 : 2.1e-6 / worker_count()) * faces_of(sizes)});
  }
  if (request.radiance_field) {
    stages.push_back({"decoding the radiance field", seconds_for(checkpoint, "slat_decoder_rf", sizes.voxels, device)});
  }
  return stages;
}

namespace {

// Seconds of finishing: of one core where a step is shared by few or none, and divided by the cores where all help. From
// export_bench on two cores of an EPYC, with 750,000 and 170,000 decoded faces; on a card from export beside an H100.
struct Machine {
  bool cuda;
  double cores = std::min(worker_count(), 16);
  [[nodiscard]] double shared(double seconds) const { return seconds / cores; }
  [[nodiscard]] double partly(double seconds) const { return seconds * (0.5 + 0.5 / cores); }
};

double final_faces(const FinishRequest& request, double faces) {
  return request.faces ? std::min(static_cast<double>(*request.faces), faces) : faces * (1.0 - request.simplify);
}

// The ends of the steps are those of cleaned() in percent.
PlannedStage cleaning_cost(const Machine& on, const FinishRequest& request, double faces) {
  const double weld = 1.5e-7 * faces, report = 3.5e-7 * faces;
  const double simplify = on.partly(2.9e-6 * faces);
  if (!request.clean)
    return stage_of_steps(kCleaningStage, StageKind::finishing, {{0.05, weld}, {0.85, 0.0}, {1.0, simplify + report}});
  const double working =
      std::min(faces, std::max(static_cast<double>(kWorkingLeast), kWorkingFactor * final_faces(request, faces)));
  const double look = on.cuda ? 0.1 : on.shared(8e-5 * working);
  return stage_of_steps(kCleaningStage, StageKind::finishing,
                        {{0.05, weld},
                         {0.30, working < faces ? simplify : 0.0},
                         {0.70, look},
                         {0.78, 5e-7 * working},
                         {0.83, 1e-7 * working},
                         {0.85, 3e-8 * working},
                         {1.00, on.partly(1e-6 * working) + report}});
}

// Those of unwrap().
PlannedStage unwrapping_cost(const Machine& on, const FinishRequest& request, double faces) {
  const double face = on.partly(1.2e-6 * faces), texels = std::pow(request.texture_size / 1024.0, 2.0);
  return stage_of_steps(kUnwrappingStage, StageKind::finishing,
                        {{0.05, 0.7 * face},
                         {0.15, 5.3 * face},
                         {0.40, 3.2 * face},
                         {0.60, 7.4 * face + on.partly(0.05)},
                         {0.70, 0.7 * face},
                         {0.95, 2.2 * face + on.partly(0.12) * texels},
                         {1.00, 0.2 * face + 0.01 * texels}});
}

PlannedStage baking_cost(const Machine& on, const FinishRequest& request, const JobSizes& sizes) {
  const double pixels = std::pow(request.view_size / 1024.0, 2.0), texels = std::pow(request.texture_size / 1024.0, 2.0);
  double view = on.cuda ? 1e-3 : on.shared(0.036 + 4.3e-7 * gaussians_of(sizes));
  if (request.bake_radiance_field) view = on.cuda ? 2e-3 : on.shared(0.7);
  const double views = request.views * view * pixels;
  const bool best = request.bake == BakeMode::best;
  const double rest = (on.cuda ? 0.05 : on.shared(best ? 1.7 : 0.4)) * texels;
  if (!best) return stage_of_steps(kBakingStage, StageKind::finishing, {{1.0, views + rest}});
  return stage_of_steps(kBakingStage, StageKind::finishing,
                        {{request.views / (request.views + kBakingSweeps), views}, {1.0, rest}});
}

}  // namespace

std::vector<PlannedStage> finishing_costs(const EngineOptions& device, const FinishRequest& request, const JobSizes& sizes) {
  const Machine on{device.cuda};
  const double faces = faces_of(sizes), left = final_faces(request, faces);
  std::vector<PlannedStage> stages{cleaning_cost(on, request, faces)};
  if (!request.texture) return stages;
  stages.push_back(unwrapping_cost(on, request, left));
  stages.push_back(baking_cost(on, request, sizes));
  if (request.project_image) {
    const double judged = on.cuda ? 2e-4 : on.shared(1e-4 + 7e-8 * left);
    stages.push_back({kProjectingStage, sizes.pictures * (1200 * judged + 0.1), StageKind::finishing});
  }
  return stages;
}

}  // namespace espalier
