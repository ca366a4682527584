// One node of an ONNX graph as its operator sees it: attributes with defaults, and errors that name the node.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "weights/onnx_file.h"

namespace espalier {

class NodeReader {
 public:
  NodeReader(const std::string& label, const OnnxNode& node) : label_(label), node_(node) {}

  [[nodiscard]] const OnnxNode& node() const { return node_; }

  template <class... Parts>
  [[noreturn]] void unsupported(const Parts&... parts) const {
    espalier::fail(ErrorCode::unsupported, where(), parts..., " is not supported", hint("use the published file"));
  }
  template <class... Parts>
  [[noreturn]] void broken(const Parts&... parts) const {
    espalier::fail(ErrorCode::format, where(), parts..., hint("the graph is not valid, use the published file"));
  }

  // Refuses attributes that are not listed.
  void allow(std::initializer_list<std::string_view> names) const;
  [[nodiscard]] std::int64_t integer(std::string_view name, std::int64_t otherwise) const;
  [[nodiscard]] float number(std::string_view name, float otherwise) const;
  [[nodiscard]] std::string_view text(std::string_view name, std::string_view otherwise) const;
  // As many as `otherwise` has.
  [[nodiscard]] std::vector<std::int64_t> integers(std::string_view name, std::vector<std::int64_t> otherwise) const;
  // Refuses every value of an attribute but this one.
  void only(std::string_view name, std::int64_t value) const;
  void only(std::string_view name, std::string_view value) const;

 private:
  [[nodiscard]] std::string where() const {
    return str(label_, ": node ", printable(node_.name), " (", printable(node_.op), "): ");
  }
  // Null when there is none; throws when it is of another kind.
  [[nodiscard]] const OnnxAttribute* find(std::string_view name, OnnxAttribute::Kind kind) const;

  const std::string& label_;
  const OnnxNode& node_;
};

}  // namespace espalier
