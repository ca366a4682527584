// The list of contents of a bundle.
#pragma once

#include <string>
#include <vector>

#include "hub/plan.h"

namespace espalier::hub {

inline constexpr const char* kManifestName = "espalier-bundle.json";

struct BundledModel {
  std::string name;
  std::vector<PlannedPart> parts;  // every digest and size known
};

[[nodiscard]] std::string manifest_text(const std::vector<BundledModel>& models);
// Throws format, naming `where`, for anything that manifest_text would not write: names that leave their folder, hashes that
// are none, files that are not those that were published under a known name.
[[nodiscard]] std::vector<BundledModel> parse_manifest(const std::string& where, const std::string& text);

}  // namespace espalier::hub
