// Deflate by way of zlib.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace espalier {

// Raw deflate (RFC 1951) at zlib's default effort; the same bytes give the same result.
[[nodiscard]] std::vector<std::byte> deflated(std::span<const std::byte> bytes);

// The same in zlib's wrapping (RFC 1950).
[[nodiscard]] std::vector<std::byte> zlib_deflated(std::span<const std::byte> bytes);

// A gzip member (RFC 1952) without date; `comment` is its comment field: ISO 8859-1 without zeros, may be empty.
[[nodiscard]] std::vector<std::byte> gzipped(std::span<const std::byte> bytes, const std::string& comment);

// What raw deflate packed, exactly `size` bytes. `name` is for messages. Throws format when it is damaged or another size.
[[nodiscard]] std::vector<std::byte> inflated(std::span<const std::byte> bytes, std::size_t size, const std::string& name);

// Unpacks a gzip member bit by bit, so that a caller can look at the beginning before it asks for more.
class GzipReader {
 public:
  // `name` is for messages. The bytes must outlive the reader.
  GzipReader(std::span<const std::byte> bytes, std::string name);
  GzipReader(const GzipReader&) = delete;
  GzipReader& operator=(const GzipReader&) = delete;
  ~GzipReader();
  // Exactly the next out.size() bytes. Throws format when the data are damaged or end early.
  void read(std::span<std::byte> out);

 private:
  [[noreturn]] void fail_damaged(const char* reason) const;
  std::string name_;
  struct State;
  State* state_;
};

}  // namespace espalier
