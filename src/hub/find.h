// From a name, or a folder, to what a pipeline opens; and what of the known models is here.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "espalier/models.h"
#include "hub/caches.h"
#include "hub/paths.h"

namespace espalier::hub {

// What espalier/models.h says of list_models.
[[nodiscard]] std::vector<ModelState> list(const Caches& caches);
[[nodiscard]] ModelState state_of(const Model& model, const Caches& caches);

// What espalier/models.h says of find_model. `need_encoder`: an image encoder that is nowhere is an error.
[[nodiscard]] ModelLocation find(const std::string& text, const Caches& caches, bool need_encoder);

// The folders of the other repositories that FOLDER/pipeline.json refers to, as far as they are beside it or in the caches; no
// error for what is nowhere, or for a pipeline.json that cannot be read.
[[nodiscard]] std::map<std::string, std::filesystem::path> find_repositories(const std::filesystem::path& folder,
                                                                             const Caches& caches);

}  // namespace espalier::hub
