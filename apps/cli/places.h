// Where files are, and whether files can be written where the user wants them.
#pragma once

#include <filesystem>
#include <string>

#include "settings.h"

namespace espalier::cli {

// What --model names: a folder, or a model by its name. Without it, or as "sprout", the checkpoint that ships with the program:
// beside the installed program (PREFIX/share/espalier/models/sprout), or in the source tree that the program was built in.
// Throws not_found, with the command that fetches what is missing.
[[nodiscard]] ModelLocation find_checkpoint(const Settings& settings);

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
