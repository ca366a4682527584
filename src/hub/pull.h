// Brings a model onto this machine: finds what is there, verifies it, fetches the rest.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "espalier/models.h"
#include "hub/layout.h"
#include "hub/places.h"
#include "hub/plan.h"

namespace espalier::hub {

// A part with the place of each of its files.
struct PresentPart {
  PlannedPart plan;
  std::filesystem::path folder;              // in which they appear
  std::vector<std::filesystem::path> paths;  // of each file; empty: missing
};

// What espalier/models.h says of pull_model.
PullReport pull(const std::string& name, const Places& places, const ModelSettings& settings, const PullObserver& observer);

// Every file of a model, all of them here and verified; fetches nothing. Throws not_found with the command that fetches what is
// missing.
[[nodiscard]] std::vector<PresentPart> present_parts(const std::string& name, const Places& places,
                                                     const ModelSettings& settings, const PullObserver& observer);

// Takes a file that is elsewhere on this machine to its placement: linked where the file system can, else copied. The caller
// verified it. Throws io.
void adopt_file(const std::filesystem::path& found, const Placement& placement);

// Throws io when the disk under `folder` has less room than `bytes`.
void check_room(const std::filesystem::path& folder, std::uint64_t bytes);

}  // namespace espalier::hub
