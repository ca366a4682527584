// A file that exists only in memory: a member of a set that belongs together, or of an archive.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace espalier {

struct NamedFile {
  std::string name;  // relative; folders are separated by slashes
  std::vector<std::byte> bytes;
};

// Throws invalid_argument when `stem` cannot begin the names of files: empty, more than 200 bytes, a slash, a backslash, a
// control character or a leading dot. `format` is for the message.
void check_stem(const std::string& stem, const char* format);

// Writes every file into an existing folder, each as write_file does, in the order given: put the file that names the
// others last, so that whoever sees it finds them.
void write_files(const std::filesystem::path& folder, std::span<const NamedFile> files);

}  // namespace espalier
