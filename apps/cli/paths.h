// Where files are, and whether files can be written where the user wants them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "settings.h"

namespace espalier::cli {

// Whether assets are to be made of words.
[[nodiscard]] inline bool has_prompt(const Settings& s) { return !s.prompt.empty() || !s.prompts.empty(); }

// What --model names: a folder, or a model by its name. "sprout" and "sprout-text" ship with the program: they lie beside the
// installed program (PREFIX/share/espalier/models/sprout), or in the source tree that the program was built in. Without --model
// it is sprout-text for a prompt, else sprout. Throws not_found, with the command that fetches what is missing.
[[nodiscard]] ModelLocation find_checkpoint(const Settings& settings);

// Those that ship with the program and are there.
[[nodiscard]] std::vector<ModelLocation> shipped_checkpoints();

// Every checkpoint that is here and complete, by the name that people know it by: those that ship first, then whatever espalier
// pull or other programs have fetched. No name comes twice.
struct ModelHere {
  std::string name;
  ModelLocation location;
};
[[nodiscard]] std::vector<ModelHere> models_here(const Settings& settings);

// How to open what find_checkpoint has found.
[[nodiscard]] PipelineOptions pipeline_options(const Settings& settings, const ModelLocation& found);

// The network that shall remove backgrounds; empty when none is asked for or, unless one is named, there. Throws not_found
// naming the folders.
[[nodiscard]] std::filesystem::path background_network_of(const Settings& settings);

// Throws io when it cannot be made.
void make_folder(const std::filesystem::path& folder);

// Throws when a file cannot be written to `path`: its folder does not exist or takes no files, or `path` is a folder, a device,
// read-only or a link in a circle. Run before minutes of work, so that these do not end in a failed save.
void check_writable(const std::filesystem::path& path);

// Throws not_found unless `path` is a file.
void check_readable(const std::filesystem::path& path, const char* what);

// The extension in lower case, with the dot.
[[nodiscard]] std::string extension(const std::filesystem::path& path);

}  // namespace espalier::cli
