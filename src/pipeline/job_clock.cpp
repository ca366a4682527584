#include "pipeline/job_clock.h"

#include <algorithm>

namespace espalier {
namespace {

// Costs of the stages of a typical asset relative to one evaluation of the first flow model, from docs/performance.md.
constexpr double kEncode = 0.3;
constexpr double kStructure = 1.0;
constexpr double kStructureDecode = 0.3;
constexpr double kLatent = 1.0;
constexpr double kGaussians = 0.6;
constexpr double kMesh = 1.5;
constexpr double kSurface = 0.5;
constexpr double kRadiance = 0.6;

double evaluations(const SamplerSettings& s, int pictures) {
  double n = 0;
  const auto times = flow_times(s.steps, s.rescale_t);
  for (int i = 0; i < s.steps; ++i) n += static_cast<double>(branches_of_step(s, i, times[static_cast<std::size_t>(i)], pictures).size());
  return n;
}

}  // namespace

JobClock::JobClock(const SamplerSettings& structure, const SamplerSettings& latent, int pictures, const Request& request) {
  shares_ = {{"encoding the picture", kEncode * pictures},
             {"sampling the sparse structure", kStructure * evaluations(structure, pictures)},
             {"decoding the sparse structure", kStructureDecode},
             {"sampling the structured latent", kLatent * evaluations(latent, pictures)}};
  decoding(request);
}

JobClock::JobClock(const Request& request) { decoding(request); }

void JobClock::decoding(const Request& request) {
  if (request.gaussians) shares_.emplace_back("decoding the Gaussians", kGaussians);
  if (request.mesh) {
    shares_.emplace_back("decoding the mesh", kMesh);
    shares_.emplace_back("extracting the surface", kSurface);
  }
  if (request.radiance_field) shares_.emplace_back("decoding the radiance field", kRadiance);
}

Progress JobClock::at(const std::string& stage, int step, int steps) {
  double total = 0.0;
  double done = 0.0;
  bool passed = false;
  for (const auto& [name, share] : shares_) {
    total += share;
    if (name == stage) {
      passed = true;
      done += share * step / std::max(1, steps);
    } else if (!passed) {
      done += share;
    }
  }
  Progress p;
  p.stage = stage;
  p.step = step;
  p.steps = steps;
  p.fraction = total > 0.0 && passed ? done / total : 0.0;
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  constexpr double kEnough = 0.02;  // of the job, before a remaining time means anything
  if (p.fraction > kEnough) p.seconds_left = elapsed * (1.0 - p.fraction) / p.fraction;
  return p;
}

}  // namespace espalier
