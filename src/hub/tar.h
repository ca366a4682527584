// The part of tar archives that bundles need: regular files one after the other, sizes beyond 8 GiB included.
#pragma once

#include <cstdint>
#include <fstream>
#include <optional>
#include <span>
#include <string>

namespace espalier::hub {

inline constexpr std::size_t kTarBlock = 512;

// The header of a regular file; names of at most 99 bytes.
[[nodiscard]] std::string tar_header(const std::string& name, std::uint64_t bytes);
// Zeros that fill the last block of so many bytes.
[[nodiscard]] std::string tar_padding(std::uint64_t bytes);
// The end of an archive.
[[nodiscard]] std::string tar_end();
// Bytes that an entry takes, header and padding included.
[[nodiscard]] std::uint64_t tar_size(std::uint64_t bytes);

struct TarEntry {
  std::string name;
  std::uint64_t bytes = 0;
};
// The entry of a header block; nothing at the end of the archive (a block of zeros). Throws format, naming `where`, for what is
// no header of a regular file.
[[nodiscard]] std::optional<TarEntry> parse_tar_header(const std::string& where, std::span<const char, kTarBlock> block);

}  // namespace espalier::hub
