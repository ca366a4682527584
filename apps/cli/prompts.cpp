#include "prompts.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <set>
#include <utility>

#include "paths.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kMostBytes = std::uintmax_t{16} << 20U;
constexpr std::size_t kMostPrompts = 10'000;
constexpr std::size_t kLongestName = 120;

std::string quoted(const std::string& text) { return std::string(1, '"').append(text).append(1, '"'); }

[[noreturn]] void refuse(const fs::path& file, std::size_t line, const std::string& what, const std::string& hint) {
  throw Error(ErrorCode::invalid_argument, file.string() + ", line " + std::to_string(line) + ": " + what, hint);
}

std::string content_of(const fs::path& file) {
  check_readable(file, "list of prompts");
  std::error_code error;
  if (fs::file_size(file, error) > kMostBytes || error)
    throw Error(ErrorCode::invalid_argument, file.string() + ": the list of prompts is larger than 16 MiB",
                "cut it into parts");
  std::ifstream stream(file, std::ios::binary);
  std::string text(std::istreambuf_iterator<char>(stream), {});
  if (!stream) throw Error(ErrorCode::io, file.string() + ": the list of prompts cannot be read", "check its permissions");
  if (text.starts_with("\xEF\xBB\xBF")) text.erase(0, 3);
  return text;
}

bool is_blank(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isspace(c) != 0; });
}

struct Row {
  std::size_t line = 0;
  std::vector<std::string> fields;
};

// Rows of comma-separated fields (RFC 4180).
std::vector<Row> csv_rows(const fs::path& file, const std::string& text) {
  std::vector<Row> rows;
  std::size_t line = 1;
  for (std::size_t at = 0; at < text.size();) {
    Row row{line, {}};
    for (bool more = true; more;) {
      std::string field;
      if (at < text.size() && text[at] == '"') {
        for (++at;; ++at) {
          if (at >= text.size()) refuse(file, row.line, "a quote is not closed", "double the quotes inside of a field");
          if (text[at] == '\n') ++line;
          if (text[at] != '"') {
            field += text[at];
          } else if (at + 1 < text.size() && text[at + 1] == '"') {
            field += text[++at];
          } else {
            break;
          }
        }
        ++at;
      }
      while (at < text.size() && text[at] != ',' && text[at] != '\n') field += text[at++];
      if (field.ends_with('\r')) field.pop_back();
      row.fields.push_back(std::move(field));
      more = at < text.size() && text[at] == ',';
      if (more) ++at;
    }
    if (at < text.size()) ++at;  // the end of the line
    ++line;
    if (row.fields.size() > 1 || !is_blank(row.fields.front())) rows.push_back(std::move(row));
  }
  return rows;
}

void check_name(const fs::path& file, std::size_t line, const std::string& name) {
  const bool visible = std::all_of(name.begin(), name.end(), [](unsigned char c) { return c >= ' ' && c != 0x7F; });
  if (name.empty() || name.size() > kLongestName || name.front() == '.' || name.find('/') != std::string::npos || !visible)
    refuse(file, line, quoted(name.substr(0, kLongestName)) + " is not a file name",
           "use letters and digits, without / and without a dot in front");
}

std::vector<ListedPrompt> from_csv(const fs::path& file, const std::string& text) {
  std::vector<ListedPrompt> prompts;
  bool first = true;
  for (const Row& row : csv_rows(file, text)) {
    if (std::exchange(first, false) && row.fields.front() == "name") continue;
    if (row.fields.size() < 2 || row.fields.size() > 3)
      refuse(file, row.line, std::to_string(row.fields.size()) + " columns", "name, prompt and, if wanted, seed are taken");
    ListedPrompt prompt{row.fields[0], row.fields[1]};
    check_name(file, row.line, prompt.name);
    if (row.fields.size() == 3 && !is_blank(row.fields[2])) {
      const std::string& seed = row.fields[2];
      std::uint32_t value = 0;
      const auto [end, error] = std::from_chars(seed.data(), seed.data() + seed.size(), value);
      if (error != std::errc() || end != seed.data() + seed.size())
        refuse(file, row.line, quoted(seed.substr(0, 40)) + " is not a seed", "a whole number from 0 to 4294967295 is one");
      prompt.seed = value;
    }
    try {
      Pipeline::check_prompt(prompt.prompt);
    } catch (const Error& e) {
      refuse(file, row.line, std::string(e.message()), std::string(e.hint()));
    }
    prompts.push_back(std::move(prompt));
  }
  return prompts;
}

// "a-red-armchair"; empty where the prompt has no letters of ASCII.
std::string words_of(const std::string& prompt) {
  constexpr std::size_t kWords = 40;
  std::string words;
  for (const unsigned char c : prompt) {
    if (words.size() >= kWords) break;
    if (c < 0x80 && std::isalnum(c) != 0) {
      words += static_cast<char>(std::tolower(c));
    } else if (!words.empty() && words.back() != '-') {
      words += '-';
    }
  }
  while (words.ends_with('-')) words.pop_back();
  return words;
}

// "007-a-red-armchair"; the number alone where there are no words.
std::string name_for(std::size_t number, const std::string& prompt) {
  const std::string digits = std::to_string(number), words = words_of(prompt);
  const std::string name = std::string(digits.size() < 3 ? 3 - digits.size() : 0, '0') + digits;
  return words.empty() ? name : name + "-" + words;
}

std::vector<ListedPrompt> from_lines(const fs::path& file, const std::string& text) {
  std::vector<ListedPrompt> prompts;
  std::size_t line = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string prompt = text.substr(at, end - at);
    at = end + 1;
    ++line;
    if (prompt.ends_with('\r')) prompt.pop_back();
    if (is_blank(prompt)) continue;
    try {
      Pipeline::check_prompt(prompt);
    } catch (const Error& e) {
      refuse(file, line, std::string(e.message()), std::string(e.hint()));
    }
    std::string name = name_for(prompts.size() + 1, prompt);
    prompts.push_back({std::move(name), std::move(prompt)});
  }
  return prompts;
}

}  // namespace

std::string name_of_prompt(const std::string& prompt) {
  const std::string words = words_of(prompt);
  return words.empty() ? "asset" : words;
}

std::vector<ListedPrompt> read_prompts(const fs::path& file) {
  const std::string text = content_of(file);
  std::vector<ListedPrompt> prompts = extension(file) == ".csv" ? from_csv(file, text) : from_lines(file, text);
  if (prompts.empty())
    throw Error(ErrorCode::invalid_argument, file.string() + ": there is no prompt in it", "write one a line");
  if (prompts.size() > kMostPrompts) {
    throw Error(ErrorCode::invalid_argument, file.string() + ": " + std::to_string(prompts.size()) + " prompts",
                "at most " + std::to_string(kMostPrompts) + " are taken at once, so cut the list into parts");
  }
  std::set<std::string> names;
  for (const ListedPrompt& prompt : prompts) {
    if (!names.insert(prompt.name).second)
      throw Error(ErrorCode::invalid_argument, file.string() + ": the name " + prompt.name + " comes twice",
                  "names are those of files");
  }
  return prompts;
}

}  // namespace espalier::cli
