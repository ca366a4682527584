// espalier: the command. Exit codes: 0 done, 1 an error (one line on standard error; of several inputs at least one failed, and
// those are listed at the end), 2 wrong usage, 130 stopped by Ctrl-C or SIGTERM, 141 the reader of standard output went away.
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "configuration.h"
#include "espalier/option_rules.h"
#include "interrupt.h"
#include "option_documents.h"
#include "options.h"
#include "outputs.h"
#include "server/serve.h"
#include "standard_streams.h"
#include "suggestion.h"
#include "text.h"

namespace {

using namespace espalier;
using namespace espalier::cli;

constexpr int exit_failure = 1;
constexpr int exit_usage = 2;
constexpr int exit_reader_left = 141;  // as a shell reports SIGPIPE

// Where the password of an address such as redis://:PASSWORD@HOST lies: from, and behind. Nothing where there is none.
std::optional<std::pair<std::size_t, std::size_t>> password_in(std::string_view text) {
  for (const std::string_view scheme : {"redis://", "rediss://"}) {
    const auto begin = text.find(scheme);
    const auto end = text.rfind('@');
    if (begin != std::string_view::npos && end != std::string_view::npos && end > begin + scheme.size())
      return std::pair(begin + scheme.size(), end);
  }
  return std::nullopt;
}

// It is nothing for the list of processes, and nothing for messages.
void hide_passwords(int argc, char** argv) {
  for (char** word = argv; word < argv + argc; ++word) {
    if (const auto found = password_in(*word)) std::fill(*word + found->first, *word + found->second, '*');
  }
}
std::string without_password(std::string text) {
  if (const auto found = password_in(text))
    std::fill(text.begin() + static_cast<std::ptrdiff_t>(found->first),
              text.begin() + static_cast<std::ptrdiff_t>(found->second), '*');
  return text;
}

int complain(int code, const std::string& text) {
  std::fflush(stdout);
  std::fprintf(stderr, "%s %s\n", painted("espalier:", Paint::error, colours_on(STDERR_FILENO)).c_str(),
               one_line(without_password(text)).c_str());
  return code;
}

int wrong_usage(const std::string& command, const std::string& text) {
  return complain(exit_usage, text + " (see: espalier" + (command.empty() ? "" : " " + command) + " --help)");
}
int wrong_usage(const CLI::App* command, const std::string& text) {
  return wrong_usage(command == nullptr ? std::string() : command->get_name(), text);
}

// Standard output is a pipe that nobody reads any more.
bool reader_left() {
  pollfd out{STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

// "help export" as "export --help".
std::vector<std::string> with_help_flag(std::vector<std::string> arguments) {
  if (arguments.empty() || arguments.front() != "help") return arguments;
  arguments.erase(arguments.begin());
  arguments.resize(std::min<std::size_t>(arguments.size(), 1));
  const auto all = commands();
  const bool known = arguments.empty() || std::any_of(all.begin(), all.end(), [&](const Command& command) {
                       return arguments.front() == command.name;
                     });
  if (known) arguments.emplace_back("--help");
  return arguments;
}

// Refuses options that contradict each other or have no effect.
void apply_rules(const Command& command, Settings& settings) {
  const auto formats = formats_written(settings, command.use);
  try {
    apply_option_rules(settings, command.use, formats.value_or(std::vector<std::string>()), formats.has_value(),
                       OptionSpelling::flags);
  } catch (const Error& error) {
    throw UsageError(error.what());
  }
}

int run_command(const Command& command, Settings& settings) {
  apply_rules(command, settings);
  const bool draws = command.use == use_preprocess || command.use == use_render;
  const StandardStreams streams(settings, draws ? ".png" : ".glb");
  const int code = command.run(settings);
  if (code == 0) streams.deliver();
  return code;
}

const CLI::App* chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? nullptr : chosen.front();
}

int run(int argc, char** argv) {
  CLI::App app("Espalier: images or text in, 3D assets out", "espalier");
  Settings settings;
  std::vector<std::string> notices;
  std::string document;
  app.set_help_flag("-h,--help", "Print this help.");
  app.set_version_flag("--version", "espalier " + version(), "Print the version.");
  app.add_option("--dump-options", document, "")->group("")->check(CLI::IsMember(option_documents()));
  app.require_subcommand(0, 1);
  app.footer("espalier help COMMAND describes a command.");
  add_commands(app, settings, notices);
  const std::vector<std::string> given = with_help_flag({argv + std::min(argc, 1), argv + argc});
  hide_passwords(argc, argv);
  std::vector<std::string> arguments;
  try {
    arguments = with_present_names(given, notices);
    if (const Command* const command = command_of(arguments); command != nullptr) {
      const std::filesystem::path file = configuration_file(arguments, settings);
      if (!file.empty()) apply_configuration(file, *command, settings, notices);
    }
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));  // the order that CLI11 wants
  } catch (const CLI::Success& request) {
    return app.exit(request);  // help or version
  } catch (const UsageError& error) {
    return wrong_usage(command_of(arguments)->name, error.what());
  } catch (const CLI::ExtrasError& error) {
    const std::string meant = suggestion_for(given);
    return wrong_usage(chosen_command(app), meant.empty() ? error.what() : error.what() + ("; did you mean " + meant) + "?");
  } catch (const CLI::ParseError& error) {
    return wrong_usage(chosen_command(app), error.what());
  }
  if (!document.empty()) {
    std::cout << option_document(document);
    return 0;
  }
  const CLI::App* chosen = chosen_command(app);
  if (chosen == nullptr) {
    std::string names;
    for (const Command& command : commands()) names += (names.empty() ? "" : ", ") + std::string(command.name);
    return wrong_usage(nullptr, "no command is given; one of " + names + " is needed");
  }
  try {
    for (const Command& command : commands()) {
      if (chosen->get_name() != command.name) continue;
      note_old_variables(command, notices);
      note_asked(command, arguments, settings);
      for (const std::string& notice : notices) std::fprintf(stderr, "espalier: %s\n", one_line(notice).c_str());
      return run_command(command, settings);
    }
  } catch (const UsageError& error) {
    return wrong_usage(chosen, error.what());
  }
  return exit_usage;
}

}  // namespace

int main(int argc, char** argv) {
  // A file that grows past the user's limit, or a reader that goes away, is an error to report, not a way to die.
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    // Not a command for people: docs/operations.md.
    if (argc == 2 && std::string_view(argv[1]) == "worker" && server::is_worker_of_server()) return server::run_worker();
    const int code = run(argc, argv);
    std::cout.flush();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) {
      if (reader_left()) return exit_reader_left;
      return complain(exit_failure, "cannot write to standard output; is the disk full?");
    }
    return code;
  } catch (const Error& error) {
    return complain(error.code() == ErrorCode::cancelled ? exit_interrupted : exit_failure, error.what());
  } catch (const std::bad_alloc&) {
    return complain(exit_failure, "out of memory on the host; close other programs, or try --vram-tier low");
  } catch (const std::exception& error) {
    return complain(exit_failure,
                    std::string("unexpected failure: ") + error.what() + "; please report it with the command line");
  }
}
