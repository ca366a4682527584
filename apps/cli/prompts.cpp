#include "prompts.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <limits>
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

constexpr std::size_t kNoColumn = std::numeric_limits<std::size_t>::max();

// Which column holds what, of how many; without a header name, prompt and perhaps seed.
struct Columns {
  std::size_t name = 0, prompt = 1, seed = 2, count = 3;
  bool named = false;  // by a header
};

std::string trimmed(const std::string& text) {
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  const auto begin = std::find_if_not(text.begin(), text.end(), is_space);
  const auto end = std::find_if_not(text.rbegin(), text.rend(), is_space).base();
  return begin < end ? std::string(begin, end) : std::string();
}

// " Prompt" as "prompt".
std::string title_of(const std::string& cell) {
  std::string title = trimmed(cell);
  std::transform(title.begin(), title.end(), title.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return title;
}

bool is_column(const std::string& title) { return title == "name" || title == "prompt" || title == "seed"; }

bool is_header(const Row& row) {
  return std::none_of(row.fields.begin(), row.fields.end(), is_blank) &&
         std::any_of(row.fields.begin(), row.fields.end(), [](const std::string& cell) { return is_column(title_of(cell)); });
}

Columns columns_of(const fs::path& file, const Row& header) {
  std::vector<std::string> titles;
  for (const std::string& cell : header.fields) {
    const std::string title = title_of(cell);
    if (!is_column(title))
      refuse(file, header.line, "there is no column " + quoted(trimmed(cell)), "columns are name, prompt and seed");
    if (std::find(titles.begin(), titles.end(), title) != titles.end())
      refuse(file, header.line, "the column " + title + " comes twice", "remove one");
    titles.push_back(title);
  }
  const auto at = [&](const char* title) {
    const auto found = std::find(titles.begin(), titles.end(), title);
    return found == titles.end() ? kNoColumn : static_cast<std::size_t>(found - titles.begin());
  };
  const Columns columns{at("name"), at("prompt"), at("seed"), titles.size(), true};
  if (columns.prompt == kNoColumn)
    refuse(file, header.line, "there is no column " + quoted("prompt"), "begin the file with a line such as name,prompt,seed");
  return columns;
}

void check_count(const fs::path& file, const Row& row, const Columns& columns) {
  const std::size_t count = row.fields.size();
  if (columns.named && count > columns.count) {
    refuse(file, row.line, std::to_string(count) + " fields, but the first line has " + std::to_string(columns.count),
           "put fields with commas in quotes");
  }
  if (!columns.named && (count < 2 || count > columns.count))
    refuse(file, row.line, std::to_string(count) + " columns", "name, prompt and, if wanted, seed are taken");
}

// What a row has in a column; empty for none. Under a header, spaces around it do not count.
std::string field_of(const Row& row, std::size_t column, const Columns& columns) {
  if (column >= row.fields.size()) return {};
  return columns.named ? trimmed(row.fields[column]) : row.fields[column];
}

std::uint32_t seed_of(const fs::path& file, std::size_t line, const std::string& seed) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(seed.data(), seed.data() + seed.size(), value);
  if (error != std::errc() || end != seed.data() + seed.size())
    refuse(file, line, quoted(seed.substr(0, 40)) + " is not a seed", "a whole number from 0 to 4294967295 is one");
  return value;
}

// `number`: counted from 1, for the name where no column has one.
ListedPrompt prompt_of(const fs::path& file, const Row& row, const Columns& columns, std::size_t number) {
  check_count(file, row, columns);
  const std::string text = field_of(row, columns.prompt, columns), seed = field_of(row, columns.seed, columns);
  ListedPrompt prompt{columns.name == kNoColumn ? name_for(number, text) : field_of(row, columns.name, columns), text};
  check_name(file, row.line, prompt.name);
  if (!is_blank(seed)) prompt.seed = seed_of(file, row.line, seed);
  try {
    Pipeline::check_prompt(prompt.prompt);
  } catch (const Error& e) {
    refuse(file, row.line, std::string(e.message()), std::string(e.hint()));
  }
  return prompt;
}

std::vector<ListedPrompt> from_csv(const fs::path& file, const std::string& text) {
  std::vector<Row> rows = csv_rows(file, text);
  Columns columns;
  if (!rows.empty() && is_header(rows.front())) {
    columns = columns_of(file, rows.front());
    rows.erase(rows.begin());
  }
  std::vector<ListedPrompt> prompts;
  for (const Row& row : rows) prompts.push_back(prompt_of(file, row, columns, prompts.size() + 1));
  return prompts;
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
