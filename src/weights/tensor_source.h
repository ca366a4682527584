// Named tensors of a file, or of anything else that can hand out bytes.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "tensor/tensor.h"

namespace espalier {

// Where a tensor lies, row by row without gaps; `data` stays valid as long as its source.
struct TensorEntry {
  DType dtype = DType::f32;
  std::vector<std::int64_t> extents;
  const std::byte* data = nullptr;
  std::size_t bytes = 0;
  // Of a matrix of I8: float32, one for each row, at any alignment; an element is the number stored times that of its row.
  const std::byte* scales = nullptr;
};
// Whether the elements stand for real numbers.
[[nodiscard]] inline bool holds_reals(const TensorEntry& entry) { return is_floating(entry.dtype) || entry.scales != nullptr; }

// Anything that holds named tensors. Not to be shared by threads: read() may reuse a buffer.
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
  // The bytes of a tensor that exists, at any alignment; valid until the next read() or the end of the source.
  [[nodiscard]] virtual TensorEntry read(const std::string& name) const = 0;
  // Throws io when the file was changed while it was read: to be called before what was read is used.
  virtual void check_intact() const {}
  // Free text that is stored beside the tensors; empty where the format has none.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const { return metadata_; }

 protected:
  std::map<std::string, std::string> metadata_;
};

}  // namespace espalier
