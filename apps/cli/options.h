// The command line: commands, and the flags that the option table (espalier/options.h) gives them.
#pragma once

#include <CLI/CLI.hpp>
#include <span>
#include <string>
#include <vector>

#include "settings.h"

namespace espalier::cli {

struct Command {
  OptionUse use;
  const char* name;
  const char* summary;
  int (*run)(const Settings&);  // returns the exit code
};
// In the order of the help.
[[nodiscard]] std::span<const Command> commands();

// Gives `app` all commands with their options; what the user says goes into `settings`, and what should be spelled differently
// into `notices`.
void add_commands(CLI::App& app, Settings& settings, std::vector<std::string>& notices);

// The arguments with flags by their present names; `notices` receives those that were called differently before.
[[nodiscard]] std::vector<std::string> with_present_names(std::vector<std::string> arguments,
                                                          std::vector<std::string>& notices);
// The command that the arguments name; null where they name none.
[[nodiscard]] const Command* command_of(const std::vector<std::string>& arguments);
// Notes in `settings.asked` which options of the command the arguments give; one that only repeats that nothing is wanted, such
// as
// --compress none, is not noted.
void note_asked(const Command& command, const std::vector<std::string>& arguments, Settings& settings);
// A notice for each environment variable that an option of the command is read from and that has another name now.
void note_old_variables(const Command& command, std::vector<std::string>& notices);

}  // namespace espalier::cli
