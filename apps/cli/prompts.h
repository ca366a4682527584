// The list of --prompts: what to make, one asset for each.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier::cli {

struct ListedPrompt {
  std::string name;  // of its files, without ending
  std::string prompt;
  std::optional<std::uint32_t> seed{};  // unset: that of the command
};

// A .csv has the columns name, prompt and perhaps seed (fields in quotes may hold commas, line ends and doubled quotes), or
// those that its first row names by these words, in any order, of which prompt is needed; in any other file every line is a
// prompt. What has no name is named by its number and its first words. Lines without text are skipped. Throws Error
// invalid_argument naming file and line.
[[nodiscard]] std::vector<ListedPrompt> read_prompts(const std::filesystem::path& file);

// "a-red-armchair": the name of the files of a prompt that is given alone; "asset" without a letter of ASCII.
[[nodiscard]] std::string name_of_prompt(const std::string& prompt);

}  // namespace espalier::cli
