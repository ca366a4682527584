// Zip archives that anybody may have made, in memory.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "io/formats/reader_parts.h"

namespace espalier::reader {

class ZipArchive {
 public:
  // Reads the directory at the end. The source, whose bytes are the archive, must outlive it. Throws format for a damaged one.
  explicit ZipArchive(const Source& source);

  // Names of the files in it, in the order of the directory.
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  // The name as the archive has it, in whatever case it is asked for; nothing when it is not there.
  [[nodiscard]] std::optional<std::string> find(const std::string& name) const;
  // A member's bytes. What all of them unpack to is limited before memory is taken. Throws format for a damaged member and
  // unsupported for one that is encrypted or packed otherwise than by deflate.
  [[nodiscard]] std::vector<std::byte> read(const std::string& name) const;

 private:
  struct Member {
    std::uint16_t flags, method;
    std::uint32_t crc, packed, size, offset;
  };
  [[nodiscard]] const Member& member(const std::string& name) const;

  const Source& source_;
  std::vector<std::string> names_;
  std::map<std::string, Member, std::less<>> members_;
  std::map<std::string, std::string, std::less<>> lower_;  // in lower case -> as it is
  mutable std::uint64_t unpacked_ = 0;
};

// The description in a SOG: in the archive itself, or in the one folder that somebody packed with its images.
[[nodiscard]] std::optional<std::string> sog_meta(const ZipArchive& archive);

// The folder of one member of an archive.
class ZipFolder final : public Folder {
 public:
  // `member`: whose folder it is. The archive must outlive it.
  ZipFolder(const ZipArchive& archive, const std::string& member)
      : archive_(archive), prefix_(member.substr(0, member.rfind('/') == std::string::npos ? 0 : member.rfind('/') + 1)) {}
  [[nodiscard]] std::optional<std::string> find(const std::string& name) const override {
    const auto found = archive_.find(prefix_ + name);
    return found ? std::optional(found->substr(prefix_.size())) : std::nullopt;
  }
  [[nodiscard]] std::vector<std::byte> read(const std::string& name) const override { return archive_.read(prefix_ + name); }

 private:
  const ZipArchive& archive_;
  std::string prefix_;
};

}  // namespace espalier::reader
