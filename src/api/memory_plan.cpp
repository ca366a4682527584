// What a job would take of a device's memory.
#include <algorithm>
#include <set>

#include "api/asset.h"
#include "api/models.h"
#include "api/option_checks.h"
#include "api/pipeline.h"
#include "api/workload.h"
#include "base/error.h"
#include "espalier/diagnostics.h"
#include "espalier/options.h"
#include "recipes/recipe.h"
#include "recipes/trellis_latent.h"
#include "recipes/trellis_memory.h"
#include "samplers/reuse.h"

namespace espalier {
namespace {

constexpr MemoryTier kTiers[] = {MemoryTier::high, MemoryTier::medium, MemoryTier::low};
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20U;

// The workload on a grid of `resolution`.
Voxels workload_on(const std::string& name, int resolution) {
  const Voxels fine = workload_voxels(name);
  std::set<std::array<std::int32_t, 3>> cells;
  for (std::size_t i = 0; i < fine.coords.size(); i += 4) {
    std::array<std::int32_t, 3> cell{};
    for (std::size_t a = 0; a < 3; ++a)
      cell[a] = static_cast<std::int32_t>(std::int64_t{fine.coords[i + 1 + a]} * resolution / fine.resolution);
    cells.insert(cell);
  }
  std::vector<std::int32_t> coords;
  for (const auto& cell : cells) coords.insert(coords.end(), {0, cell[0], cell[1], cell[2]});
  return make_voxels(std::move(coords), 1, resolution);
}

class Planner {
 public:
  Planner(const PipelineOptions& options, const PlanRequest& request)
      : request_(request),
        device_(DeviceChoice::named(options.device)),
        precision_(precision_on(options.precision, device_)),
        limit_(options.memory_limit),
        checkpoint_(
            std::make_shared<Checkpoint>(open_checkpoint(options.checkpoint, {options.image_encoder, options.text_encoder},
                                                         with_neighbours(options.checkpoint, options.repositories)))) {}

  [[nodiscard]] MemoryPlan plan(MemoryTier asked) {
    MemoryPlan plan;
    const Session session(session_options(MemoryTier::automatic), checkpoint_, trellis_networks());
    const auto recipe = trellis_recipes().find(checkpoint_->pipeline, checkpoint_->where).open(session);
    const Recipe::LatentShape shape = recipe->latent_shape(session);
    job_.images = request_.images;
    job_.assets = request_.together;
    job_.sampled = request_.latent.empty();
    job_.voxels = job_.sampled ? workload_on(request_.voxels, shape.resolution)
                               : load_latent(request_.latent, shape.resolution, shape.channels).voxels;
    if (job_.sampled) {
      job_.samplers = samplers_for(read_trellis_settings(*checkpoint_), sampling(), request_.images);
      plan.structure_evaluations = evaluations(job_.samplers.structure, request_.images);
      plan.latent_evaluations = evaluations(job_.samplers.latent, request_.images);
    }
    job_.mesh = request_.mesh;
    job_.gaussians = request_.gaussians;
    job_.radiance_field = request_.radiance_field;
    plan.device = session.device_name();
    plan.precision = session.precision_name();
    plan.voxels = job_.voxels.rows();
    plan.usable = session.usable_bytes();
    plan.tier = asked == MemoryTier::automatic ? session.tier() : asked;
    for (const MemoryTier tier : kTiers) plan.tiers.push_back(measure(tier));
    plan.fits = plan.chosen().peak <= plan.usable;
    if (!plan.fits) plan.advice = advice_for(plan);
    return plan;
  }

 private:
  [[nodiscard]] Request sampling() const {
    Request request;
    request.structure = request_.structure_sampler;
    request.latent = request_.latent_sampler;
    request.preset = request_.preset;
    check_sampling(request);
    return request;
  }

  [[nodiscard]] SessionOptions session_options(MemoryTier tier) const {
    return {.device = device_, .precision = precision_, .tier = tier, .memory_limit = limit_, .only_measure = true};
  }

  [[nodiscard]] TierPlan measure(MemoryTier tier) const {
    Session session(session_options(tier), checkpoint_, trellis_networks());
    TierPlan plan;
    plan.tier = tier;
    for (const MeasuredStage& stage : measure_stages(session, job_)) {
      const std::uint64_t weights = session.weights_beside(stage.role, tier);
      plan.stages.push_back({std::string(stage_id(stage.stage)), weights, stage.work});
      plan.peak = std::max<std::uint64_t>(plan.peak, weights + stage.work);
    }
    return plan;
  }

  [[nodiscard]] std::string advice_for(const MemoryPlan& plan) const {
    for (const TierPlan& tier : plan.tiers) {
      if (tier.peak <= plan.usable) return "run with --vram-tier " + std::string(name_of(tier.tier));
    }
    const TierPlan& least = plan.tiers.back();
    const std::string fewer = request_.together > 1 ? "sample fewer assets at once, or " : "";
    std::string text = fewer + str(limit_ > 0 ? "raise --vram-limit to " : "free ", (least.peak + kMiB - 1) / kMiB,
                                   limit_ > 0 ? "m" : " MiB of the device's memory", " with --vram-tier low");
    if (job_.mesh && job_.gaussians && without(least, Stage::decode_mesh) <= plan.usable)
      text += ", or decode no mesh: --decode gaussians";
    return text + (device_.cuda ? ", or run with --device cpu" : "");
  }
  [[nodiscard]] static std::uint64_t without(const TierPlan& plan, Stage left_out) {
    std::uint64_t peak = 0;
    for (const PlannedMemory& stage : plan.stages) {
      if (stage.stage != stage_id(left_out)) peak = std::max(peak, stage.weights + stage.work);
    }
    return peak;
  }

  const PlanRequest& request_;
  DeviceChoice device_;
  Precision precision_;
  std::uint64_t limit_;
  std::shared_ptr<const Checkpoint> checkpoint_;
  MeasuredJob job_;
};

}  // namespace

const TierPlan& MemoryPlan::chosen() const {
  return *std::find_if(tiers.begin(), tiers.end(), [&](const TierPlan& plan) { return plan.tier == tier; });
}

MemoryPlan plan_memory(const PipelineOptions& options, const PlanRequest& request) {
  if (request.images < 1)
    fail(ErrorCode::invalid_argument, "PlanRequest::images is ", request.images, hint("give at least one"));
  if (request.together < 1 || request.together > kMostTogether)
    fail(ErrorCode::invalid_argument, "PlanRequest::together is ", request.together, hint(str("give 1 to ", kMostTogether)));
  if (!request.mesh && !request.gaussians && !request.radiance_field)
    fail(ErrorCode::invalid_argument, "nothing was asked to be decoded");
  return Planner(options, request).plan(options.tier);
}

}  // namespace espalier
