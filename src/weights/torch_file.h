// Files of torch.save (.pth, .pt, .bin): the zip archives that it writes since version 1.6, and the older format of pickles
// one after the other. The file is mapped; only what its pickle names is looked at, and no code in it is ever run.
//
// The tensors are those of the state dictionary: the dictionary that was saved, or, where that holds others (a training
// checkpoint), the one under state_dict, model, ... or the only one with tensors.
#pragma once

#include <filesystem>
#include <memory>

#include "base/file.h"
#include "weights/tensor_source.h"

namespace espalier {

class TorchFile final : public TensorSource {
 public:
  // Throws not_found or io when the file cannot be mapped; format when it is damaged, when a tensor leaves its storage or is
  // far larger than it, or when it holds no dictionary of tensors; unsupported for compressed archives, big-endian files, and
  // any name or opcode in the pickle that weights do not need. A file that is refused takes less than 64 MiB of memory.
  explicit TorchFile(const std::filesystem::path& path) : TorchFile(MappedFile(path)) {}
  explicit TorchFile(MappedFile file);

  [[nodiscard]] const std::string& label() const override { return label_; }
  [[nodiscard]] const std::map<std::string, TensorEntry>& entries() const override { return entries_; }
  // Points into the mapping where the tensor lies there row by row; others are gathered into a buffer.
  [[nodiscard]] TensorEntry read(const std::string& name) const override;
  void check_intact() const override { file_.check_intact(); }

  // Whether the file begins as one of torch.save does, in either format.
  [[nodiscard]] static bool recognises(std::span<const std::byte> beginning);

 private:
  class Contents;
  // A tensor that does not lie row by row.
  struct Strided {
    const std::byte* first = nullptr;
    std::vector<std::int64_t> strides;  // in elements
  };

  void read_archive();
  void read_legacy();
  void add_tensor(const Contents& contents, std::string_view name, std::size_t index);
  void take_state_dict(const Contents& contents);

  std::string label_;
  MappedFile file_;
  std::map<std::string, TensorEntry> entries_;
  std::map<std::string, Strided> strided_;
  std::uint64_t total_bytes_ = 0;
  mutable std::vector<std::byte> buffer_;
};

}  // namespace espalier
