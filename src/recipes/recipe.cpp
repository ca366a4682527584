#include "recipes/recipe.h"

#include <algorithm>

#include "recipes/trellis_image.h"
#include "recipes/trellis_text.h"

namespace espalier {

void Recipe::vary(Session& session, const Voxels& /*voxels*/, const Request& /*request*/, RecipeSink& /*sink*/) const {
  fail(ErrorCode::unsupported, session.checkpoint().where, ": this pipeline makes no variants of a shape");
}

Condition Recipe::condition(Session& /*session*/, const Request& /*request*/, RecipeSink& /*sink*/) const { return {}; }

void Recipe::sample(Session& session, const Condition& /*condition*/, const Voxels* structure, const Request& request,
                    RecipeSink& sink) const {
  structure == nullptr ? generate(session, request, sink) : vary(session, *structure, request, sink);
}

bool Recipe::samples_alike(const Request& /*a*/, const Request& /*b*/) const { return false; }

void Recipe::sample_batch(Session& session, std::span<BatchMember* const> /*members*/) const {
  fail(ErrorCode::unsupported, session.checkpoint().where, ": this pipeline samples no assets together");
}

void Recipe::edit(Session& session, const PartEdit& /*edit*/, const Request& /*request*/, RecipeSink& /*sink*/) const {
  fail(ErrorCode::unsupported, session.checkpoint().where, ": this pipeline changes no part of an asset");
}

std::vector<PlannedStage> Recipe::plan_variant(const Session& /*session*/, const Request& /*request*/,
                                               const JobSizes& /*sizes*/) const {
  return {};
}

const RecipeClass& RecipeBook::find(const std::string& pipeline, const std::string& where) const {
  const auto found =
      std::find_if(recipes_.begin(), recipes_.end(), [&](const RecipeClass& r) { return r.pipeline == pipeline; });
  if (found != recipes_.end()) return *found;
  std::string known;
  for (const RecipeClass& r : recipes_) known += (known.empty() ? "" : ", ") + std::string(r.pipeline);
  fail(ErrorCode::unsupported, where, ": pipeline ", pipeline, " is not supported", hint("supported: ", known));
}

const RecipeBook& trellis_recipes() {
  static const RecipeBook book(
      {{"TrellisImageTo3DPipeline", open_trellis_image}, {"TrellisTextTo3DPipeline", open_trellis_text}});
  return book;
}

}  // namespace espalier
