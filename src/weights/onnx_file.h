// ONNX model files: the graph, and the tensors stored in it. The reader knows the format, not the operators; who runs a graph
// says which of them it knows. Nothing in a file is trusted: counts are limited before anything is stored, and memory does not
// follow what the file claims. Names point into the mapped file.
// Source: onnx.proto of the ONNX project, IR versions 3 to 13.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"

namespace espalier {

// A tensor as it is stored. Element types are those of TensorProto.DataType.
struct OnnxTensor {
  enum class Storage : std::uint8_t {
    raw,       // little-endian elements
    floats,    // little-endian float32
    integers,  // packed varints
  };
  static constexpr std::int32_t kFloat = 1, kInt32 = 6, kInt64 = 7, kHalf = 10;

  std::string_view name;
  std::int32_t type = 0;
  std::vector<std::int64_t> extents;
  std::int64_t size = 0;  // product of the extents
  Storage storage = Storage::raw;
  std::string_view bytes;
};

// One of the values, by the attribute's type.
struct OnnxAttribute {
  enum class Kind : std::uint8_t { none, number, integer, text, integers, tensor, other };
  std::string_view name;
  Kind kind = Kind::none;
  float number = 0.0F;
  std::int64_t integer = 0;
  std::string_view text;
  std::vector<std::int64_t> integers;
  std::size_t tensor = 0;  // place in OnnxGraph::attribute_tensors
};

struct OnnxNode {
  std::string_view name, op, domain;
  std::vector<std::string_view> inputs, outputs;  // "" for one that is left out
  std::vector<OnnxAttribute> attributes;

  // Null when there is none.
  [[nodiscard]] const OnnxAttribute* find(std::string_view attribute) const;
};

// An input or output of the graph.
struct OnnxValue {
  std::string_view name;
  std::int32_t type = 0;
  std::vector<std::int64_t> extents;  // -1 where the file leaves it open
};

struct OnnxGraph {
  std::int64_t opset = 0;  // of the standard operators
  std::vector<OnnxNode> nodes;
  std::vector<OnnxTensor> initializers, attribute_tensors;
  std::vector<OnnxValue> inputs, outputs;
};

// Throws not_found or io when the file cannot be opened, format when it is not an ONNX file or contradicts itself, unsupported
// for what the format has but this reader leaves out (functions, subgraphs, sparse tensors, data in other files), naming it.
class OnnxFile {
 public:
  explicit OnnxFile(const std::filesystem::path& path);

  [[nodiscard]] const std::string& label() const { return label_; }
  [[nodiscard]] const OnnxGraph& graph() const { return graph_; }
  // Throws io when the file has become shorter since it was opened: call it behind reading, because what is gone reads as
  // zeros.
  void check_intact() const { file_.check_intact(); }

 private:
  std::string label_;
  MappedFile file_;
  OnnxGraph graph_;
};

// The graph of a serialised model; it points into `bytes`.
[[nodiscard]] OnnxGraph parse_onnx(const std::string& label, std::string_view bytes);

// All elements of a tensor of float32 or float16, or of 64- or 32-bit integers. Throws unsupported naming tensor and type for
// others, format when stored and announced sizes differ.
[[nodiscard]] std::vector<float> onnx_floats(const std::string& label, const OnnxTensor& tensor);
[[nodiscard]] std::vector<std::int64_t> onnx_integers(const std::string& label, const OnnxTensor& tensor);
// Without reading the elements: throws what onnx_floats would.
void check_onnx_floats(const std::string& label, const OnnxTensor& tensor);

// A name out of a file, for a message: short, one line, printable.
[[nodiscard]] std::string printable(std::string_view name);

}  // namespace espalier
