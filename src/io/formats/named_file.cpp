#include "io/formats/named_file.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"

namespace espalier {

void check_stem(const std::string& stem, const char* format) {
  constexpr std::size_t kLongest = 200;  // file systems take 255 bytes, and endings come behind
  const bool bad =
      stem.empty() || stem.size() > kLongest || stem.front() == '.' || std::any_of(stem.begin(), stem.end(), [](char c) {
        return c == '/' || c == '\\' || static_cast<unsigned char>(c) < ' ' || c == '\x7F';
      });
  if (bad)
    fail(ErrorCode::invalid_argument, format, ": \"", stem, "\" cannot be the name of a file", hint("use letters and digits"));
}

void write_files(const std::filesystem::path& folder, std::span<const NamedFile> files) {
  for (const NamedFile& file : files) write_file(folder / file.name, file.bytes);
}

}  // namespace espalier
