// One file with models in it, for machines without a network: a tar archive of the manifest espalier-bundle.json and, for each
// file that the manifest names, blobs/HASH. Other programs can list and unpack it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "espalier/models.h"
#include "hub/paths.h"

namespace espalier::hub {

// What espalier/models.h says of write_bundle and import_bundle. Hostile bundles write nothing outside of the paths of their
// kind, and nothing under a wrong hash.
PullReport write_bundle(const std::vector<std::string>& names, const std::filesystem::path& file, const Paths& paths,
                        const ModelSettings& settings, const PullObserver& observer);
PullReport import_bundle(const std::filesystem::path& file, const Paths& paths, const ModelSettings& settings,
                         const PullObserver& observer);

}  // namespace espalier::hub
