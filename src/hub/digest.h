// Hashes by which a model hub names its files, computed as the bytes come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

namespace espalier::hub {

enum class DigestKind {
  none,
  sha256,    // of large files (LFS, Xet)
  git_sha1,  // of small files: SHA-1 of "blob SIZE", a zero byte and the bytes
};

// `hex` in lower case: 64 or 40 digits, empty for none.
struct Digest {
  DigestKind kind = DigestKind::none;
  std::string hex;
  [[nodiscard]] bool known() const { return kind != DigestKind::none; }
  bool operator==(const Digest&) const = default;
};

// What an ETag means: 64 hexadecimal digits are a SHA-256, 40 a git hash, everything else is none. Quotes and W/ are stripped.
[[nodiscard]] Digest digest_of_etag(const std::string& etag);
[[nodiscard]] Digest sha256_digest(const std::string& hex);

class DigestStream {
 public:
  // `total`: the size of the whole file, which a git hash begins with.
  DigestStream(DigestKind kind, std::uint64_t total);
  DigestStream(const DigestStream&) = delete;
  DigestStream& operator=(const DigestStream&) = delete;
  ~DigestStream();

  void update(std::span<const std::byte> bytes);
  // Once, at the end. Empty for none.
  [[nodiscard]] std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Called with the number of bytes just hashed; may throw to stop.
using HashProgress = std::function<void(std::uint64_t)>;
// Of a whole file. Throws not_found or io, naming it.
[[nodiscard]] Digest digest_of_file(const std::filesystem::path& path, DigestKind kind, const HashProgress& progress = {});

}  // namespace espalier::hub
