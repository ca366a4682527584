// What generate asks of the library.
#pragma once

#include "settings.h"

namespace espalier::cli {

// With the images, and what the outputs need.
[[nodiscard]] Request request_of(const Settings& settings);

}  // namespace espalier::cli
