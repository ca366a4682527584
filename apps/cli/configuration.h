// The configuration file: values of options that hold for every command unless a flag or a variable says otherwise.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "options.h"

namespace espalier::cli {

// The file that the arguments or ESPALIER_CONFIG name, else espalier/config.toml in XDG_CONFIG_HOME or ~/.config if there is
// one; empty for none. Throws Error not_found for a file that is named and is not there.
[[nodiscard]] std::filesystem::path configuration_file(const std::vector<std::string>& arguments, const Settings& settings);

// Takes the values that hold for the command from a TOML file: those at its top, then those in the table [COMMAND]. Keys are
// flags without their dashes; any that also has an environment variable may stand there. Throws UsageError that names file and
// key.
void apply_configuration(const std::filesystem::path& file, const Command& command, Settings& settings,
                         std::vector<std::string>& notices);

}  // namespace espalier::cli
