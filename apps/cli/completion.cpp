#include "completion.h"

#include <cstdio>
#include <sstream>

#include "commands.h"
#include "options.h"

namespace espalier::cli {
namespace {

// The rows that are flags of a command.
std::vector<const Option*> flags_of(const Command& command) {
  std::vector<const Option*> rows;
  for (const Option& row : option_table()) {
    if (row.is_for(command.use) && !row.extras.positional && !row.extras.only_variable) rows.push_back(&row);
  }
  return rows;
}

const Option* positional_of(const Command& command) {
  for (const Option& row : option_table()) {
    if (row.is_for(command.use) && row.extras.positional) return &row;
  }
  return nullptr;
}

bool takes_value(const Option& row) { return row.field.type != OptionType::flag; }

bool takes_path(const Option& row) {
  const std::string& meta = row.field.meta;
  return meta == "FILE" || meta == "FOLDER" || meta == "IMAGE" || meta == "MESH" || meta == "LIST";
}

// "--output", or "-o" with `letter`; empty where there is none.
std::string flag_of(const Option& row, bool letter) {
  const std::string flags = row.flags();
  const auto comma = flags.find(',');
  if (letter) return comma == std::string::npos ? "" : flags.substr(0, comma);
  return comma == std::string::npos ? flags : flags.substr(comma + 1);
}

std::string joined_choices(const Option& row) {
  std::string text;
  for (const std::string& choice : row.field.choices) text += (text.empty() ? "" : " ") + choice;
  return text;
}

// The first sentence of the help.
std::string short_help(const Option& row) {
  const std::string text = row.description();
  const auto end = text.find(". ");
  std::string sentence = text.substr(0, end);
  if (sentence.ends_with('.')) sentence.pop_back();
  return sentence;
}

// A text between single quotes, which the three shells read alike but for the quote itself.
std::string quoted(const std::string& text, const char* quote) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string(quote) : std::string(1, c);
  return out + "'";
}

std::string command_names() {
  std::string names;
  for (const Command& command : commands()) names += std::string(names.empty() ? "" : " ") + command.name;
  return names;
}

// ---- bash

std::string bash_script() {
  std::ostringstream out;
  out << "# Completion of espalier for bash: source <(espalier completion bash)\n"
         "_espalier() {\n"
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' words='' word\n"
         "  COMPREPLY=()\n"
         "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD - 1}\"; do\n"
         "    case $word in -*) ;; *) command=$word; break ;; esac\n"
         "  done\n"
         "  case $command:$prev in\n";
  for (const Command& command : commands()) {
    for (const Option* row : flags_of(command)) {
      if (!takes_value(*row)) continue;
      std::string pattern = std::string(command.name) + ":" + flag_of(*row, false);
      if (const std::string letter = flag_of(*row, true); !letter.empty())
        pattern += "|" + std::string(command.name) + ":" + letter;
      out << "    " << pattern << ") ";
      if (!row->field.choices.empty()) {
        out << "mapfile -t COMPREPLY < <(compgen -W " << quoted(joined_choices(*row), "'\\''") << " -- \"$cur\")";
      } else if (takes_path(*row)) {
        out << "mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")";
      } else {
        out << ":";
      }
      out << "; return ;;\n";
    }
  }
  out << "  esac\n  case $command in\n    '') words=" << quoted(command_names() + " help --help --version", "'\\''") << " ;;\n"
      << "    help) words=" << quoted(command_names(), "'\\''") << " ;;\n";
  for (const Command& command : commands()) {
    std::string words = "--help";
    for (const Option* row : flags_of(command)) words.append(" ").append(flag_of(*row, false));
    const Option* const first = positional_of(command);
    if (first != nullptr && !first->field.choices.empty()) words.append(" ").append(joined_choices(*first));
    out << "    " << command.name << ") words=" << quoted(words, "'\\''") << " ;;\n";
  }
  out << "  esac\n"
         "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
         "  if [[ $cur != -* && -n $command && $command != help ]]; then\n"
         "    mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\")\n"
         "  fi\n"
         "}\n"
         "complete -o filenames -F _espalier espalier\n";
  return out.str();
}

// ---- zsh

// Brackets and colons have a meaning in the specifications of _arguments.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_value(const Option& row) {
  if (!takes_value(row)) return "";
  const std::string meta = zsh_text(row.field.meta.empty() ? "VALUE" : row.field.meta);
  if (!row.field.choices.empty()) return std::string(":").append(meta).append(":(").append(joined_choices(row)).append(")");
  if (row.field.meta == "FOLDER") return std::string(":").append(meta).append(":_files -/");
  return std::string(":").append(meta).append(":").append(takes_path(row) ? "_files" : " ");
}

std::string zsh_script() {
  std::ostringstream out;
  out << "#compdef espalier\n# Completion of espalier for zsh: espalier completion zsh > FOLDER/_espalier, FOLDER being on "
         "$fpath\n"
         "_espalier() {\n  local -a commands=(\n";
  for (const Command& command : commands())
    out << "    " << quoted(zsh_text(command.name) + ":" + zsh_text(command.summary), "'\\''") << "\n";
  out << "    'help:Prints the help of a command'\n  )\n"
         "  if (( CURRENT == 2 )); then\n    _describe command commands\n    return\n  fi\n"
         "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $command in\n"
         "    help) _describe command commands ;;\n";
  for (const Command& command : commands()) {
    out << "    " << command.name << ")\n      _arguments -s '(-h --help)'{-h,--help}'[Print this help]'";
    for (const Option* row : flags_of(command)) {
      const std::string tail =
          quoted(std::string("[").append(zsh_text(short_help(*row))).append("]").append(zsh_value(*row)), "'\\''");
      const std::string letter = flag_of(*row, true), flag = flag_of(*row, false);
      out << " \\\n        '*'"
          << (letter.empty() ? flag : std::string("{").append(letter).append(",").append(flag).append("}")) << tail;
    }
    if (const Option* const first = positional_of(command)) {
      const std::string what =
          first->field.choices.empty() ? std::string("_files") : std::string("(").append(joined_choices(*first)).append(")");
      out << " \\\n        " << quoted(std::string("*:").append(zsh_text(first->field.meta)).append(":").append(what), "'\\''");
    }
    out << " ;;\n";
  }
  out << "  esac\n}\nif [[ $funcstack[1] == _espalier ]]; then _espalier \"$@\"; else compdef _espalier espalier; fi\n";
  return out.str();
}

// ---- fish

std::string fish_script() {
  std::ostringstream out;
  constexpr const char* kQuote = "\\'";
  out << "# Completion of espalier for fish: espalier completion fish | source\n"
         "complete -c espalier -f -n __fish_use_subcommand -l help -s h -d 'Print the help'\n"
         "complete -c espalier -f -n __fish_use_subcommand -l version -d 'Print the version'\n"
         "complete -c espalier -f -n __fish_use_subcommand -a help -d 'Prints the help of a command'\n"
         "complete -c espalier -f -n '__fish_seen_subcommand_from help' -a "
      << quoted(command_names(), kQuote) << "\n";
  for (const Command& command : commands()) {
    out << "complete -c espalier -f -n __fish_use_subcommand -a " << command.name << " -d " << quoted(command.summary, kQuote)
        << "\n";
    const std::string seen = std::string("complete -c espalier -n '__fish_seen_subcommand_from ").append(command.name) + "'";
    if (const Option* const first = positional_of(command); first != nullptr && !first->field.choices.empty())
      out << seen << " -f -a " << quoted(joined_choices(*first), kQuote) << "\n";
    for (const Option* row : flags_of(command)) {
      const std::string letter = flag_of(*row, true);
      out << seen << " -l " << flag_of(*row, false).substr(2)
          << (letter.empty() ? std::string() : std::string(" -s ").append(letter, 1));
      if (!row->field.choices.empty()) {
        out << " -x -a " << quoted(joined_choices(*row), kQuote);
      } else if (takes_value(*row)) {
        out << (takes_path(*row) ? " -r -F" : " -x");
      }
      out << " -d " << quoted(short_help(*row), kQuote) << "\n";
    }
  }
  return out.str();
}

}  // namespace

std::string completion_script(Shell shell) {
  switch (shell) {
    case Shell::zsh: return zsh_script();
    case Shell::fish: return fish_script();
    default: return bash_script();
  }
}

int completion(const Settings& settings) {
  const std::string script = completion_script(settings.shell);
  std::fwrite(script.data(), 1, script.size(), stdout);
  return 0;
}

}  // namespace espalier::cli
