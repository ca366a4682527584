// Brings a model onto this machine: finds what is there, verifies it, fetches the rest.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "espalier/models.h"
#include "hub/paths.h"
#include "hub/stock.h"

namespace espalier::hub {

// What espalier/models.h says of pull_model.
PullReport pull(const std::string& name, const Paths& paths, const ModelSettings& settings, const PullObserver& observer);

// Every file of a model, all of them here and verified; fetches nothing. Throws not_found with the command that fetches what is
// missing.
[[nodiscard]] std::vector<PresentPart> present_parts(const std::string& name, const Paths& paths, const ModelSettings& settings,
                                                     const PullObserver& observer);

// Throws io when the disk under `folder` has less room than `bytes`.
void check_room(const std::filesystem::path& folder, std::uint64_t bytes);

}  // namespace espalier::hub
