// The safetensors container: an 8-byte little-endian header length, a JSON header, then raw tensors.
// Reading maps the file; writing is atomic. Nothing in a header is trusted.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace espalier {

// Where a tensor lies; `data` stays valid as long as its source.
struct TensorEntry {
  DType dtype = DType::f32;
  std::vector<std::int64_t> extents;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
};

// Anything that holds named tensors.
class TensorSource {
 public:
  TensorSource() = default;
  TensorSource(const TensorSource&) = delete;
  TensorSource& operator=(const TensorSource&) = delete;
  virtual ~TensorSource() = default;

  // What errors call this source, usually a path.
  [[nodiscard]] virtual const std::string& label() const = 0;
  // All tensors with dtype and extents, in name order. `data` may be null until read() is called.
  [[nodiscard]] virtual const std::map<std::string, TensorEntry>& entries() const = 0;
  // The bytes of a tensor that exists; valid until the next read() or the end of the source.
  [[nodiscard]] virtual TensorEntry read(const std::string& name) const = 0;
};

// A mapped safetensors file. Throws not_found or io when it cannot be opened; format when the header is not valid
// JSON of the expected shape, larger than 100 MiB or nested too deep, or when offsets overlap, leave gaps, leave the file or do
// not match dtype and shape.
class SafetensorsFile final : public TensorSource {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path);
  ~SafetensorsFile() override;

  [[nodiscard]] const std::string& label() const override { return label_; }
  [[nodiscard]] const std::map<std::string, TensorEntry>& entries() const override { return entries_; }
  [[nodiscard]] TensorEntry read(const std::string& name) const override;
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }
  [[nodiscard]] std::size_t file_bytes() const;

  // A copy of one tensor. Throws not_found naming file and tensor.
  [[nodiscard]] HostTensor load(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return entries_.count(name) != 0; }

 private:
  struct Mapping;
  std::string label_;
  std::unique_ptr<Mapping> mapping_;
  std::map<std::string, TensorEntry> entries_;
  std::map<std::string, std::string> metadata_;
};

// Writes tensors in name order, atomically.
void save_safetensors(const std::filesystem::path& path, const std::map<std::string, HostTensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

// Checks a header and returns its entries with offsets into `body` (`body_bytes` long). For the reader and its fuzzer.
std::map<std::string, TensorEntry> parse_safetensors_header(const std::string& label, const char* json, std::size_t json_bytes,
                                                            const std::byte* body, std::size_t body_bytes,
                                                            std::map<std::string, std::string>& metadata);

}  // namespace espalier
