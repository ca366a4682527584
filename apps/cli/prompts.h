// The list of --prompts: what to make, one asset for each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "settings.h"

namespace espalier::cli {

struct ListedPrompt {
  std::string name;  // of its files, without ending
  std::string prompt;
  std::optional<std::uint32_t> seed{};  // unset: that of the command
};

// A .csv has the columns name, prompt and perhaps seed (fields in quotes may hold commas, line ends and doubled quotes; a first
// row of these words is skipped); in any other file every line is a prompt, named by its number and its first words. Lines
// without text are skipped. Throws Error invalid_argument naming file and line.
[[nodiscard]] std::vector<ListedPrompt> read_prompts(const std::filesystem::path& file);

// The settings for one of them: {name} in the paths of outputs is replaced, and a folder that -o names becomes
// FOLDER/NAME.glb. Throws UsageError for an output that all prompts would share.
[[nodiscard]] Settings settings_for(const Settings& all, const ListedPrompt& one);

}  // namespace espalier::cli
