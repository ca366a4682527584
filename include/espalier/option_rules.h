// What options require of each other, beside the option table (espalier/options.h). The command, the server and the studio's
// page all follow this one table, so none of them takes an option that would have no effect.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "espalier/options.h"

namespace espalier {

// One of three kinds:
// - `excludes`: the option cannot be given together with any of these.
// - `needs`: the option has no effect unless one of these is set.
// - `formats`: the option has no effect unless a file of one of these formats is written, or one of `needs` is set.
// Options go by their names in the table. A rule holds for every command and job that has the options that it names, unless
// `not_for` leaves some out because the name means something else there.
struct OptionRule {
  std::string option;
  std::string value{};  // the rule is about this value alone; empty: about any that is given
  std::vector<std::string> excludes{};
  std::vector<std::string> needs{};
  std::vector<std::string> formats{};
  std::string why{};     // for `excludes`: the reason, as a clause
  unsigned not_for = 0;  // of OptionUse
};
[[nodiscard]] ESPALIER_API const std::vector<OptionRule>& option_rules();

// How messages call options: --texture-size, or texture_size.
enum class OptionSpelling { flags, json };

// Holds `options` to the rules. `options.asked` names what the request itself gives; everything else that is set (by a
// variable, a configuration file, or the job that is exported again) is a default. Throws invalid_argument, with the reason and
// a hint, where what is asked for has no effect or contradicts itself. A default that contradicts what is asked for gives way
// to it. `formats`: names of result_formats() that are written; for the command render the endings of its files. With
// `formats_known` false nothing is said about formats.
ESPALIER_API void apply_option_rules(Options& options, OptionUse use, const std::vector<std::string>& formats,
                                     bool formats_known, OptionSpelling spelling);

}  // namespace espalier
