// What every recipe of TRELLIS is but for its condition: two samplers, three decoders, variants of a given shape, and
// changes of a part.
#pragma once

#include <vector>

#include "recipes/recipe.h"
#include "recipes/trellis_settings.h"

namespace espalier {

class TrellisRecipe : public Recipe {
 public:
  [[nodiscard]] std::vector<PlannedStage> plan(const Session& session, const Request& request,
                                               const JobSizes& sizes) const final;
  void generate(Session& session, const Request& request, RecipeSink& sink) const final;
  [[nodiscard]] std::vector<PlannedStage> plan_variant(const Session& session, const Request& request,
                                                       const JobSizes& sizes) const final;
  void vary(Session& session, const Voxels& voxels, const Request& request, RecipeSink& sink) const final;
  [[nodiscard]] Condition condition(Session& session, const Request& request, RecipeSink& sink) const final;
  void sample(Session& session, const Condition& condition, const Voxels* structure, const Request& request,
              RecipeSink& sink) const final;
  [[nodiscard]] bool samples_alike(const Request& a, const Request& b) const final;
  void sample_batch(Session& session, std::span<BatchMember* const> members) const final;
  void edit(Session& session, const PartEdit& edit, const Request& request, RecipeSink& sink) const final;
  void decode(Session& session, const Voxels& voxels, const std::vector<float>& latent, const Request& request,
              RecipeSink& sink) const final;
  [[nodiscard]] std::vector<PlannedStage> plan_decoding(const Session& session, const Request& request,
                                                        const JobSizes& sizes) const final;
  [[nodiscard]] LatentShape latent_shape(const Session& session) const final;
  [[nodiscard]] SamplerDefaults structure_defaults() const final;
  [[nodiscard]] SamplerDefaults latent_defaults() const final;

 protected:
  // Checks that the networks fit together and to a condition of these channels.
  TrellisRecipe(const Session& session, std::int64_t condition_channels);

  // Throws invalid_argument for what the request lacks, before anything runs.
  virtual void check(const Request& request) const = 0;
  [[nodiscard]] virtual PlannedStage plan_condition(const Session& session, const JobSizes& sizes) const = 0;
  // What the samplers are conditioned on. Notices, and what the condition was made of, go to the sink.
  [[nodiscard]] virtual Condition encode(Session& session, const Request& request, RecipeSink& sink) const = 0;

 private:
  TrellisSettings settings_;
};

}  // namespace espalier
