// The safetensors container: an 8-byte little-endian header length, a JSON header, then raw tensors.
// Reading maps the file; writing is atomic. Nothing in a header is trusted.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "weights/tensor_source.h"

namespace espalier {

// A mapped safetensors file. Throws not_found or io when it cannot be opened; format when the header is not valid
// JSON of the expected shape, larger than 100 MiB, of more than 2^20 values or nested too deep, or when offsets overlap, leave
// gaps, leave the file or do not match dtype and shape.
class SafetensorsFile final : public TensorSource {
 public:
  explicit SafetensorsFile(const std::filesystem::path& path) : SafetensorsFile(MappedFile(path)) {}
  explicit SafetensorsFile(MappedFile file);

  [[nodiscard]] const std::string& label() const override { return label_; }
  [[nodiscard]] const std::map<std::string, TensorEntry>& entries() const override { return entries_; }
  [[nodiscard]] TensorEntry read(const std::string& name) const override;
  void check_intact() const override { file_.check_intact(); }
  // A copy of one tensor. Throws not_found naming file and tensor.
  [[nodiscard]] HostTensor load(const std::string& name) const;
  [[nodiscard]] bool has(const std::string& name) const { return entries_.count(name) != 0; }

 private:
  std::string label_;
  MappedFile file_;
  std::map<std::string, TensorEntry> entries_;
};

// Where everything lies in a file of these tensors, in the form of the public library: first those of the widest type (I64,
// F64, F32, I32, BF16, F16, I16, I8, U8, BOOL), those of one type in the order of their names; the header padded with spaces to
// 8 bytes. So files of the same tensors are the same bytes, whoever writes them.
struct SafetensorsLayout {
  std::string head;                // length and header, up to the first tensor
  std::vector<std::string> order;  // names
  std::uint64_t body_bytes = 0;
};
// `data` of the entries is not looked at. Throws format for names that are not UTF-8 or are reserved.
[[nodiscard]] SafetensorsLayout plan_safetensors(const std::map<std::string, TensorEntry>& entries,
                                                 const std::map<std::string, std::string>& metadata);

// Writes all tensors of `source` with its metadata, one after the other and atomically. Returns the SHA-256 of the file.
std::string write_safetensors(const std::filesystem::path& path, const TensorSource& source);

// A file's bytes.
[[nodiscard]] std::vector<std::byte> encode_safetensors(const std::map<std::string, HostTensor>& tensors,
                                                        const std::map<std::string, std::string>& metadata = {});
// Writes tensors, atomically.
void save_safetensors(const std::filesystem::path& path, const std::map<std::string, HostTensor>& tensors,
                      const std::map<std::string, std::string>& metadata = {});

// Checks a header and returns its entries with offsets into `body` (`body_bytes` long). For the reader and its fuzzer.
std::map<std::string, TensorEntry> parse_safetensors_header(const std::string& label, const char* json, std::size_t json_bytes,
                                                            const std::byte* body, std::size_t body_bytes,
                                                            std::map<std::string, std::string>& metadata);

}  // namespace espalier
