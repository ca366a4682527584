// What a batch is made of: the images of a folder, or the rows of a CSV file.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace espalier::cli {

struct BatchItem {
  std::string name;                           // of its files, without ending; unique
  std::vector<std::filesystem::path> images;  // several are views of one object
  std::optional<std::uint32_t> seed;          // else that of the command line
};

// In the order of the names of a folder's files, or of the rows. A CSV file (RFC 4180) begins with the names of its columns:
// image is needed, name and seed may be there; paths count from its folder. Throws Error: not_found for a list that is not
// there, format for one that cannot be meant, with the line.
[[nodiscard]] std::vector<BatchItem> batch_items(const std::filesystem::path& list);

}  // namespace espalier::cli
