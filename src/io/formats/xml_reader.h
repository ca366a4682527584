// Tags of an XML text, one after another: as much of the language as files of meshes need.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/formats/reader_parts.h"

namespace espalier::reader {

class XmlReader {
 public:
  XmlReader(std::string_view text, const Source& source) : text_(without_mark(text)), source_(source) {}

  // The next tag, or false at the end. Texts between tags, comments and declarations are passed over.
  bool next();
  // Of the last tag, without the prefix of its name space.
  [[nodiscard]] std::string_view name() const { return name_; }
  [[nodiscard]] bool closes() const { return closes_; }  // </name>
  [[nodiscard]] bool empty() const { return empty_; }    // <name/>
  // The value of an attribute, by its name without prefix; empty where it is not there. References stay as they are.
  [[nodiscard]] std::string_view attribute(std::string_view name) const;
  // The same with its references resolved.
  [[nodiscard]] std::string text(std::string_view name) const;

 private:
  std::string_view text_;
  const Source& source_;
  std::string_view name_;
  bool closes_ = false, empty_ = false;
  int depth_ = 0;
  std::vector<std::pair<std::string_view, std::string_view>> attributes_;
};

}  // namespace espalier::reader
