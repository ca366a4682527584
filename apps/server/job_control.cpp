#include "job_control.h"

#include "job_options.h"

namespace espalier::server {

ModelFacts JobControl::model_named(const std::string& name) const {
  const std::vector<ModelFacts> all = known_models();
  if (all.empty())
    throw HttpError(503, "unavailable", "the checkpoint is being loaded", "ask again soon").with("Retry-After", "1");
  if (name.empty()) return all.front();
  std::string names;
  for (const ModelFacts& model : all) {
    if (model.name == name) return model;
    names += (names.empty() ? "" : ", ") + model.name;
  }
  throw HttpError(400, "invalid_argument", "options: model: there is no model \"" + clean_name(name) + "\" here",
                  "there are " + names);
}

}  // namespace espalier::server
