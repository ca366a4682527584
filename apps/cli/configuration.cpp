#include "configuration.h"

#include <algorithm>
#include <fstream>
#include <string_view>

#include "suggestion.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

constexpr const char* kFlag = "--config";

std::string key_of(const Option& row) {
  const std::string flags = row.flags();
  return flags.substr(flags.find("--") + 2);
}

// What a file may set: what a variable may set, too.
bool is_configurable(const Option& row) {
  return row.is_for(use_environment) && !row.extras.positional && !row.extras.only_variable && row.name != "config" &&
         !row.extras.secret;
}

const Option* find_row(const std::string& key, unsigned uses) {
  const auto& table = option_table();
  const auto found = std::find_if(table.begin(), table.end(), [&](const Option& row) {
    return row.is_for(uses) && is_configurable(row) && key_of(row) == key;
  });
  return found == table.end() ? nullptr : &*found;
}

const Command* find_command(const std::string& name) {
  const auto all = commands();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Command& command) { return command.name == name; });
  return found == all.end() ? nullptr : &*found;
}

std::string suggested(const std::string& key, unsigned uses) {
  std::vector<std::string> known;
  for (const Option& row : option_table()) {
    if (row.is_for(uses) && is_configurable(row)) known.push_back(key_of(row));
  }
  const std::string near = nearest(key, known);
  return near.empty() ? "" : "; did you mean " + near + "?";
}

void take(const Option& row, const CLI::ConfigItem& item, Settings& settings, std::vector<std::string>& notices) {
  std::string text;
  for (const std::string& input : item.inputs) text += (text.empty() ? "" : ",") + input;
  if (row.field.type != OptionType::flag) return row.set_text(settings, text, notices);
  if (text != "true" && text != "false") throw Error(ErrorCode::invalid_argument, "\"" + text + "\" is neither true nor false");
  if (text == "true") return row.set_text(settings, std::nullopt, notices);
  row.field.set(settings, row.field.get(Settings()));
}

// That some editors put in front of UTF-8.
void skip_byte_order_mark(std::istream& in) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  std::string begin(kMark.size(), '\0');
  in.read(begin.data(), static_cast<std::streamsize>(begin.size()));
  if (begin == kMark) return;
  in.clear();
  in.seekg(0);
}

}  // namespace

fs::path configuration_file(const std::vector<std::string>& arguments, const Settings& settings) {
  fs::path file = environment_value("ESPALIER_CONFIG");
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == kFlag && i + 1 < arguments.size()) file = arguments[i + 1];
    if (arguments[i].starts_with(std::string(kFlag) + "=")) file = arguments[i].substr(std::string(kFlag).size() + 1);
  }
  std::error_code ignored;
  if (!file.empty()) {
    if (fs::is_regular_file(file, ignored)) return file;
    throw Error(ErrorCode::not_found, "the configuration file " + file.string() + " is not there", "check the name");
  }
  if (settings.config_home.empty() && settings.home.empty()) return {};
  file = settings.config_home.empty() ? fs::path(settings.home) / ".config" : fs::path(settings.config_home);
  file /= "espalier/config.toml";
  return fs::is_regular_file(file, ignored) ? file : fs::path();
}

void apply_configuration(const fs::path& file, const Command& command, Settings& settings, std::vector<std::string>& notices) {
  std::vector<CLI::ConfigItem> items;
  try {
    std::ifstream in(file, std::ios::binary);
    skip_byte_order_mark(in);
    items = CLI::ConfigTOML().from_config(in);
  } catch (const CLI::Error& error) {
    throw UsageError(file.string() + ": " + error.what());
  }
  // A table counts for more than the top of the file, wherever it stands.
  std::stable_sort(items.begin(), items.end(),
                   [](const CLI::ConfigItem& a, const CLI::ConfigItem& b) { return a.parents.size() < b.parents.size(); });
  for (const CLI::ConfigItem& item : items) {
    if (item.name == "++" || item.name == "--") continue;  // where CLI11 enters and leaves a table
    const std::string where = file.string() + ": " + item.fullname();
    const Command* const named = item.parents.empty() ? nullptr : find_command(item.parents.front());
    if (item.parents.size() > 1 || (named == nullptr && !item.parents.empty()))
      throw UsageError(where + ": [" + item.parents.front() + "] is not a command");
    const unsigned uses = named != nullptr ? unsigned{named->use} : ~0U;
    if (find_row(item.name, uses) == nullptr) throw UsageError(where + " is unknown" + suggested(item.name, uses));
    if (named != nullptr && named->use != command.use) continue;
    const Option* const row = find_row(item.name, command.use);
    if (row == nullptr) continue;
    try {
      take(*row, item, settings, notices);
    } catch (const Error& error) {
      throw UsageError(where + ": " + error.what());
    }
  }
}

}  // namespace espalier::cli
