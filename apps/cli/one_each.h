// Several images or a list of prompts on one command line: one asset each; or images that are views of one.
#pragma once

#include <vector>

#include "settings.h"

namespace espalier::cli {

// One entry for each asset that the command line asks for, with its own inputs, background, seed and outputs: {name} in the
// name of an output stands for the image's name without folder and ending, or for that of the prompt; {seed}, without --seeds,
// for the seed; --out-dir goes before outputs without a folder, and a folder that -o names with --prompts becomes
// FOLDER/NAME.glb. Throws UsageError where several assets would go into one file.
[[nodiscard]] std::vector<Settings> assets_of(const Settings& settings);

// One asset for each of --seeds: {seed} in the names of outputs is replaced, and "-SEED" is put in front of the ending of those
// without it. The sheet is left out, since it shows all of them.
[[nodiscard]] std::vector<Settings> assets_of_seeds(const Settings& one);

}  // namespace espalier::cli
