// Several images on one command line: one asset each, or views of one.
#pragma once

#include <vector>

#include "settings.h"

namespace espalier::cli {

// One entry for each asset that the command line asks for, with its own inputs, background and outputs: {name} in the name of
// an output stands for the image's name without folder and ending, and --out-dir goes before outputs without a folder. Throws
// UsageError where several images would go into one file, or several assets into one.
[[nodiscard]] std::vector<Settings> assets_of(const Settings& settings);

}  // namespace espalier::cli
