// Small ONNX models for tests, written field by field.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

namespace espalier::test::onnx {

inline std::string varint(std::uint64_t n) {
  std::string out;
  for (; n > 127; n >>= 7U) out += static_cast<char>((n & 127U) | 128U);
  return out += static_cast<char>(n);
}
inline std::string number(std::uint32_t field, std::int64_t n) {
  return varint(field << 3U) + varint(static_cast<std::uint64_t>(n));
}
inline std::string blob(std::uint32_t field, const std::string& bytes) {
  return varint(field << 3U | 2U) + varint(bytes.size()) + bytes;
}
template <class T>
std::string raw(const std::vector<T>& values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  if (!values.empty()) std::memcpy(bytes.data(), values.data(), bytes.size());
  return bytes;
}

// TensorProto with float32 or int64 elements.
inline std::string tensor(const std::string& name, const std::vector<std::int64_t>& extents, std::int64_t type,
                          const std::string& bytes) {
  std::string out;
  for (const std::int64_t e : extents) out += number(1, e);
  return out + number(2, type) + blob(8, name) + blob(9, bytes);
}
inline std::string floats(const std::string& name, const std::vector<std::int64_t>& extents, const std::vector<float>& values) {
  return tensor(name, extents, 1, raw(values));
}

// AttributeProto.
inline std::string attribute(const std::string& name, std::int64_t value) {
  return blob(5, blob(1, name) + number(3, value) + number(20, 2));
}
inline std::string attribute(const std::string& name, const std::vector<std::int64_t>& values) {
  std::string list;
  for (const std::int64_t v : values) list += number(8, v);
  return blob(5, blob(1, name) + list + number(20, 7));
}
inline std::string attribute(const std::string& name, const std::string& value) {
  return blob(5, blob(1, name) + blob(4, value) + number(20, 3));
}

// NodeProto; `attributes` are joined results of attribute().
inline std::string node(const std::string& op, const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                        const std::string& attributes = "") {
  std::string out;
  for (const std::string& name : inputs) out += blob(1, name);
  for (const std::string& name : outputs) out += blob(2, name);
  return out + blob(3, op + "_node") + blob(4, op) + attributes;
}

// ValueInfoProto of float32; -1 leaves a dimension open.
inline std::string value(const std::string& name, const std::vector<std::int64_t>& extents) {
  std::string dims;
  for (const std::int64_t e : extents) dims += blob(1, e < 0 ? blob(2, "open") : number(1, e));
  return blob(1, name) + blob(2, blob(1, number(1, 1) + blob(2, dims)));
}

struct Model {
  std::vector<std::string> nodes, tensors, inputs, outputs;
  std::int64_t opset = 13;
  std::string graph_extra{};

  [[nodiscard]] std::string bytes() const {
    std::string graph;
    for (const std::string& n : nodes) graph += blob(1, n);
    for (const std::string& t : tensors) graph += blob(5, t);
    for (const std::string& i : inputs) graph += blob(11, i);
    for (const std::string& o : outputs) graph += blob(12, o);
    return number(1, 8) + blob(7, graph + graph_extra) + blob(8, number(2, opset));
  }
};

}  // namespace espalier::test::onnx
