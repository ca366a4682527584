#include "recipes/recipe.h"

#include <algorithm>

#include "recipes/trellis_image.h"

namespace espalier {

const RecipeClass& RecipeBook::find(const std::string& pipeline, const std::string& where) const {
  const auto found =
      std::find_if(recipes_.begin(), recipes_.end(), [&](const RecipeClass& r) { return r.pipeline == pipeline; });
  if (found != recipes_.end()) return *found;
  std::string known;
  for (const RecipeClass& r : recipes_) known += (known.empty() ? "" : ", ") + std::string(r.pipeline);
  fail(ErrorCode::unsupported, where, ": pipeline ", pipeline, " is not supported", hint(known, " is"));
}

const RecipeBook& trellis_recipes() {
  static const RecipeBook book({{"TrellisImageTo3DPipeline", open_trellis_image}});
  return book;
}

}  // namespace espalier
