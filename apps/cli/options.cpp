#include "options.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <sstream>

#include "commands.h"

namespace espalier::cli {
namespace {

// Of a line of help: what the terminal has, within reason.
std::size_t line_length() {
  constexpr std::size_t kUsual = 110, kLeast = 60;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kUsual;
  return std::clamp<std::size_t>(size.ws_col, kLeast, kUsual);
}

// Wraps texts, which CLI11 would print as one line each.
class WrappingFormatter : public CLI::Formatter {
 public:
  WrappingFormatter() { column_width(34); }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string text = option->get_description();
    if (!option->get_envname().empty()) text += " (" + option->get_envname() + ")";
    return in_columns("  " + make_option_name(option, positional) + " " + option->get_type_name(), text);
  }
  std::string make_subcommand(const CLI::App* command) const override {
    return in_columns("  " + command->get_name(), command->get_description());
  }
  std::string make_description(const CLI::App* app) const override { return wrapped("", app->get_description(), 0) + "\n"; }
  std::string make_footer(const CLI::App* app) const override {
    return app->get_footer().empty() ? "" : "\n" + wrapped("", app->get_footer(), 0);
  }

 private:
  [[nodiscard]] std::string in_columns(const std::string& left, const std::string& text) const {
    // On a narrow terminal the texts get the larger part.
    return wrapped(left, text, std::min<std::size_t>(get_column_width(), line_length_ / 3));
  }
  [[nodiscard]] std::string wrapped(const std::string& left, const std::string& text, std::size_t indent) const {
    std::string out = left;
    std::size_t start = 0;  // of the current line
    const auto next_line = [&] {
      out += '\n';
      start = out.size();
    };
    const auto fill = [&] { out.append(indent - (out.size() - start), ' '); };
    if (indent > 0 && out.size() >= indent) next_line();
    fill();
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      if (out.size() - start + 1 + word.size() > line_length_) {
        next_line();
        fill();
      } else if (out.size() - start > indent) {
        out += ' ';
      }
      out += word;
    }
    return out + "\n";
  }

  std::size_t line_length_ = line_length();
};

// "--vram-tier" of "-v,--vram-tier", or the positional name.
std::string long_flag(const Option& row) {
  const std::string flags = row.flags();
  return flags.substr(flags.find(',') + 1);
}

void add_option(CLI::App& app, const Option& row, Settings& settings, std::vector<std::string>& notices) {
  const auto set = [&app, &row, &settings, &notices](const std::optional<std::string>& text) {
    if (app.parsed() == 0) return;  // the variable counts for the command that was given, which may overrule it
    try {
      if (row.name == "prompt" && text == "")
        throw Error(ErrorCode::invalid_argument, "the prompt is empty", "say what to make");
      row.set_text(settings, text, notices);
    } catch (const Error& error) {
      throw CLI::ValidationError(long_flag(row), error.what());
    }
  };
  CLI::Option* option = nullptr;
  if (row.field.type == OptionType::flag) {
    option = app.add_flag_callback(
        row.flags(), [set] { set(std::nullopt); }, row.description());
  } else {
    option = app.add_option(
        row.flags(),
        [set](const CLI::results_t& texts) {
          std::for_each(texts.begin(), texts.end(), set);
          return true;
        },
        row.description());
    option->type_name(row.extras.positional ? "" : row.field.meta);
    if (row.field.repeats) {
      // A flag takes one value at a time, so that images may follow it; a position takes all that come.
      option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      if (row.extras.positional) option->expected(-1);
    }
  }
  option->group(std::string(title_of(row.group)));
  if (const std::string variable = variable_in_use(row); !variable.empty()) option->envname(variable);
}

// Whether the default of the option is to do nothing: none, auto, or the lowest number.
bool default_is_nothing(const Option& row) {
  const OptionValue value = row.field.get(Options());
  const auto idle = [](const std::string& word) { return word.empty() || word == "auto" || word == "none"; };
  if (const auto* const word = std::get_if<std::string>(&value)) return idle(*word);
  if (const auto* const words = std::get_if<std::vector<std::string>>(&value))
    return std::all_of(words->begin(), words->end(), idle);
  if (const auto* const whole = std::get_if<std::int64_t>(&value)) return static_cast<double>(*whole) == row.field.low;
  if (const auto* const number = std::get_if<double>(&value)) return *number == row.field.low;
  return true;
}

}  // namespace

std::span<const Command> commands() {
  static constexpr std::array table{
      Command{use_generate, "generate", "Make 3D assets from images or from a prompt", &generate},
      Command{use_batch, "batch", "Make an asset of every image in a folder or list, here or on a server; can be resumed",
              &batch},
      Command{use_vary, "vary", "Give a mesh a new look, from a prompt or from images", &vary},
      Command{use_edit, "edit", "Remake a part of a saved asset, from a prompt or from images, and keep the rest", &edit},
      Command{use_preprocess, "preprocess", "Write the foreground of an image as generate would see it", &preprocess},
      Command{use_export, "export",
              "Write a saved asset or latent in any format without sampling; convert meshes and Gaussians", &export_asset},
      Command{use_render, "render", "Draw views, turntables and contact sheets of an asset, a mesh or Gaussians", &render},
      Command{use_serve, "serve", "Run the studio: the page in the browser and the HTTP interface", &serve},
      Command{use_worker, "worker", "Run jobs of a fleet of servers, which are in Redis (docs/operations.md)", &worker},
      Command{use_key, "key", "Make a key for a person who uses a server, and the line that its --keys file needs", &key},
      Command{
          use_mcp, "mcp",
          "Offer generate, export and status as tools to an AI client (Model Context Protocol on standard input and output)",
          &mcp},
      Command{use_check, "check", "Report on the meshes and Gaussians in files", &check},
      Command{use_convert, "convert", "Write weights as a safetensors file: those of torch.save (.pth), or in 8 bits",
              &convert},
      Command{use_pull, "pull", "Fetch the weights of a model, or find them on this machine", &pull},
      Command{use_models, "models", "List the known models: what is here, what is missing, how large they are", &models},
      Command{use_info, "info", "List and check the contents of a checkpoint", &info},
      Command{use_plan, "plan", "Show the memory that a job will take, stage by stage, and which setting makes it fit", &plan},
      Command{use_bench, "bench", "Time every stage on the workload of docs/performance.md", &bench},
      Command{use_doctor, "doctor", "Check every kernel family on a device against known answers", &doctor},
      Command{use_completion, "completion", "Print a shell script that completes commands and options", &completion},
  };
  return table;
}

void add_commands(CLI::App& app, Settings& settings, std::vector<std::string>& notices) {
  app.formatter(std::make_shared<WrappingFormatter>());
  settings.weights.variables = environment_variables();
  for (const Command& command : commands()) {
    CLI::App* sub = app.add_subcommand(command.name, command.summary);
    sub->set_help_flag("-h,--help", "Print this help.");
    for (const Option& row : option_table()) {
      if (!row.is_for(command.use)) continue;
      if (!row.extras.only_variable) {
        add_option(*sub, row, settings, notices);
      } else if (const std::string value = environment_value(row.variable()); !value.empty()) {
        row.set_text(settings, value, notices);
      }
    }
  }
}

const Command* command_of(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    for (const Command& command : commands()) {
      if (argument == command.name) return &command;
    }
  }
  return nullptr;
}

std::vector<std::string> with_present_names(std::vector<std::string> arguments, std::vector<std::string>& notices) {
  const Command* const command = command_of(arguments);
  const unsigned use = command == nullptr ? 0U : unsigned{command->use};
  for (std::string& argument : arguments) {
    const std::string flag = argument.substr(0, argument.find('='));
    for (const Option& row : option_table()) {
      if (!row.is_for(use)) continue;
      const auto& old = row.extras.old;
      if (std::none_of(old.begin(), old.end(), [&](const std::string& name) { return flag == "--" + name; })) continue;
      notices.push_back(flag + " is called " + long_flag(row) + " now");
      argument.replace(0, flag.size(), long_flag(row));
    }
  }
  return arguments;
}

void note_asked(const Command& command, const std::vector<std::string>& arguments, Settings& settings) {
  for (const Option& row : option_table()) {
    if (!row.is_for(command.use) || row.extras.positional || row.extras.only_variable) continue;
    const bool given = std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
      return argument.substr(0, argument.find('=')) == long_flag(row);
    });
    const bool changed = row.field.get(settings) != row.field.get(Options());
    if (given && (changed || !default_is_nothing(row))) settings.asked.insert(row.name);
  }
}

void note_old_variables(const Command& command, std::vector<std::string>& notices) {
  for (const Option& row : option_table()) {
    if (!row.is_for(command.use)) continue;
    const std::string used = variable_in_use(row);
    if (used != row.variable()) notices.push_back("the variable " + used + " is called " + row.variable() + " now");
  }
}

}  // namespace espalier::cli
