// The public functions of espalier/models.h: the environment becomes paths, the rest is the hub's.
#include "espalier/models.h"

#include "api/models.h"
#include "base/error.h"
#include "hub/bundle.h"
#include "hub/caches.h"
#include "hub/find.h"
#include "hub/paths.h"
#include "hub/pull.h"

namespace espalier {

namespace {

void check(const ModelSettings& settings) {
  if (settings.parallel < 1 || settings.parallel > 16)
    fail(ErrorCode::invalid_argument, "ModelSettings::parallel is ", settings.parallel, hint("choose 1 to 16"));
}

// Without what only matters to a network, so that a wrong address keeps nobody from what is on the machine.
hub::Paths places_on_this_machine(const ModelSettings& settings) {
  hub::Variables variables = settings.variables;
  for (const char* name : {"HF_ENDPOINT", "ESPALIER_MIRROR", "HF_HUB_ETAG_TIMEOUT", "HF_HUB_DOWNLOAD_TIMEOUT"})
    variables.erase(name);
  return hub::paths_of(variables);
}

}  // namespace

std::vector<ModelState> list_models(const ModelSettings& settings) {
  return hub::list(hub::Caches(places_on_this_machine(settings)));
}

PullReport pull_model(const std::string& name, const ModelSettings& settings, const PullObserver& observer) {
  check(settings);
  return hub::pull(name, hub::paths_of(settings.variables), settings, observer);
}

PullReport write_bundle(const std::vector<std::string>& names, const std::filesystem::path& file, const ModelSettings& settings,
                        const PullObserver& observer) {
  check(settings);
  return hub::write_bundle(names, file, hub::paths_of(settings.variables), settings, observer);
}

PullReport import_bundle(const std::filesystem::path& file, const ModelSettings& settings, const PullObserver& observer) {
  check(settings);
  return hub::import_bundle(file, hub::paths_of(settings.variables), settings, observer);
}

ModelLocation find_model(const std::string& text, const ModelSettings& settings, bool own_image_encoder) {
  return hub::find(text, hub::Caches(places_on_this_machine(settings)), !own_image_encoder);
}

std::map<std::string, std::filesystem::path> with_neighbours(const std::filesystem::path& folder,
                                                             const std::map<std::string, std::filesystem::path>& named) {
  std::map<std::string, std::filesystem::path> all = named;
  all.merge(hub::find_repositories(folder, hub::Caches(hub::Paths{})));
  return all;
}

}  // namespace espalier
