#include "batch_list.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "espalier/error.h"
#include "paths.h"

namespace espalier::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::uintmax_t kMostBytes = std::uintmax_t{64} << 20U;  // of a CSV file
constexpr std::size_t kMostName = 200;                            // bytes of a name

[[noreturn]] void wrong_list(const fs::path& list, std::size_t line, const std::string& what, const std::string& hint) {
  throw Error(ErrorCode::format, list.string() + ", line " + std::to_string(line) + ": " + what, hint);
}

// Of the formats that images are read of.
constexpr std::array kImageEndings{".png",  ".jpg", ".jpeg", ".webp", ".avif", ".heic",
                                   ".heif", ".gif", ".tif",  ".tiff", ".bmp"};

bool is_image(const fs::path& path) {
  return std::find(kImageEndings.begin(), kImageEndings.end(), extension(path)) != kImageEndings.end();
}

std::string image_endings_in_words() {
  std::string words;
  for (const char* const ending : kImageEndings) words += (words.empty() ? "" : ", ") + std::string(ending);
  return words;
}

// Whether files can be called so: one part of a path, not hidden, nothing that a terminal would obey.
bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= kMostName && name.front() != '.' && std::none_of(name.begin(), name.end(), [](char c) {
    return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

std::vector<BatchItem> items_of_folder(const fs::path& folder) {
  std::vector<fs::path> images;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (is_image(entry.path()) && entry.is_regular_file() && !entry.path().filename().string().starts_with("."))
      images.push_back(entry.path());
  }
  if (images.empty()) {
    throw Error(ErrorCode::not_found, folder.string() + " holds no image (" + image_endings_in_words() + ")",
                "name the folder that does, or a .csv file");
  }
  std::sort(images.begin(), images.end());
  std::map<std::string, fs::path> seen;
  std::vector<BatchItem> items;
  for (const fs::path& image : images) {
    const std::string name = image.stem().string();
    const auto [before, fresh] = seen.emplace(name, image);
    if (!fresh) {
      throw Error(ErrorCode::invalid_argument,
                  before->second.string() + " and " + image.string() + " would have the same results", "rename one of them");
    }
    if (!is_name(name))
      throw Error(ErrorCode::invalid_argument, image.string() + ": results cannot be called so", "rename the image");
    items.push_back({name, {image}, {}});
  }
  return items;
}

// A reader of RFC 4180: fields in quotes hold commas, line ends and doubled quotes.
class Csv {
 public:
  explicit Csv(const fs::path& path) : path_(path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw Error(ErrorCode::io, path.string() + " cannot be read", "check its permissions");
    if (fs::file_size(path) > kMostBytes) throw Error(ErrorCode::format, path.string() + " has more than 64 MiB", "divide it");
    text_.assign(std::istreambuf_iterator<char>(file), {});
    if (text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  }

  // The fields of the next row that is not empty; none at the end. line() is where it begins.
  std::vector<std::string> row() {
    while (at_ < text_.size()) {
      line_ = next_line_;
      std::vector<std::string> fields{field()};
      while (at_ < text_.size() && text_[at_] == ',') {
        ++at_;
        fields.push_back(field());
      }
      end_of_row();
      if (fields.size() > 1 || !fields.front().empty()) return fields;
    }
    return {};
  }
  [[nodiscard]] std::size_t line() const { return line_; }

 private:
  std::string field() {
    if (at_ < text_.size() && text_[at_] == '"') return quoted();
    const std::size_t end = std::min(text_.find_first_of(",\r\n", at_), text_.size());
    std::string value = text_.substr(at_, end - at_);
    if (value.find('"') != std::string::npos)
      wrong_list(path_, line_, "a quotation mark inside a field", "put the whole field in quotes, and double the mark");
    at_ = end;
    const auto first = value.find_first_not_of(" \t");
    return first == std::string::npos ? "" : value.substr(first, value.find_last_not_of(" \t") - first + 1);
  }

  std::string quoted() {
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\n') ++next_line_;
      if (text_[at_] != '"') {
        value += text_[at_];
      } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '"') {
        value += text_[++at_];
      } else {
        ++at_;
        return value;
      }
    }
    wrong_list(path_, line_, "a quotation mark is not closed", "close it");
  }

  void end_of_row() {
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size() && text_[at_] != '\n')
      wrong_list(path_, line_, "something follows a field in quotes", "put a comma there");
    ++at_;
    ++next_line_;
  }

  fs::path path_;
  std::string text_;
  std::size_t at_ = 0, line_ = 1, next_line_ = 1;
};

std::vector<fs::path> images_of_field(const fs::path& folder, const std::string& field) {
  std::vector<fs::path> images;
  for (std::size_t start = 0; start <= field.size();) {
    const std::size_t end = std::min(field.find(';', start), field.size());
    if (end > start) images.push_back(folder / field.substr(start, end - start));
    start = end + 1;
  }
  return images;
}

// Which column holds what; the number of columns where there is none.
struct Columns {
  std::size_t image, name, seed, count;
};

Columns columns_of(const fs::path& list, const std::vector<std::string>& heading) {
  const auto at = [&](const char* name) {
    return static_cast<std::size_t>(std::find(heading.begin(), heading.end(), name) - heading.begin());
  };
  const Columns columns{at("image"), at("name"), at("seed"), heading.size()};
  for (const std::string& name : heading) {
    if (name != "image" && name != "name" && name != "seed")
      wrong_list(list, 1, "there is no column \"" + name + "\"",
                 "columns are image, name and seed; other settings are options of the command");
    if (std::count(heading.begin(), heading.end(), name) > 1)
      wrong_list(list, 1, "the column " + name + " comes twice", "remove one");
  }
  if (columns.image == columns.count)
    wrong_list(list, 1, "there is no column \"image\"", "begin the file with a line such as image,name,seed");
  return columns;
}

std::vector<BatchItem> items_of_csv(const fs::path& list) {
  Csv csv(list);
  const Columns columns = columns_of(list, csv.row());
  std::set<std::string> names;
  std::vector<BatchItem> items;
  for (std::vector<std::string> row = csv.row(); !row.empty(); row = csv.row()) {
    if (row.size() != columns.count) {
      wrong_list(list, csv.line(),
                 "it has " + std::to_string(row.size()) + " fields; the first line has " + std::to_string(columns.count),
                 "put fields with commas in quotes");
    }
    BatchItem item;
    item.images = images_of_field(list.parent_path(), row[columns.image]);
    if (item.images.empty()) wrong_list(list, csv.line(), "it names no image", "name one in the column image");
    item.name =
        columns.name < columns.count && !row[columns.name].empty() ? row[columns.name] : item.images.front().stem().string();
    if (!is_name(item.name))
      wrong_list(list, csv.line(), "results cannot be called \"" + item.name + "\"", "give a name without a path");
    if (!names.insert(item.name).second)
      wrong_list(list, csv.line(), "the name \"" + item.name + "\" comes twice",
                 "give each row a name of its own in the column name");
    if (columns.seed < columns.count && !row[columns.seed].empty()) {
      const std::string& text = row[columns.seed];
      std::uint32_t seed = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
      if (error != std::errc() || end != text.data() + text.size())
        wrong_list(list, csv.line(), "the seed \"" + text + "\" is not a whole number from 0 to 4294967295",
                   "correct it, or leave it out");
      item.seed = seed;
    }
    items.push_back(std::move(item));
  }
  if (items.empty())
    throw Error(ErrorCode::format, list.string() + " has no row", "name an image in each line after the first");
  return items;
}

}  // namespace

std::vector<BatchItem> batch_items(const fs::path& list) {
  std::error_code ignored;
  if (fs::is_directory(list, ignored)) return items_of_folder(list);
  if (!fs::is_regular_file(list, ignored)) {
    throw Error(ErrorCode::not_found, list.string() + ": no such folder or file", "name a folder of images or a .csv file");
  }
  if (extension(list) != ".csv")
    throw Error(ErrorCode::invalid_argument, list.string() + " is neither a folder nor a .csv file",
                "espalier generate takes single images");
  return items_of_csv(list);
}

}  // namespace espalier::cli
