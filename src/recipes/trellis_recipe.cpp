#include "recipes/trellis_recipe.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "recipes/trellis_batch.h"
#include "recipes/trellis_edit.h"
#include "recipes/trellis_latent.h"
#include "samplers/reuse.h"

namespace espalier {

TrellisRecipe::TrellisRecipe(const Session& session, std::int64_t condition_channels)
    : settings_(read_trellis_settings(session.checkpoint())) {
  check_trellis_networks(session, settings_, condition_channels);
}

namespace {

// A prompt is one condition, too.
int images_of(const Request& request) { return std::max(1, static_cast<int>(request.images.size())); }

// How the samplers of an asset were set. `structure`: whether there was a first stage.
void record_samplers(RecipeSink& sink, const Request& request, const Samplers& samplers, bool structure, int conditions) {
  sink.record("seed", std::to_string(request.seed));
  if (request.preset == SamplerPreset::fast) {
    const int first = structure ? evaluations(samplers.structure, conditions) : 0;
    sink.record("preset", str("fast, ", first, " + ", evaluations(samplers.latent, conditions), " evaluations of the flows"));
  }
  if (structure) sink.record("first stage", describe(samplers.structure, conditions));
  sink.record("second stage", describe(samplers.latent, conditions));
}

}  // namespace

std::vector<PlannedStage> TrellisRecipe::plan(const Session& session, const Request& request, const JobSizes& sizes) const {
  const Samplers samplers = samplers_for(settings_, request, images_of(request));
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
  (void)samplers_for(settings_, request, images_of(request));
  return encode(session, request, sink);
}

void TrellisRecipe::sample(Session& session, const Condition& condition, const Voxels* given, const Request& request,
                           RecipeSink& sink) const {
  const int resolution = latent_shape(session).resolution;
  require(given == nullptr || (given->resolution == resolution && given->batch() == 1), "TrellisRecipe::sample",
          "voxels of another grid than ", resolution);
  const Samplers samplers = samplers_for(settings_, request, images_of(request));
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
  record_samplers(sink, request, samplers, given == nullptr, static_cast<int>(condition.items));
}

bool TrellisRecipe::samples_alike(const Request& a, const Request& b) const {
  if (images_of(a) != images_of(b)) return false;
  const Samplers of_a = samplers_for(settings_, a, images_of(a)), of_b = samplers_for(settings_, b, images_of(b));
  return of_a.structure == of_b.structure && of_a.latent == of_b.latent;
}

void TrellisRecipe::sample_batch(Session& session, std::span<BatchMember* const> members) const {
  const Request& any = *members.front()->request;
  const Samplers samplers = samplers_for(settings_, any, images_of(any));
  sample_members(session, settings_, samplers, members);
  for (const BatchMember* const member : members) {
    if (!member->stays()) continue;
    record_samplers(*member->sink, *member->request, samplers, member->structure == nullptr,
                    static_cast<int>(member->condition.items));
  }
}

void TrellisRecipe::generate(Session& session, const Request& request, RecipeSink& sink) const {
  sample(session, condition(session, request, sink), nullptr, request, sink);
}

void TrellisRecipe::vary(Session& session, const Voxels& voxels, const Request& request, RecipeSink& sink) const {
  sample(session, condition(session, request, sink), &voxels, request, sink);
}

void TrellisRecipe::edit(Session& session, const PartEdit& edit, const Request& request, RecipeSink& sink) const {
  check(request);
  const Samplers samplers = samplers_for(settings_, request, images_of(request), edit.repeats);
  TrellisEdit editing(session, settings_, edit);
  const Condition made_for = encode(session, request, sink);
  TorchGenerator stream(request.seed);
  if (!edit.keep_structure) editing.sample_structure(made_for, samplers.structure, stream);
  sink.sizes({.voxels = static_cast<double>(editing.voxels().rows()), .images = static_cast<int>(made_for.items)});
  editing.sample_latent(made_for, samplers.latent, stream);
  editing.decode(request, sink);
  record_samplers(sink, request, samplers, !edit.keep_structure, static_cast<int>(made_for.items));
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
