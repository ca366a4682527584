// The manifest of a batch: manifest.jsonl in the folder of its results, one JSON object a line, the last of a name counts.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

namespace espalier::cli {

using Json = nlohmann::ordered_json;

// Hexadecimal. Throws Error io when the file cannot be read.
[[nodiscard]] std::string sha256_of_file(const std::filesystem::path& path);
[[nodiscard]] std::string sha256_of_text(const std::string& text);

// "2026-01-31T12:00:00Z"
[[nodiscard]] std::string time_now();

// One process at a time has it open.
class Manifest {
 public:
  // Makes the folder. A last line that is not whole, as a sudden end leaves it, is removed. Throws Error: io, format for a
  // manifest that another program wrote, invalid_argument when another process has it open.
  explicit Manifest(const std::filesystem::path& folder);
  Manifest(const Manifest&) = delete;
  Manifest& operator=(const Manifest&) = delete;
  ~Manifest();

  // What it says of a name; null when nothing.
  [[nodiscard]] const Json* last(const std::string& name) const;
  // On the disk when the function returns.
  void append(const Json& entry);
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  void read();

  std::filesystem::path path_;
  int file_ = -1;
  std::map<std::string, Json> entries_;
};

}  // namespace espalier::cli
