// What generate asks of the library.
#pragma once

#include "outputs.h"
#include "settings.h"

namespace espalier::cli {

// With the images, and what the outputs need.
[[nodiscard]] Request request_of(const Settings& settings);

// What the first input of an export holds. Throws for outputs that it cannot become, before it is read.
[[nodiscard]] FileContent checked_export(const Settings& settings);
// The asset in that input, finished as the settings have it. A latent is decoded with the checkpoint that they name.
[[nodiscard]] Asset exported(const Settings& settings, FileContent content, const Observer& observer, Workplace& workplace);

}  // namespace espalier::cli
