// Where a checkpoint's networks are, for those who open one.
#pragma once

#include <filesystem>
#include <map>
#include <string>

namespace espalier {

// `named`, and the repositories that FOLDER/pipeline.json refers to as far as they lie beside FOLDER. Nothing of the
// environment is used.
[[nodiscard]] std::map<std::string, std::filesystem::path> with_neighbours(
    const std::filesystem::path& folder, const std::map<std::string, std::filesystem::path>& named);

}  // namespace espalier
