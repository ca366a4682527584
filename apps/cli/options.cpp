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

// Wraps descriptions, which CLI11 would print as one line.
class WrappingFormatter : public CLI::Formatter {
 public:
  WrappingFormatter() { column_width(34); }

  std::string make_option(const CLI::Option* option, bool positional) const override {
    std::string text = option->get_description();
    if (!option->get_envname().empty()) text += " (" + option->get_envname() + ")";
    const std::size_t indent = get_column_width();
    std::string out = "  " + make_option_name(option, positional) + " " + option->get_type_name();
    std::size_t start = 0;  // of the current line
    const auto next_line = [&] {
      out += '\n';
      start = out.size();
    };
    const auto fill = [&] { out.append(indent - (out.size() - start), ' '); };
    if (out.size() >= indent) next_line();
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

 private:
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

// The command that the arguments name; no bit where they name none.
unsigned use_of(const std::vector<std::string>& arguments) {
  for (const std::string& argument : arguments) {
    for (const Command& command : commands()) {
      if (argument == command.name) return command.use;
    }
  }
  return 0;
}

}  // namespace

std::span<const Command> commands() {
  static constexpr std::array table{
      Command{use_generate, "generate", "Makes a 3D asset of images, or of a prompt", &generate},
      Command{use_batch, "batch", "Makes an asset of each image of a folder or a list, here or on a server, and resumes",
              &batch},
      Command{use_vary, "vary", "Gives a mesh another look, by a prompt or by images", &vary},
      Command{use_edit, "edit", "Makes a part of a saved asset anew, by a prompt or by images, and keeps the rest", &edit},
      Command{use_preprocess, "preprocess", "Writes the foreground of an image that generate would look at", &preprocess},
      Command{use_export, "export", "Writes a saved asset or latent again, without sampling, or Gaussians in another format",
              &export_asset},
      Command{use_render, "render", "Draws views, turntables and contact sheets of an asset, a mesh or Gaussians", &render},
      Command{use_serve, "serve", "Serves the studio: the page in the browser and the HTTP interface", &serve},
      Command{use_check, "check", "Reports on the mesh or the Gaussians in a file", &check},
      Command{use_convert, "convert", "Writes weights of torch.save (.pth) as a safetensors file", &convert},
      Command{use_pull, "pull", "Fetches the weights of a model, or finds them on this machine", &pull},
      Command{use_models, "models", "Lists the models that are known: what is here, what is missing, what it takes", &models},
      Command{use_info, "info", "Lists what a checkpoint holds and checks it", &info},
      Command{use_bench, "bench", "Times every stage on the workload of docs/performance.md", &bench},
      Command{use_doctor, "doctor", "Checks every kernel family on a device against known answers", &doctor},
      Command{use_completion, "completion", "Prints a script with which a shell completes commands and options", &completion},
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

std::vector<std::string> with_present_names(std::vector<std::string> arguments, std::vector<std::string>& notices) {
  const unsigned use = use_of(arguments);
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

void note_old_variables(const Command& command, std::vector<std::string>& notices) {
  for (const Option& row : option_table()) {
    if (!row.is_for(command.use)) continue;
    const std::string used = variable_in_use(row);
    if (used != row.variable()) notices.push_back("the variable " + used + " is called " + row.variable() + " now");
  }
}

}  // namespace espalier::cli
