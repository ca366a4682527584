#include "suggestion.h"

#include <algorithm>
#include <numeric>

#include "options.h"

namespace espalier::cli {
namespace {

// Letters to insert, leave out, replace or swap with their neighbour (optimal string alignment).
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  std::iota(d[0].begin(), d[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

std::vector<std::string> flags_of(const Command& command) {
  std::vector<std::string> flags{"--help"};
  for (const Option& row : option_table()) {
    if (!row.is_for(command.use) || row.extras.positional || row.extras.only_variable) continue;
    const std::string both = row.flags();
    flags.push_back(both.substr(both.find(',') + 1));
  }
  return flags;
}

}  // namespace

std::string nearest(const std::string& word, const std::vector<std::string>& known) {
  constexpr std::size_t kLongest = 40;
  if (word.size() > kLongest) return "";
  std::string best;
  // A third of the word may be wrong, dashes apart.
  const auto letters = static_cast<std::size_t>(std::count_if(word.begin(), word.end(), [](char c) { return c != '-'; }));
  std::size_t least = std::max<std::size_t>(1, letters / 3) + 1;
  for (const std::string& other : known) {
    const std::size_t away = distance(word, other);
    if (away < least) {
      least = away;
      best = other;
    }
  }
  return best;
}

std::string suggestion_for(const std::vector<std::string>& arguments) {
  const auto is_flag = [](const std::string& argument) { return argument.starts_with("-"); };
  const auto first = std::find_if_not(arguments.begin(), arguments.end(), is_flag);
  if (first == arguments.end()) return "";
  const auto all = commands();
  const auto command = std::find_if(all.begin(), all.end(), [&](const Command& c) { return *first == c.name; });
  if (command == all.end()) {
    std::vector<std::string> names{"help"};
    for (const Command& c : all) names.emplace_back(c.name);
    return nearest(*first, names);
  }
  const std::vector<std::string> flags = flags_of(*command);
  for (const std::string& argument : arguments) {
    const std::string flag = argument.substr(0, argument.find('='));
    if (!flag.starts_with("--") || flag == "--" || std::find(flags.begin(), flags.end(), flag) != flags.end()) continue;
    return nearest(flag, flags);
  }
  return "";
}

}  // namespace espalier::cli
