// What shells complete, made from the commands and the option table.
#pragma once

#include <string>

#include "settings.h"

namespace espalier::cli {

// A script for the shell: bash and fish read it with `source`, zsh finds it as _espalier on its $fpath.
[[nodiscard]] std::string completion_script(Shell shell);

}  // namespace espalier::cli
