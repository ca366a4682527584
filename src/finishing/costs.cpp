#include "finishing/costs.h"

#include <algorithm>
#include <cmath>

#include "bake/bake.h"
#include "geometry/repair/clean.h"
#include "parallel/parallel_for.h"

namespace espalier {
namespace {

// Seconds of finishing: of one core where a step is shared by few or none, and divided by the cores where all help. From
// `espalier generate --device cpu --json` on two cores of an EPYC, with 150,000 to 500,000 decoded faces; on a GPU from export
// beside an H100.
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
PlannedStage cleaning_cost(const Machine& on, const FinishRequest& request, double faces, SurfaceRule surface) {
  const double weld = 1.5e-7 * faces, report = 3.5e-7 * faces;
  const double simplify = on.partly(1.3e-6 * faces);
  if (!request.clean)
    return stage_of_steps(Stage::clean_mesh, StageKind::finishing, {{0.05, weld}, {0.85, 0.0}, {1.0, simplify + report}});
  if (surface == SurfaceRule::solid)
    return stage_of_steps(Stage::clean_mesh, StageKind::finishing,
                          {{0.05, weld}, {0.78, 0.0}, {0.83, 1e-7 * faces}, {0.85, 3e-8 * faces}, {1.00, simplify + report}});
  const double working =
      std::min(faces, std::max(static_cast<double>(kWorkingLeast), kWorkingFactor * final_faces(request, faces)));
  const double look = on.cuda ? 0.1 : on.shared(0.9 + 4e-6 * working);
  return stage_of_steps(Stage::clean_mesh, StageKind::finishing,
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
  const double face = on.partly(0.9e-6 * faces), texels = std::pow(request.texture_size / 1024.0, 2.0);
  return stage_of_steps(Stage::unwrap_mesh, StageKind::finishing,
                        {{0.05, 0.7 * face},
                         {0.15, 5.3 * face},
                         {0.40, 3.2 * face},
                         {0.60, 7.4 * face + on.partly(0.05)},
                         {0.70, 0.7 * face},
                         {0.95, 2.2 * face + on.partly(0.08) * texels},
                         {1.00, 0.2 * face + 0.01 * texels}});
}

// Those of bake_texture(); left: faces of the finished mesh.
PlannedStage baking_cost(const Machine& on, const FinishRequest& request, const JobSizes& sizes, double left) {
  const double pixels = std::pow(request.view_size / 1024.0, 2.0), texels = std::pow(request.texture_size / 1024.0, 2.0);
  double view = on.cuda ? 1e-3 : on.shared(0.036 + 4.3e-7 * sizes.decoded_gaussians());
  if (request.bake_radiance_field) view = on.cuda ? 2e-3 : on.shared(0.7);
  const bool best = request.bake == BakeMode::best;
  BakeOptions bake;
  bake.views = request.views;
  bake.mode = request.bake;
  const double steps = bake_steps(bake), sweeps = best ? bake.sweeps : 0.0;
  // What no view saw, what lies outside of charts, and seams are the host's work on one core, behind the views.
  const double fill = 0.12 * texels, outside = 0.06 * texels, seams = 0.5 * std::sqrt(texels) + 1e-5 * left;
  const double sweeping = (on.cuda ? 0.02 : on.shared(1.3)) * texels;
  std::vector<PlannedStep> planned{{request.views / steps, request.views * view * pixels}, {(request.views + 1) / steps, fill}};
  if (best) planned.push_back({(request.views + 1 + sweeps) / steps, sweeping});
  planned.push_back({(steps - 1) / steps, outside});
  planned.push_back({1.0, seams});
  return stage_of_steps(Stage::bake_texture, StageKind::finishing, std::move(planned));
}

}  // namespace

std::vector<PlannedStage> finishing_costs(const DeviceChoice& device, const FinishRequest& request, const JobSizes& sizes,
                                          SurfaceRule surface) {
  const Machine on{device.cuda};
  const double faces = sizes.decoded_faces(), left = final_faces(request, faces);
  std::vector<PlannedStage> stages{cleaning_cost(on, request, faces, surface)};
  if (!request.texture) return stages;
  stages.push_back(unwrapping_cost(on, request, left));
  stages.push_back(baking_cost(on, request, sizes, left));
  if (request.project_image) {
    const double judged = on.cuda ? 2e-4 : on.shared(1e-4 + 7e-8 * left);
    stages.push_back({Stage::project_images, sizes.images * (1200 * judged + 0.1), StageKind::finishing});
  }
  return stages;
}

}  // namespace espalier
