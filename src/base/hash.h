// SHA-256, by which assets name the checkpoints and pictures they came from.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace espalier {

// 64 lower-case hexadecimal digits.
[[nodiscard]] std::string sha256(std::span<const std::byte> bytes);
// Of a file's content, mapped and read once. Throws as MappedFile does.
[[nodiscard]] std::string sha256_of_file(const std::filesystem::path& path);

}  // namespace espalier
