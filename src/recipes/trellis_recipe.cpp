#include "recipes/trellis_recipe.h"

#include <utility>

#include "base/error.h"
#include "recipes/trellis_edit.h"
#include "recipes/trellis_latent.h"

namespace espalier {

TrellisRecipe::TrellisRecipe(const Session& session, std::int64_t condition_channels)
    : settings_(read_trellis_settings(session.checkpoint())) {
  check_trellis_networks(session, settings_, condition_channels);
}

TrellisRecipe::Samplers TrellisRecipe::samplers_for(const Request& request) const {
  Samplers s{with_request(settings_.structure, request.structure, request.multi_image),
             with_request(settings_.latent, request.latent, request.multi_image)};
  check_settings(s.structure, "first stage (sparse structure)");
  check_settings(s.latent, "second stage (structured latent)");
  return s;
}

std::vector<PlannedStage> TrellisRecipe::plan(const Session& session, const Request& request, const JobSizes& sizes) const {
  const Samplers samplers = samplers_for(request);
  std::vector<PlannedStage> stages{plan_condition(session, sizes)};
  for (PlannedStage& stage : plan_sampling(session, samplers.structure, samplers.latent, sizes))
    stages.push_back(std::move(stage));
  for (PlannedStage& stage : plan_decoders(session, request, sizes)) stages.push_back(std::move(stage));
  return stages;
}

std::vector<PlannedStage> TrellisRecipe::plan_variant(const Session& session, const Request& request,
                                                      const JobSizes& sizes) const {
  std::vector<PlannedStage> stages = plan(session, request, sizes);
  std::erase_if(stages,
                [](const PlannedStage& s) { return s.stage == Stage::sample_structure || s.stage == Stage::decode_structure; });
  return stages;
}

Condition TrellisRecipe::condition(Session& session, const Request& request, RecipeSink& sink) const {
  check(request);
  (void)samplers_for(request);
  return encode(session, request, sink);
}

void TrellisRecipe::sample(Session& session, const Condition& condition, const Voxels* given, const Request& request,
                           RecipeSink& sink) const {
  const int resolution = latent_shape(session).resolution;
  require(given == nullptr || (given->resolution == resolution && given->batch() == 1), "TrellisRecipe::sample",
          "voxels of another grid than ", resolution);
  const Samplers samplers = samplers_for(request);
  TorchGenerator stream(request.seed);
  SampledStructure structure;
  if (given == nullptr) {
    structure = sample_structure(session, condition, samplers.structure, stream, sink);
    sink.structure(std::move(structure.latent));
  } else {
    structure.voxels = *given;
  }
  const Voxels& voxels = structure.voxels;
  sink.sizes({.voxels = static_cast<double>(voxels.rows()), .images = static_cast<int>(condition.items)});
  const std::vector<float> latent = sample_latent(session, settings_, voxels, condition, samplers.latent, stream);
  sink.latent(voxels, latent);
  decode_latent(session, voxels, latent, request, sink);
  sink.record("seed", std::to_string(request.seed));
  if (given == nullptr) sink.record("first stage", describe(samplers.structure));
  sink.record("second stage", describe(samplers.latent));
}

void TrellisRecipe::generate(Session& session, const Request& request, RecipeSink& sink) const {
  sample(session, condition(session, request, sink), nullptr, request, sink);
}

void TrellisRecipe::vary(Session& session, const Voxels& voxels, const Request& request, RecipeSink& sink) const {
  sample(session, condition(session, request, sink), &voxels, request, sink);
}

void TrellisRecipe::edit(Session& session, const PartEdit& edit, const Request& request, RecipeSink& sink) const {
  check(request);
  const Samplers samplers = samplers_for(request);
  TrellisEdit editing(session, settings_, edit);
  const Condition made_for = encode(session, request, sink);
  TorchGenerator stream(request.seed);
  if (!edit.keep_structure) editing.sample_structure(made_for, samplers.structure, stream);
  sink.sizes({.voxels = static_cast<double>(editing.voxels().rows()), .images = static_cast<int>(made_for.items)});
  editing.sample_latent(made_for, samplers.latent, stream);
  editing.decode(request, sink);
  sink.record("seed", std::to_string(request.seed));
  if (!edit.keep_structure) sink.record("first stage", describe(samplers.structure));
  sink.record("second stage", describe(samplers.latent));
}

void TrellisRecipe::decode(Session& session, const Voxels& voxels, const std::vector<float>& latent, const Request& request,
                           RecipeSink& sink) const {
  sink.latent(voxels, latent);
  decode_latent(session, voxels, latent, request, sink);
}

std::vector<PlannedStage> TrellisRecipe::plan_decoding(const Session& session, const Request& request,
                                                       const JobSizes& sizes) const {
  return plan_decoders(session, request, sizes);
}

Recipe::LatentShape TrellisRecipe::latent_shape(const Session& session) const {
  const NetworkShape flow = session.plan(kLatentFlow).shape();
  return {flow.resolution, flow.out_channels};
}
SamplerDefaults TrellisRecipe::structure_defaults() const { return {settings_.structure.steps, settings_.structure.strength}; }
SamplerDefaults TrellisRecipe::latent_defaults() const { return {settings_.latent.steps, settings_.latent.strength}; }

}  // namespace espalier
