// The one table of options. Flags, environment variables, help and docs/options.md are made from it, so that none of them
// can say something else than the others.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "settings.h"

namespace espalier::cli {

// One bit each, for rows that several commands share.
enum CommandBit : unsigned {
  generate_bit = 1,
  preprocess_bit = 2,
  info_bit = 4,
  bench_bit = 8,
  doctor_bit = 16,
  export_bit = 32,
  check_bit = 64,
  render_bit = 128,
  serve_bit = 256,
  convert_bit = 512,
  pull_bit = 1024,
  models_bit = 2048,
};

struct Command {
  CommandBit bit;
  const char* name;
  const char* summary;
  int (*run)(const Settings&);  // returns the exit code
};
// In the order of the help.
[[nodiscard]] std::span<const Command> commands();

// How the text of an option becomes a value of Settings.
struct Value {
  std::string name;                                        // what help calls it: N, FILE; empty for a switch
  std::string range;                                       // what is accepted, in words; may be empty
  std::function<void(Settings&, const std::string&)> set;  // throws UsageError
  bool repeats = false;
};

struct Option {
  std::string flags;        // "-o,--output"; a positional argument has no dashes
  std::string group;        // heading in the help
  unsigned commands;        // bits
  std::string environment;  // the variable that may also set it; may be empty
  std::string fallback;     // what holds when the option is absent, in words; may be empty
  std::string help;
  Value value;

  [[nodiscard]] std::string description() const;  // help, range and default
};
[[nodiscard]] const std::vector<Option>& option_table();

// Gives `app` all commands with their options; what the user says goes into `settings`.
void add_commands(CLI::App& app, Settings& settings);

// docs/options.md
[[nodiscard]] std::string options_markdown();

}  // namespace espalier::cli
